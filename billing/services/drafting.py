"""Drafts: what one account owes for a month, collected from records that no live line has (billing B-19 to B-22)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, QuerySet
from django.db.transaction import atomic

from billing import amounts
from billing.amounts import ToBill, Totals
from billing.models import (
    BillingAccount,
    Buyer,
    Cdr,
    DocumentType,
    Hold,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceState,
    PaymentState,
)
from billing.services import parties
from billing.services.vat_treatment import OUTSIDE, REVERSE, Treatment
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from tariffs.rounding import Basis

_PAYS = (PaymentState.PENDING, PaymentState.HELD, PaymentState.RECEIVED)
YEAR_END = "-12"
"""The month in which even the smallest amount is asked for (B-21)."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One document that a month asks for: its ``records``, and the draft made ``before`` that it takes the place of.

    ``stands``: that draft has just these records, at just these amounts, and stays.
    """

    currency: str
    basis: str
    records: list[Cdr]
    before: Invoice | None = None
    stands: bool = False


@atomic
def draft(account: BillingAccount, period: str, *, by: Actor) -> list[Invoice]:
    """As :func:`catch_up` does, for one who asks for drafts.

    Raises :class:`Conflict` where the month has its documents already, :class:`Invalid` for a month that is none
    or a record with an unknown tax.
    """
    made = catch_up(account, period, by=by)
    if not made and unbilled(account, period).exists():
        if taken(account, period).exists():
            raise Conflict(
                "This month has an invoice already; what came late goes on that of the next month."
            )
        raise Conflict("What is owed is below the payer's minimum amount; it waits for the next month.")
    return made


@atomic
def catch_up(account: BillingAccount, period: str, *, by: Actor) -> list[Invoice]:
    """Bring the drafts of a month (``YYYY-MM``) up to date, one for each currency and basis; those made here.

    What came since a draft was made joins it, what was credited since leaves it: another draft takes its place.
    Records of earlier months that came late are on them too; once the month's document is issued, they wait for
    the next month's (B-20), and so does what is below the payer's minimum amount, to the end of its year at most
    (B-21). Raises :class:`Invalid` for what is no month or a record with an unknown tax.
    """
    by.require(Permission.INVOICES_MANAGE, account)
    BillingAccount.objects.select_for_update().get(pk=account.pk)
    # The drafts first: one that is being issued meanwhile is issued once its lock is ours.
    list(_drafts(account, period).select_for_update())
    list(unbilled(account, period).select_for_update(of=("self",)))
    made = []
    for one in planned(account, period):
        if one.before is not None and not one.stands:
            discard(one.before, by=by)
        if one.records and not one.stands:
            made.append(_draft(account, period, one, by))
    return made


def planned(account: BillingAccount, period: str) -> list[Planned]:
    """What the month asks for as things are; writes nothing. Raises as :func:`catch_up` does."""
    free: dict[tuple[str, str], list[Cdr]] = defaultdict(list)
    for record in unbilled(account, period):
        free[record.currency, record.basis].append(record)
    drafts = {(one.currency, one.basis): one for one in _drafts(account, period)}
    issued = taken(account, period).exclude(state=InvoiceState.DRAFT).values_list("currency", "basis")
    plans = [
        _plan(key, free.get(key, []), drafts.get(key))
        for key in sorted((free.keys() | drafts.keys()) - set(issued))
    ]
    return [replace(one, records=[], stands=False) if _waits(account, period, one) else one for one in plans]


def agrees(invoice: Invoice) -> bool:
    """Whether its lines, taxed as they are today, give the amounts that it says."""
    lines = list(invoice.lines.select_related("cdr__account").order_by("place"))
    again = lines_of(list({one.cdr_id: one.cdr for one in lines}.values()))
    _type, sums = summed(again, invoice.basis, invoice.currency)
    return (sums.net, sums.vat, sums.due) == (invoice.net, invoice.vat, invoice.due) and [
        (one.vat_category, one.vat_rate) for one in lines
    ] == [(one.category, one.rate) for _record, one in again]


@atomic
def discard(invoice: Invoice, *, by: Actor) -> Invoice:
    """Give a draft up; its records are free for another. Raises :class:`Conflict` once it is issued."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
    if locked.state != InvoiceState.DRAFT:
        raise Conflict("Only a draft can be discarded. What is issued is taken back by a credit note.")
    locked.lines.update(voided_at=clock.now())
    locked.state = InvoiceState.DISCARDED
    locked.save(update_fields=["state"])
    audit.record("invoice.discarded", locked, by=by)
    return locked


