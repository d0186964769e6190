"""Debits on a statement: what the bank credited and what came back, in whatever order it is told (billing B-45).

A debit is one payment, known by its end-to-end id. Whoever books it first, a statement or the person who says that the
bank took the file, books it; the others find it. Who locks what: the file, then the payment, then its invoice.
"""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db.transaction import atomic

from billing.models import (
    BankLine,
    DebitFile,
    DebitFileState,
    DebitItem,
    LineState,
    Method,
    Payment,
    PaymentState,
)
from billing.services.payments import allocating, debits, receiving
from billing.services.payments.bookings import Note
from core.access import Actor
from core.errors import Conflict

BY_BANK = (Method.BANK_TRANSFER, Method.DIRECT_DEBIT, Method.MANUAL)


def credited(line: BankLine, by: Actor) -> bool:
    """Whether it is the credit of one debit of ours; then it is its payment, or waits with a reason."""
    item = _item_of(line)
    if item is None:
        return False
    payment = debits.payment_of(item)
    if (line.amount, line.currency) != (item.amount, item.file.currency):
        line.reason = Note.OTHER_AMOUNT
    elif payment is not None and payment.bank_lines.filter(amount__gt=0).exists():
        line.reason = Note.CREDITED_ALREADY
    else:
        line.payment, line.state = payment or debits.settle(item, by=by), LineState.MATCHED
    return True


def is_of_a_debit(line: BankLine) -> bool:
    """Whether a booking that waits is a credit of debits of ours, which are payments of their own.

    What the bank credits a second time is not: it is the payer's credit until somebody wants it back.
    """
    if line.reason == Note.CREDITED_ALREADY:
        return False
    mine = DebitItem.objects.filter(file__organization_id=line.organization_id)
    named = line.end_to_end_id and mine.filter(end_to_end_id=line.end_to_end_id).exists()
    return line.reason == Note.OTHER_AMOUNT or bool(named)


def credited_as_a_whole(line: BankLine, batch: str, by: Actor) -> bool:
    """Whether it is the credit of a file of ours, or of its first or its other debits."""
    row = _file_of(line, batch)
    if row is None:
        return False
    items = _items_of(row, line)
    told = f"It is the credit of the debit file {row.message_id}."
    same = BankLine.objects.filter(organization_id=line.organization_id, reason=told, amount=line.amount)
    if not items:
        line.reason = Note.OTHER_AMOUNT
    elif same.exists():
        line.reason = Note.CREDITED_ALREADY
    else:
        _take(row, items, by)
        line.reason, line.state = told, LineState.MATCHED
    return True


def returned(line: BankLine, by: Actor) -> None:
    """A debit that came back, before or after it was booked; what is above its amount is the bank's fee."""
    item = _item_of(line)
    if item is None:
        return
    payment = debits.payment_of(item)
    line.reason = _why_not(line, item, payment)
    if line.reason:
        return
    reason = line.return_reason or "returned"
    payment = payment or debits.book(item, by=by)
    receiving.take_back(payment, reason=reason, fee=-line.amount - payment.captured, by=by)
    debits.came_back(item, reason, by=by)
    line.payment, line.proposed, line.state = payment, item.invoice, LineState.MATCHED


@atomic
def by_hand(payment: Payment, *, reason: str, fee: Decimal = Decimal(0), by: Actor) -> Payment:
    """The bank took it back, and no statement said of what: the invoices are owed again. ``fee`` is the bank's.

    Raises as :func:`receiving.take_back` does, and :class:`Conflict` for money that came by no bank.
    """
    if payment.method not in BY_BANK:
        raise Conflict("Only what came by a bank can be taken back by one.")
    if fee:
        allocating.require_amount(fee, payment.currency)
    item = _item(payment.organization_id, payment.end_to_end_id)
    if Payment.objects.select_for_update().get(pk=payment.pk).state == PaymentState.RETURNED:
        raise Conflict("This was taken back already.")
    taken = receiving.take_back(payment, reason=reason, fee=fee, by=by)
    if item is not None:
        debits.came_back(item, reason.split()[0].upper(), by=by)
    return taken


def _why_not(line: BankLine, item: DebitItem, payment: Payment | None) -> str:
    if payment is not None and payment.state == PaymentState.RETURNED:
        return Note.CAME_BACK_ALREADY
    if line.currency != item.file.currency or -line.amount < item.amount:
        return Note.LESS_THAN_COLLECTED
    return Note.REFUNDED_SINCE if payment is not None and payment.refunded else ""


def _item_of(line: BankLine) -> DebitItem | None:
    """The debit of that end-to-end id, with its file's lock."""
    return _item(line.organization_id, line.end_to_end_id)


def _item(organization_id: UUID, end_to_end_id: str) -> DebitItem | None:
    if not end_to_end_id:
        return None
    mine = DebitItem.objects.filter(file__organization_id=organization_id)
    found = mine.filter(end_to_end_id=end_to_end_id).values_list("pk", "file_id").first()
    if found is None:
        return None
    DebitFile.objects.select_for_update().get(pk=found[1])
    return mine.select_related("file", "invoice__account", "mandate").get(pk=found[0])


def _file_of(line: BankLine, batch: str) -> DebitFile | None:
    """By its message id, or by that of one of its parts."""
    mine = DebitFile.objects.select_for_update().filter(organization_id=line.organization_id)
    names = {batch, batch.rpartition("-")[0]} - {""}
    return mine.filter(message_id__in=names).first()


def _items_of(row: DebitFile, line: BankLine) -> Sequence[DebitItem]:
    """All of them, or those of one sequence: as many as the amount is of."""
    items = list(row.items.select_related("file", "invoice__account", "mandate"))
    parts = [items, *([one for one in items if one.sequence == kind] for kind in ("FRST", "RCUR"))]
    if line.currency != row.currency:
        return ()
    fitting = [part for part in parts if sum((one.amount for one in part), Decimal(0)) == line.amount]
    fresh = (part for part in fitting if all(debits.payment_of(one) is None for one in part))
    return next(fresh, fitting[0] if fitting else ())


def _take(row: DebitFile, items: Sequence[DebitItem], by: Actor) -> None:
    if row.state == DebitFileState.OPEN and len(items) == row.items.count():
        debits.collected(row, by=by)
        return
    for item in items:
        if debits.payment_of(item) is None:
            debits.settle(item, by=by)
