"""Bank bookings and the invoices they pay: by reference at once, by amount and name as a proposal (B-45, B-46)."""

import hashlib
import re
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError
from django.db.transaction import atomic

from billing.models import (
    BankLine,
    BankStatement,
    BillingAccount,
    DocumentType,
    Invoice,
    LineState,
    Method,
    Payment,
    PaymentState,
)
from billing.services.payments import allocating, coming_back, receiving, references, statements
from billing.services.payments.bookings import Booking, Note
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.models import Organization

WAITING = (LineState.OPEN, LineState.PROPOSED)
_WORD = re.compile(r"[^\W\d_]{3,}")


@atomic
def take_in(organization: Organization, name: str, content: bytes, *, by: Actor) -> BankStatement:
    """Import a statement; bookings that are known from another file are counted, not booked again.

    Raises :class:`Conflict` for a file that was imported already, :class:`Invalid` for one that cannot be read.
    """
    by.require(Permission.INVOICES_MANAGE, organization)
    kind, bookings = statements.read(content, organization.currency)
    row = BankStatement(
        organization=organization, name=name.replace("\x00", "")[:200] or kind, format=kind,
        digest=hashlib.sha256(content).hexdigest(), imported_at=clock.now(), imported_by=by.label[:200],
    )  # fmt: skip
    try:
        with atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("This file was imported already.") from error
    for booking, mark in zip(bookings, statements.fingerprints(bookings), strict=True):
        row.lines_new += _take_in(row, booking, mark, by)
    row.lines_known = len(bookings) - row.lines_new
    row.save(update_fields=["lines_new", "lines_known"])
    audit.record("bank_statement.imported", row, by=by)
    return row


@atomic
def confirm(line: BankLine, invoice: Invoice, *, by: Actor) -> BankLine:
    """A person says which invoice a booking pays. Raises :class:`Conflict` where it is decided already."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    held = _undecided(line, by)
    _require_money(held)
    _pay(held, [invoice], by)
    return _decided(held, by, "")


@atomic
def give_to(line: BankLine, account: BillingAccount, *, by: Actor) -> BankLine:
    """A person says who paid, though no invoice is meant: it stays as that payer's credit."""
    by.require(Permission.INVOICES_MANAGE, account)
    held = _undecided(line, by)
    _require_money(held)
    held.payment, held.state = _book(held, account, by), LineState.MATCHED
    return _decided(held, by, "")


def _require_money(line: BankLine) -> None:
    if line.amount < 0:
        raise Conflict("Money that went out pays no invoice.")
    if coming_back.is_of_a_debit(line):
        raise Conflict(
            "This is of direct debits. Say on the page of their file that the bank took it, and here what differs."
        )


@atomic
def leave(line: BankLine, *, reason: str, by: Actor) -> BankLine:
    """It has nothing to do with invoices. Raises :class:`Invalid` without a reason."""
    if not reason.strip():
        raise Invalid("Say what the booking is.", field="reason")
    held = _undecided(line, by)
    held.state = LineState.LEFT
    return _decided(held, by, reason)


def _take_in(row: BankStatement, booking: Booking, mark: str, by: Actor) -> bool:
    if BankLine.objects.filter(organization_id=row.organization_id, fingerprint=mark).exists():
        return False
    line = BankLine(
        organization_id=row.organization_id, statement=row, fingerprint=mark, booked_on=booking.booked_on,
        amount=booking.amount, currency=booking.currency, text=booking.text, name=booking.name,
        end_to_end_id=booking.end_to_end_id, return_reason=booking.return_reason, reason=booking.note,
    )  # fmt: skip
    line.save(force_insert=True)
    if line.amount < 0:
        _match_outgoing(line, booking, by)
    else:
        _match(line, booking, by)
    line.save()
    return True


def _match(line: BankLine, booking: Booking, by: Actor) -> None:
    if booking.is_reversal:
        line.reason = Note.DEBIT_REVERSED
    elif coming_back.credited(line, by) or coming_back.credited_as_a_whole(line, booking.batch, by):
        return
    named = references.invoices_in(line.organization_id, line.text)
    payable = [one for one in named if one.currency == line.currency]
    if len({one.account_id for one in payable}) > 1 and not line.reason:
        line.reason = Note.SEVERAL_PAYERS
    if payable and not line.reason:
        _pay(line, payable, by)
    elif booking.note != Note.PARTS:
        line.proposed = next(iter(named), None) or _by_amount_and_name(line)
        line.state = LineState.PROPOSED if line.proposed else LineState.OPEN


