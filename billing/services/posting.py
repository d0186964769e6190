"""What an issued document says in the ledger (billing B-27, B-48)."""

from collections import defaultdict
from decimal import Decimal
from uuid import UUID

from billing.models import DocumentType, Invoice, Journal, LedgerAccount, LedgerEntry


def post(invoice: Invoice) -> None:
    """Receivable against revenue for each site and VAT for each rate; a credit note the other way round.

    A statement says what is payable, against what it costs at each site and the VAT that is paid with it.
    """
    if not invoice.due and not invoice.net:
        return
    assert invoice.issued_at is not None
    sign = -1 if invoice.document_type == DocumentType.CREDIT_NOTE else 1
    journal = Journal.objects.create(
        organization_id=invoice.organization_id,
        invoice=invoice,
        currency=invoice.currency,
        posted_at=invoice.issued_at,
    )
    made = _rows_of_statement if invoice.document_type == DocumentType.SELF_BILLED else _rows
    rows = [row for row in made(invoice) if row.amount]
    for row in rows:
        row.journal = journal
        row.amount *= sign
    LedgerEntry.objects.bulk_create(rows)


def _rows(invoice: Invoice) -> list[LedgerEntry]:
    revenue: dict[UUID | None, Decimal] = defaultdict(Decimal)
    for site_id, net in invoice.lines.values_list("cdr__site_id", "net"):
        revenue[site_id] += net
    return [
        LedgerEntry(account=LedgerAccount.RECEIVABLE, payer_id=invoice.account_id, amount=invoice.due),
        *(
            LedgerEntry(account=LedgerAccount.REVENUE, site_id=site, amount=-net)
            for site, net in revenue.items()
        ),
        *(
            LedgerEntry(account=LedgerAccount.VAT, vat_rate=Decimal(one["rate"]), amount=-Decimal(one["vat"]))
            for one in invoice.vat_groups
        ),
        LedgerEntry(account=LedgerAccount.ROUNDING, amount=-invoice.rounding),
    ]


def _rows_of_statement(statement: Invoice) -> list[LedgerEntry]:
    costs: dict[tuple[LedgerAccount, UUID | None], Decimal] = defaultdict(Decimal)
    for host, site_id, net in statement.shares.values_list("host_agreement", "cdr__site_id", "net"):
        costs[LedgerAccount.COMPENSATION if host is None else LedgerAccount.HOST_SHARE, site_id] += net
    return [
        LedgerEntry(account=LedgerAccount.PAYABLE, payer_id=statement.account_id, amount=-statement.due),
        *(LedgerEntry(account=account, site_id=site, amount=net) for (account, site), net in costs.items()),
        *(
            LedgerEntry(account=LedgerAccount.VAT, vat_rate=Decimal(one["rate"]), amount=Decimal(one["vat"]))
            for one in statement.vat_groups
        ),
    ]
