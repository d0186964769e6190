"""What sessions keep in a wallet: while they run, until they are paid, and given back where nothing is charged (B-50).

Who locks what: what became of the session, so that no record is taken back meanwhile, then the wallet, whose lock
covers all its reservations. A reservation that has its final amount is looked at again when its record is taken back,
and released once its invoice is paid otherwise.
"""

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.db.transaction import atomic

from billing.models import (
    Cdr,
    Hold,
    InvoiceLine,
    InvoiceState,
    Outcome,
    Settlement,
    Wallet,
    WalletReservation,
)
from billing.services import home_agreements
from billing.services.payments import margins, stopping
from core import clock
from stations.domain.words import TransactionStatus
from stations.models import Transaction

AT_ONCE = 500
_NOTHING = Decimal(0)
_NO_MORE_OWED = (InvoiceState.PAID, InvoiceState.CREDITED, InvoiceState.UNCOLLECTIBLE)
_UNCHARGED = (Outcome.WAIVED, Outcome.NOT_BILLABLE, Outcome.SEALED)
"""What becomes of a session without a standing record: sealed, its record was taken back."""


@atomic
def follow(key: UUID) -> int:
    """Bring a session's reservation up to what it costs now, settle it by its record, or give it back; 0 where that is
    done."""
    rows = WalletReservation.objects.select_related(
        "transaction__station__presence",
        "transaction__organization",
        "transaction__cost",
        "transaction__driver",
    )
    settlement = Settlement.objects.select_for_update().filter(pk=key).first()
    row = rows.get(pk=key)
    wallet = Wallet.objects.select_for_update().get(pk=row.wallet_id)
    row.refresh_from_db(fields=["amount", "settled_at", "released_at", "stop_asked_at"])
    if row.settled_at or row.released_at:
        return 0
    record = Cdr.objects.filter(transaction_id=key, credit=False, credited_by=None).first()
    if _takes_nothing(row.transaction, record, wallet) or (record is None and _is_decided(settlement)):
        _release(row, wallet)
    elif record is not None:
        change(row, wallet, record.payable_incl_vat or _NOTHING)
        row.settled_at = clock.now()
        row.save(update_fields=["settled_at"])
    else:
        _keep_up(row, wallet)
    return 1


def look_again(transaction_id: UUID | None) -> None:
    """Its record is taken back: what it kept is by the new one, or free. Call it where that is done."""
    kept = WalletReservation.objects.filter(pk=transaction_id, released_at=None)
    kept.exclude(settled_at=None).update(settled_at=None)


def release_paid() -> int:
    """Give back what is kept for sessions whose invoice is paid by other means, or is owed no more, and for those
    whose record was taken back; how many."""
    standing = Cdr.objects.filter(transaction=OuterRef("pk"), credit=False, credited_by=None)
    lines = InvoiceLine.objects.filter(
        cdr__transaction=OuterRef("pk"), cdr__credit=False, cdr__credited_by=None, voided_at=None,
        invoice__state__in=_NO_MORE_OWED,
    )  # fmt: skip
    over = Exists(lines) | ~Exists(standing)
    kept = WalletReservation.objects.filter(over, released_at=None).exclude(settled_at=None)
    keys = list(kept.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    for key in keys:
        _release_by_key(key)
    return len(keys)


def is_paid_to_driver(session: Transaction, record: Cdr | None) -> bool:
    """As its record says, or before there is one the agreement of its day (B-52)."""
    if record is not None:
        return record.home_charging_compensation
    return home_agreements.of_session(session) is not None


def is_held_elsewhere(session: Transaction) -> bool:
    """Whether a card pays for the session."""
    return Hold.objects.filter(transaction=session).exists()


def change(row: WalletReservation, wallet: Wallet, amount: Decimal) -> None:
    """To that amount, or as near as the wallet allows. The caller holds the wallet's lock."""
    allowed = max(min(amount, row.amount + wallet.available), _NOTHING)
    wallet.reserved += allowed - row.amount
    wallet.save(update_fields=["reserved"])
    row.amount = allowed
    row.save(update_fields=["amount"])


@atomic
def _release_by_key(key: UUID) -> None:
    row = WalletReservation.objects.get(pk=key)
    wallet = Wallet.objects.select_for_update().get(pk=row.wallet_id)
    row.refresh_from_db(fields=["amount", "released_at"])
    if row.released_at is None:
        _release(row, wallet)


def _release(row: WalletReservation, wallet: Wallet) -> None:
    change(row, wallet, _NOTHING)
    row.released_at = clock.now()
    row.save(update_fields=["released_at"])


def _takes_nothing(session: Transaction, record: Cdr | None, wallet: Wallet) -> bool:
    """Whether the wallet has nothing to do with it: its driver is paid for it, or it is charged to somebody else."""
    if is_paid_to_driver(session, record) or is_held_elsewhere(session):
        return True
    if record is None:
        return False
    return (record.account_id, record.currency) != (wallet.account_id, wallet.currency)


def _is_decided(settlement: Settlement | None) -> bool:
    return settlement is not None and settlement.outcome in _UNCHARGED


def _keep_up(row: WalletReservation, wallet: Wallet) -> None:
    """Reserve what it costs so far and in the next minutes; ask to stop where that is all there is."""
    session = row.transaction
    if session.status == TransactionStatus.ENDED:
        _keep_price(row, wallet)
        return
    ahead, needed = _needed(session)
    if needed > row.amount + wallet.available:
        _make_room(row, wallet)
    most = row.amount + wallet.available
    if needed > row.amount:
        change(row, wallet, needed)
    if ahead and needed >= most and session.status == TransactionStatus.ACTIVE:
        stopping.ask(session)
        if row.stop_asked_at is None:
            row.stop_asked_at = clock.now()
            row.save(update_fields=["stop_asked_at"])


def _keep_price(row: WalletReservation, wallet: Wallet) -> None:
    """Of a session that has ended its price, while it waits for its record; without one what it has."""
    cost = getattr(row.transaction, "cost", None)
    if cost is not None and cost.is_final and cost.shown is not None and cost.shown != row.amount:
        change(row, wallet, cost.shown)


def _needed(session: Transaction) -> tuple[Decimal, Decimal]:
    """What the next minutes may cost, and with it what must be there."""
    cost = getattr(session, "cost", None)
    so_far = (cost.shown if cost else None) or _NOTHING
    ahead = margins.margin(session, so_far)
    return ahead, so_far + ahead


def _make_room(row: WalletReservation, wallet: Wallet) -> None:
    """The payer's other sessions that run keep what they need, no more: they share one wallet."""
    for other in _others(row):
        _ahead, needed = _needed(other.transaction)
        if needed < other.amount:
            change(other, wallet, needed)


def _others(row: WalletReservation) -> Iterator[WalletReservation]:
    kept = WalletReservation.objects.filter(
        wallet=row.wallet_id, settled_at=None, released_at=None, amount__gt=0
    ).exclude(transaction__status=TransactionStatus.ENDED.value)
    rows = kept.exclude(pk=row.pk).select_related("transaction__organization", "transaction__station")
    yield from rows.select_related("transaction__cost").order_by("pk")