def _match_outgoing(line: BankLine, booking: Booking, by: Actor) -> None:
    coming_back.returned(line, by)
    if booking.is_reversal and line.state == LineState.OPEN and not line.reason:
        _reverse(line, by)


def _reverse(line: BankLine, by: Actor) -> None:
    """The bank takes back what it credited: a payment of the same words and amount is no more."""
    alike = BankLine.objects.filter(
        organization_id=line.organization_id, amount=-line.amount, currency=line.currency, text=line.text,
        name=line.name, end_to_end_id=line.end_to_end_id,
    ).exclude(text="", name="", end_to_end_id="").select_related("payment").order_by("-id")  # fmt: skip
    payment = next((one.payment for one in alike if one.payment and _is_whole(one.payment)), None)
    if payment is not None:
        receiving.take_back(payment, reason=line.return_reason or "reversed", by=by)
        line.payment, line.state = payment, LineState.MATCHED
        return
    line.reason = Note.CREDIT_REVERSED
    waiting = next((one for one in alike if one.state in WAITING), None)
    if waiting is not None:
        line.reason = waiting.reason = Note.IS_REVERSED
        waiting.save(update_fields=["reason"])


def _is_whole(payment: Payment) -> bool:
    return payment.state == PaymentState.RECEIVED and not payment.refunded


def _pay(line: BankLine, invoices: Sequence[Invoice], by: Actor) -> None:
    """Invoices of one payer in turn, as far as they go; what is above stays as the payer's credit, never dropped."""
    if any(one.currency != line.currency for one in invoices):
        raise Invalid("Payment and invoice are in different currencies.", field="invoice")
    payment = _book(line, invoices[0].account, by)
    for invoice in invoices:
        if invoice.state in allocating.OWED:
            allocating.allocate(payment, invoice, by=by)
    line.payment, line.proposed, line.state = payment, invoices[0], LineState.MATCHED


def _book(line: BankLine, account: BillingAccount, by: Actor) -> Payment:
    return receiving.book(
        organization_id=line.organization_id, account=account, amount=line.amount, currency=line.currency,
        method=Method.BANK_TRANSFER, received_on=line.booked_on, note=line.text[:300], by=by,
    )  # fmt: skip


def _by_amount_and_name(line: BankLine) -> Invoice | None:
    """The one open invoice of that amount whose number is in the text, or whose payer's name is like the payer's."""
    owed = Invoice.objects.filter(
        organization_id=line.organization_id, state__in=allocating.OWED, currency=line.currency,
        due__gte=line.amount, document_type=DocumentType.INVOICE,
    ).select_related("account")  # fmt: skip
    text = references.plain(line.text)
    said = {word.lower() for word in _WORD.findall(line.name)}
    fitting = [
        one
        for one in owed.order_by("issued_on", "id")[:5000]
        if (references.plain(one.number) in text)
        or (said & {word.lower() for word in _WORD.findall(one.account.name)} and _is(one, line.amount))
    ]
    return fitting[0] if len(fitting) == 1 else None


def _is(invoice: Invoice, amount: Decimal) -> bool:
    return allocating.open_amount(invoice) == amount


def _undecided(line: BankLine, by: Actor) -> BankLine:
    by.require(Permission.INVOICES_MANAGE, line)
    held = BankLine.objects.select_for_update().get(pk=line.pk)
    if held.state not in WAITING:
        raise Conflict("This booking is decided already.")
    return held


def _decided(held: BankLine, by: Actor, reason: str) -> BankLine:
    held.decided_by, held.decided_at, held.reason = (
        by.label[:200],
        clock.now(),
        reason.strip()[:300] or held.reason,
    )
    held.save()
    audit.record("bank_line.decided", held, by=by, reason=reason, changes={"state": [None, held.state]})
    return held


def invoice_named(organization_id: UUID, text: str) -> Invoice:
    """The issued invoice of a number or reference. Raises :class:`Invalid`."""
    found = references.invoices_of(organization_id, text).first() if text.strip() else None
    if found is None:
        raise Invalid("There is no invoice of this number.", field="invoice")
    return found
