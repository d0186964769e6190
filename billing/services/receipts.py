"""Receipts of sessions that were paid by card without an account: issued at once, each once (billing B-18, B-38).

Who locks what: the payment, then the record, then the series. A receipt is an invoice to the organization's ad-hoc
payer, whom nothing is known of; its secret link is all that leads to it. What a session cost above what was set aside,
or all of it where the hold was released before, is not collected: a credit note of the receipt says so.
"""

from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import F, QuerySet
from django.db.transaction import atomic

from billing.models import (
    AccountException,
    AccountKind,
    BillingAccount,
    Cdr,
    DocumentType,
    Hold,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    Payment,
    PaymentState,
    Receipt,
)
from billing.services import crediting, drafting, issuing
from billing.services.payments import allocating, books
from core import access, clock, turns
from core.errors import DomainError, NotFound
from core.models import Organization

SYSTEM = access.system("receipts")
AT_ONCE = 100
LOOKED_AT = 1000
NOT_COLLECTED = "Above what was set aside; it is not collected."
_KEY_LENGTH = 43


def run() -> int:
    """Issue and settle receipts that are due; how many were issued. What cannot be is told once, and tried again."""
    issued = 0
    for key in list(_due().values_list("pk", flat=True)[:LOOKED_AT]):
        issued += turns.guarded(key, partial(_issue_one, key))
        if issued == AT_ONCE:
            break
    for receipt in _unsettled()[:AT_ONCE]:
        turns.guarded(receipt, partial(_settle, receipt))
    return issued


def by_key(key: str) -> Receipt:
    """The receipt of a secret link. Raises :class:`NotFound`."""
    rows = Receipt.objects.select_related("invoice__organization", "transaction__site", "payment")
    found = rows.filter(key=key).first() if len(key) == _KEY_LENGTH else None
    if found is None:
        raise NotFound("There is no such object here.")
    return found


def _due() -> QuerySet[Hold]:
    """Holds whose session has a record that costs something and is on no document."""
    billed = InvoiceLine.objects.filter(voided_at=None)
    records = Cdr.objects.filter(credit=False, credited_by=None, payable_incl_vat__gt=0)
    records = records.exclude(lines__in=billed)
    return Hold.objects.filter(transaction__in=records.values("transaction")).order_by("?")


def _issue_one(key: UUID) -> bool:
    with atomic():
        held = Payment.objects.select_for_update(of=("self",)).select_related("organization").get(pk=key)
        account = _payer(held.organization)
        record = _record(held)
        if record is None:
            return False
        period = f"{record.ended_at.astimezone(ZoneInfo(account.time_zone)):%Y-%m}"
        try:
            with atomic():
                _issue(held, account, record, period)
        except DomainError as why:
            known = {"account": account, "period": period, "closed_at": None}
            opened = {
                "organization": held.organization,
                "reason": why.message[:300],
                "opened_at": clock.now(),
            }
            AccountException.objects.get_or_create(**known, defaults=opened)
            return False
        AccountException.objects.open().filter(account=account).update(closed_at=clock.now())
    return True


def _record(held: Payment) -> Cdr | None:
    hold = Hold.objects.get(pk=held.pk)
    rows = Cdr.objects.select_for_update(of=("self",)).filter(
        transaction=hold.transaction_id, credit=False, credited_by=None, payable_incl_vat__gt=0
    )
    record = rows.first()
    taken = record is not None and InvoiceLine.objects.filter(cdr=record, voided_at=None).exists()
    return None if taken else record


def _issue(held: Payment, account: BillingAccount, record: Cdr, period: str) -> Receipt:
    lines = drafting.lines_of([record], account)
    _type, sums = drafting.summed(lines, record.basis, record.currency)
    invoice = Invoice(
        organization=held.organization, account=account, kind=InvoiceKind.RECEIPT,
        document_type=DocumentType.INVOICE, period=period, currency=record.currency, basis=record.basis,
    )  # fmt: skip
    drafting.put_totals(invoice, sums)
    invoice.save(force_insert=True)
    drafting.add_lines(invoice, lines, sums)
    issuing.make_final(invoice, SYSTEM)
    _assign(held, account)
    assert record.transaction is not None
    return Receipt.objects.create(invoice=invoice, transaction=record.transaction, payment=held)


def _assign(held: Payment, account: BillingAccount) -> None:
    """The money, come or to come, is for what this payer owes."""
    if held.account_id is not None:
        return
    held.account = account
    held.save(update_fields=["account"])
    if held.state == PaymentState.RECEIVED:
        books.assign(held)


def _payer(organization: Organization) -> BillingAccount:
    made = {"name": "Ad hoc", "time_zone": organization.time_zone}
    return BillingAccount.objects.get_or_create(
        organization=organization, kind=AccountKind.AD_HOC, defaults=made
    )[0]


def _unsettled() -> QuerySet[Receipt]:
    """Receipts whose payment arrived and has not been counted for them, or will never arrive."""
    settled = (PaymentState.RECEIVED, PaymentState.RELEASED, PaymentState.FAILED)
    rows = Receipt.objects.filter(payment__state__in=settled, invoice__state__in=allocating.OWED)
    return rows.exclude(payment__allocations__invoice=F("invoice")).order_by("?")


@atomic
def _settle(receipt: Receipt) -> int:
    allocating.allocate(receipt.payment, receipt.invoice, by=SYSTEM)
    invoice = Invoice.objects.get(pk=receipt.invoice_id)
    rest = allocating.open_amount(invoice)
    if not rest:
        return 1
    parts = {}
    for one in crediting.left_of(invoice):
        parts[one.line.pk] = min(rest, one.leading)
        rest -= parts[one.line.pk]
        if not rest:
            break
    crediting.credit(invoice, by=SYSTEM, reason=NOT_COLLECTED, parts=parts)
    return 1
