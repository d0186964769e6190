"""Credit notes: an issued invoice taken back, whole or in parts, never above it (billing B-10, B-11, B-17).

Who locks what: the payments that settle the invoice, the invoice, then the settlements of the records on it, then the
series. What is credited adds up: the last note takes exactly what the ones before left of each line and each rate, so
that all of them are the invoice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db.models import Sum
from django.db.transaction import atomic

from billing.models import Cdr, DocumentType, Invoice, InvoiceKind, InvoiceLine, InvoiceState
from billing.services import corrections, issuing, sealing
from billing.services.payments import allocating, refunding
from core import audit
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.money import half_up, minor_units
from tariffs.rounding import Basis

CREDITABLE = (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID, InvoiceState.PAID)
Parts = Mapping[int, Decimal | None]
"""By the id of a line, what is taken back of it, gross or net as the invoice leads; ``None`` is all that is left."""
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Left:
    """What earlier notes left of a line."""

    line: InvoiceLine
    leading: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """What a note takes back of a line; ``closes``: nothing is left of it after."""

    line: InvoiceLine
    leading: Decimal
    net: Decimal
    closes: bool

    @property
    def is_whole(self) -> bool:
        return self.leading == self.line.leading


@atomic
def credit(invoice: Invoice, *, by: Actor, reason: str, parts: Parts | None = None) -> Invoice:
    """Take an issued invoice back by a credit note: all that is left of it, or ``parts``.

    A record of which one note takes back every line in full is credited with it and can be billed anew; any other
    stands, and has cost less. What drivers are paid for charging at home stays as it is: of a whole invoice a like
    record is there to be billed, of chosen lines the record stands (B-52). Raises :class:`Conflict` where it is not
    issued or nothing is left of it, :class:`Invalid` without a reason, for a line that is not on it and for more than
    is left.
    """
    return _credit(invoice, parts, by, reason)


@atomic
def credit_record(record: Cdr, *, by: Actor, reason: str) -> Cdr:
    """Take a record back, and with it what an issued invoice asks for it, by a credit note (B-11).

    Raises as :func:`credit` and :func:`billing.services.corrections.credit` do, :class:`Conflict` where a part of it
    was credited before.
    """
    lines = InvoiceLine.objects.filter(cdr=record, voided_at=None, credits=None).select_related("invoice")
    issued = [line for line in lines if line.invoice.number]
    if record.credit or not issued:
        return corrections.credit(record, by=by, reason=reason)
    by.require(Permission.SESSIONS_CORRECT, record)
    if InvoiceLine.objects.filter(credits__in=issued).exists():
        raise Conflict("A part of this was credited already. Credit the rest on the page of its invoice.")
    _credit(issued[0].invoice, {line.pk: None for line in issued}, by, reason, pay_too=True)
    return Cdr.objects.get(credit_reference=record)


def left_of(invoice: Invoice) -> list[Left]:
    """What can still be taken back, line by line in their order."""
    rows = invoice.lines.select_related("cdr").order_by("place")
    taken = rows.annotate(leads=Sum("credited_by__leading"), nets=Sum("credited_by__net"))
    return [
        Left(line, line.leading - (line.leads or _NOTHING), line.net - (line.nets or _NOTHING))
        for line in taken
    ]


def _credit(
    invoice: Invoice, parts: Parts | None, by: Actor, reason: str, *, pay_too: bool = False
) -> Invoice:
    """With ``pay_too`` what drivers are paid for charging at home is taken back as well."""
    allocating.lock_payments(invoice)
    original = _creditable(invoice, by, reason)
    chosen = _chosen(original, parts)
    note = _note(original, chosen)
    whole = _whole_records(note, chosen)
    paid = [] if pay_too else [one for one in whole.values() if one.home_charging_compensation]
    if parts is not None:
        whole = {key: one for key, one in whole.items() if one not in paid}
    _add_lines(note, chosen, {key: _credit_of(record, by, reason) for key, record in whole.items()})
    issuing.make_final(note, by)
    _settle(original)
    refunding.return_to_wallet(note, by=by)
    if parts is None:
        for record in paid:
            _make_anew(record, by, reason)
    told = {"credited": audit.change(None, f"{note.due:.2f}")}
    audit.record("invoice.credited", original, by=by, reason=reason, changes=told)
    return note


def _creditable(invoice: Invoice, by: Actor, reason: str) -> Invoice:
    """Locked."""
    by.require(Permission.SESSIONS_REFUND, invoice)
    if not reason.strip():
        raise Invalid("Say why the invoice is taken back.", field="reason")
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("account", "organization")
    original = locked.get(pk=invoice.pk)
    if original.document_type != DocumentType.INVOICE or original.state not in CREDITABLE:
        raise Conflict("Only an issued invoice can be taken back.")
    return original


def _chosen(invoice: Invoice, parts: Parts | None) -> list[Part]:
    left = {one.line.pk: one for one in left_of(invoice)}
    if parts is None:
        parts = {key: None for key, one in left.items() if one.leading}
        if not parts:
            raise Conflict("Nothing is left to credit.")
    if not parts:
        raise Invalid("Name at least one line.", field="lines")
    if unknown := sorted(parts.keys() - left.keys()):
        raise Invalid(f"There is no line {unknown[0]} on this invoice.", field="lines")
    return [_part(invoice, one, parts[key]) for key, one in left.items() if key in parts]


def _part(invoice: Invoice, left: Left, amount: Decimal | None) -> Part:
    line, sign = left.line, -1 if left.line.leading < 0 else 1
    if not left.leading:
        raise Invalid(f"Nothing is left to credit of line {line.place}.", field="lines")
    if amount is None or amount == left.leading:
        return Part(line, left.leading, left.net, closes=True)
    allocating.require_amount(sign * amount, invoice.currency)
    if sign * amount > sign * left.leading:
        raise Invalid(
            f"Of line {line.place} at most {left.leading:.{minor_units(invoice.currency)}f} can be credited.",
            field="lines",
        )
    share = Fraction(line.net) * Fraction(amount) / Fraction(line.leading)
    net = amount if invoice.basis == Basis.NET else half_up(share, minor_units(invoice.currency))
    return Part(line, amount, _bounded(net, left.net), closes=False)


def _note(original: Invoice, parts: Sequence[Part]) -> Invoice:
    """A draft with the sums of its parts. Raises :class:`Invalid` where they are above a rate of the invoice."""
    before = list(original.credit_notes.all())
    closed = {part.line.pk for part in parts if part.closes}
    groups = []
    for group in original.vat_groups:
        rate = Decimal(group["rate"])
        of_rate = [part for part in parts if part.line.vat_rate == rate]
        if of_rate:
            left = _left_of_rate(group, before)
            closes = not any(
                one.leading and one.line.vat_rate == rate and one.line.pk not in closed
                for one in left_of(original)
            )
            groups.append({**group, **_sums(original, rate, of_rate, left, closes)})
    net, vat = (sum((Decimal(one[name]) for one in groups), _NOTHING) for name in ("net", "vat"))
    due = net + vat
    if original.basis == Basis.GROSS:
        due = sum((part.leading for part in parts), _NOTHING)
    if not _NOTHING < due <= original.due - sum((one.due for one in before), _NOTHING):
        raise Invalid("A credit note takes back something of the invoice, and no more than is left of it.")
    note = Invoice(
        organization=original.organization, account=original.account, kind=InvoiceKind.CREDIT,
        document_type=DocumentType.CREDIT_NOTE, credits=original, period=original.period,
        currency=original.currency, basis=original.basis, net=net, vat=vat, rounding=due - net - vat, due=due,
        vat_groups=groups,
    )  # fmt: skip
    note.save(force_insert=True)
    return note


def _left_of_rate(group: Mapping[str, Any], notes: Sequence[Invoice]) -> dict[str, Decimal]:
    rate = Decimal(group["rate"])
    taken = [one for note in notes for one in note.vat_groups if Decimal(one["rate"]) == rate]
    return {
        name: Decimal(group[name]) - sum((Decimal(one[name]) for one in taken), _NOTHING)
        for name in ("net", "vat")
    }


def _sums(
    invoice: Invoice, rate: Decimal, parts: Sequence[Part], left: Mapping[str, Decimal], closes: bool
) -> dict[str, str]:
    """Net and VAT of a rate: with the last part of it, what is left; never more."""
    net = sum((part.net for part in parts), _NOTHING)
    if _bounded(net, left["net"]) != net:
        raise Invalid(f"This is more than is left at {rate.normalize():f} percent VAT.", field="lines")
    if closes:
        vat = left["vat"]
    elif invoice.basis == Basis.GROSS:
        vat = sum((part.leading for part in parts), _NOTHING) - net
    else:
        vat = half_up(Fraction(net) * Fraction(rate) / 100, minor_units(invoice.currency))
    return {"net": f"{net:f}", "vat": f"{_bounded(vat, left['vat']):f}"}


def _bounded(amount: Decimal, left: Decimal) -> Decimal:
    """At most what is left, on whichever side of nothing that is."""
    return min(amount, left) if left > 0 else max(amount, left)


def _add_lines(note: Invoice, parts: Sequence[Part], credits: Mapping[Any, Cdr]) -> None:
    for place, part in enumerate(parts, 1):
        line = part.line
        InvoiceLine.objects.create(
            invoice=note, cdr=credits.get(line.cdr_id, line.cdr), credits=line, place=place,
            vat_rate=line.vat_rate, vat_category=line.vat_category, vat_reason=line.vat_reason,
            leading=part.leading, net=part.net,
        )  # fmt: skip


def _whole_records(note: Invoice, parts: Sequence[Part]) -> dict[Any, Cdr]:
    """Records of which this note takes back every line in full."""
    whole = {part.line.pk for part in parts if part.is_whole}
    keys = {part.line.cdr_id for part in parts}
    lines = InvoiceLine.objects.filter(invoice=note.credits, cdr__in=keys).values_list("pk", "cdr")
    partly = {record for line, record in lines if line not in whole}
    return {part.line.cdr_id: part.line.cdr for part in parts if part.line.cdr_id not in partly}


def _credit_of(record: Cdr, by: Actor, reason: str) -> Cdr:
    made = Cdr.objects.filter(credit_reference=record).first()
    return made or corrections.credit(record, by=by, reason=reason)


def _make_anew(record: Cdr, by: Actor, reason: str) -> None:
    """For the same payer; its driver gets by it what the credit takes back."""
    if Cdr.objects.filter(replaces=record).exists():
        return
    made = corrections.like(record, record.account)
    made.save(force_insert=True)
    sealing.tell(made)
    audit.record("cdr.made_anew", made, by=by, reason=reason)


def _settle(original: Invoice) -> None:
    """Nothing is owed any more: credited in full, or settled by what was paid and what was credited (B-14)."""
    allocating.free_credited(original)
    if original.state == InvoiceState.PAID:
        return
    if allocating.credited(original) == original.due:
        original.state = InvoiceState.CREDITED
        original.save(update_fields=["state"])
    else:
        allocating.refresh(original)