def unbilled(account: BillingAccount, period: str) -> QuerySet[Cdr]:
    """Records of the account that ended before the month did, where it is, and stand on no live line.

    What a card at the outlet pays for gets a receipt (B-18).
    """
    by_card = Hold.objects.filter(transaction=OuterRef("transaction"), payment__state__in=_PAYS)
    until = end_of(period, account.time_zone)
    records = Cdr.objects.filter(account=account, credit=False, credited_by=None, ended_at__lt=until)
    free = records.exclude(lines__in=InvoiceLine.objects.filter(voided_at=None))
    free = free.exclude(Exists(by_card))
    return free.exclude(payable_excl_vat=0, payable_incl_vat=0).order_by("ended_at", "id")


def taken(account: BillingAccount, period: str) -> QuerySet[Invoice]:
    """Collective documents of the month; each currency and basis has one at most."""
    made = Invoice.objects.filter(account=account, period=period, kind=InvoiceKind.COLLECTIVE)
    return made.exclude(state=InvoiceState.DISCARDED)


def end_of(period: str, time_zone: str) -> datetime:
    """The first instant of the next month there; raises :class:`Invalid` for what is no month."""
    try:
        first = datetime.strptime(period, "%Y-%m").replace(tzinfo=ZoneInfo(time_zone))
        return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    except ValueError:
        raise Invalid("A month is written like 2026-11.", field="period") from None


def lines_of(records: Sequence[Cdr], account: BillingAccount | None = None) -> list[tuple[Cdr, ToBill]]:
    """What each record of one account, or to be paid by this one, costs at each rate.

    Raises :class:`Invalid` where a tax is not known.
    """
    if not records:
        return []
    account = account or records[0].account
    assert account is not None
    treatment = parties.treatment_of(account)
    return [(record, line) for record in records for line in _rates(record, treatment)]


def summed(lines: Sequence[tuple[Cdr, ToBill]], basis: str, currency: str) -> tuple[DocumentType, Totals]:
    """The document that these lines make: a sum below nothing is a credit note of the positive amount (B-28)."""
    to_bill = [line for _record, line in lines]
    kind = DocumentType.INVOICE
    if sum(line.leading for line in to_bill) < 0:
        to_bill = [replace(line, leading=-line.leading) for line in to_bill]
        kind = DocumentType.CREDIT_NOTE
    return kind, amounts.totals(to_bill, Basis(basis), currency)


def _rates(record: Cdr, treatment: Treatment) -> list[ToBill]:
    if record.basis == Basis.GROSS and treatment.category in (REVERSE, OUTSIDE):
        raise Invalid(f"The record {record.reference} has a price with taxes, but its payer owes the VAT.")
    side = "incl_vat" if record.basis == Basis.GROSS else "excl_vat"
    found = [(group["payable"][side], group["payable"]["vat"], group["vat"]) for group in record.vat_groups]
    if any(leading is None or vat is None for leading, vat, _rate in found):
        raise Invalid(f"The VAT of the record {record.reference} is not known.")
    lines = [
        ToBill(Decimal(leading), *treatment.line(None if rate is None else Decimal(rate)))
        for leading, _vat, rate in found
        if Decimal(leading)
    ]
    return _merged(lines)


def _merged(lines: Sequence[ToBill]) -> list[ToBill]:
    """One for each rate: without VAT for this payer, several rates of the price are one."""
    found: dict[tuple[Decimal, str, str], ToBill] = {}
    for line in lines:
        key = line.rate, line.category, line.reason
        before = found.get(key)
        found[key] = replace(line, leading=before.leading + line.leading) if before else line
    return [line for line in found.values() if line.leading]


def _drafts(account: BillingAccount, period: str) -> QuerySet[Invoice]:
    return taken(account, period).filter(state=InvoiceState.DRAFT).order_by("id")


def _plan(key: tuple[str, str], fresh: list[Cdr], before: Invoice | None) -> Planned:
    if before is None:
        return Planned(*key, fresh)
    lined = Cdr.objects.filter(lines__invoice=before).select_related("account").distinct()
    records = list(lined.filter(credited_by=None))
    stands = not fresh and len(records) == lined.count() and agrees(before)
    return Planned(*key, sorted([*records, *fresh], key=lambda one: (one.ended_at, one.pk)), before, stands)


def _waits(account: BillingAccount, period: str, plan: Planned) -> bool:
    """Whether the payer is asked for it later, as it is too little by now."""
    buyer = Buyer.objects.filter(pk=account.pk).first()
    if buyer is None or not buyer.minimum_amount or not plan.records or period.endswith(YEAR_END):
        return False
    oldest = min(record.ended_at for record in plan.records).astimezone(ZoneInfo(account.time_zone))
    _type, sums = summed(lines_of(plan.records), plan.basis, plan.currency)
    return f"{oldest:%Y}" == period[:4] and sums.due < buyer.minimum_amount


def _draft(account: BillingAccount, period: str, plan: Planned, by: Actor) -> Invoice:
    lines = lines_of(_ordered(account, plan.records))
    document_type, sums = summed(lines, plan.basis, plan.currency)
    require_billable(account, sums)
    invoice = Invoice(
        organization_id=account.organization_id, account=account, kind=InvoiceKind.COLLECTIVE,
        document_type=document_type, period=period, currency=plan.currency, basis=plan.basis,
    )  # fmt: skip
    put_totals(invoice, sums)
    invoice.save(force_insert=True)
    add_lines(invoice, lines, sums)
    audit.record("invoice.drafted", invoice, by=by)
    return invoice


def _ordered(account: BillingAccount, records: list[Cdr]) -> list[Cdr]:
    """By their end; where the payer asks for it, by cost centre before that (B-18)."""
    if not Buyer.objects.filter(pk=account.pk, by_cost_centre=True).exists():
        return records
    return sorted(records, key=lambda one: str(one.content.get("cost_centre", "")))


def require_billable(account: BillingAccount, sums: Totals) -> None:
    """Raise :class:`core.errors.Invalid` where an invoice of that sum may not go out without the payer's address."""
    parties.require_address(parties.buyer_of(account, parties.seller_of(account.organization_id)), sums.due)


def put_totals(invoice: Invoice, sums: Totals) -> None:
    """The sums of the lines, with the VAT of each rate."""
    invoice.net, invoice.vat = sums.net, sums.vat
    invoice.rounding, invoice.due = sums.rounding, sums.due
    invoice.vat_groups = [
        {
            "rate": f"{one.rate:f}", "net": f"{one.net:f}", "vat": f"{one.vat:f}",
            "category": one.category, "reason": one.reason,
        }
        for one in sums.groups
    ]  # fmt: skip


def add_lines(invoice: Invoice, lines: Sequence[tuple[Cdr, ToBill]], sums: Totals) -> None:
    sign = -1 if invoice.document_type == DocumentType.CREDIT_NOTE else 1
    rows = [
        InvoiceLine(
            invoice=invoice, cdr=record, place=place, vat_rate=line.rate, vat_category=line.category,
            vat_reason=line.reason, leading=sign * line.leading, net=net,
        )
        for place, ((record, line), net) in enumerate(zip(lines, sums.nets, strict=True), 1)
    ]  # fmt: skip
    InvoiceLine.objects.bulk_create(rows, batch_size=1000)
