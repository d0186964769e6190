"""Money set aside for a session without an account: held, watched, captured once, or released (B-37 to B-40)."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db.transaction import atomic

from billing.models import (
    CallAction,
    Cdr,
    Hold,
    Method,
    Payment,
    PaymentState,
    ProviderCall,
    ProviderKind,
    ProviderSettings,
    Purpose,
)
from billing.services import alarms
from billing.services.payments import margins, reservations, stopping
from core import audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.money import minor_units
from stations.domain.words import TransactionStatus
from stations.models import Alert, Evse, Transaction
from stations.services import alerts

AT_ONCE = 1000
START_WITHIN = timedelta(minutes=10)
LASTS = timedelta(days=7)
WARN_AT = Decimal("0.8")
STOP_BEFORE_END = timedelta(hours=12)
"""So long before a hold ends its session is stopped, so that its costs can be captured in time."""
GIVE_UP_BEFORE_END = timedelta(hours=1)
_NOTHING = Decimal(0)


@atomic
def ask(evse: Evse, amount: Decimal, *, back: str, by: Actor) -> Payment:
    """A page on which a person lets us set money aside for one session at this outlet.

    The same outlet is asked for once: a second try within the same attempt is the first. Raises
    :class:`Invalid` above the site's hold, :class:`Conflict` without a provider.
    """
    by.require(Permission.COMMANDS_SESSION, evse.station)
    policy = ProviderSettings.objects.filter(pk=evse.station.organization_id).first()
    if policy is None:
        raise Conflict("No payment provider is set up here.")
    if not _NOTHING < amount <= policy.hold_amount:
        raise Invalid(f"At most {policy.hold_amount:.2f} are set aside.", field="amount")
    Evse.objects.select_for_update().get(pk=evse.pk)
    open_ = Hold.objects.filter(evse=evse, closed_at=None).select_related("payment").first()
    if open_ is not None:
        return open_.payment
    return _hold(evse, amount, back, by)


@atomic
def begun(payment: Payment, session: Transaction) -> Hold:
    """The session that the hold pays for. Raises :class:`Conflict` before the money is set aside (B-37)."""
    held = Payment.objects.select_for_update().get(pk=payment.pk)
    row = Hold.objects.select_for_update().get(pk=held.pk)
    if held.state != PaymentState.HELD:
        raise Conflict("The money is not set aside yet. Start when it is.")
    if row.transaction_id is None and (clock.now() >= row.give_up_at or _is_given_up(held)):
        raise Conflict("It took too long: the money is being released. Begin again.")
    if row.transaction_id is None:
        row.transaction = session
        row.save(update_fields=["transaction"])
    return row


def _is_given_up(held: Payment) -> bool:
    return held.calls.filter(action=CallAction.VOID).exists()


def watch() -> int:
    """Stop what gets too dear, capture what has a record, release what nobody needs, warn before a hold ends."""
    keys = list(Hold.objects.filter(closed_at=None).order_by("pk").values_list("pk", flat=True))
    for key in keys:
        turns.guarded(key, partial(_look_at, key))
    _release_left_behind()
    return len(keys)


def _release_left_behind() -> None:
    """Money that was set aside after we had given up waiting for it."""
    held = Payment.objects.filter(purpose=Purpose.AD_HOC, state=PaymentState.HELD)
    for payment in (
        held.exclude(hold__closed_at=None).exclude(calls__action=CallAction.VOID).order_by("pk")[:AT_ONCE]
    ):
        release(payment)


@atomic
def _look_at(key: UUID) -> int:
    held = Payment.objects.select_for_update().get(pk=key)
    row = (
        Hold.objects.select_for_update(of=("self",))
        .select_related("transaction__station__organization", "transaction__station__presence")
        .get(pk=key)
    )
    if row.closed_at is not None:
        return 0
    if held.state not in (PaymentState.PENDING, PaymentState.HELD):
        _end(held, row)
    elif row.transaction is None:
        if clock.now() >= row.give_up_at:
            release(held)
    else:
        _follow(held, row, row.transaction)
    return 1


def _follow(held: Payment, row: Hold, session: Transaction) -> None:
    record = Cdr.objects.filter(transaction=session, credit=False, credited_by=None).first()
    is_ending = clock.now() >= row.expires_at - GIVE_UP_BEFORE_END
    if reservations.is_paid_to_driver(session, record):
        release(held)
    elif record is not None:
        capture(held, record.payable_incl_vat or _NOTHING)
    elif is_ending or _is_free(session):
        release(held)
    else:
        _limit(held, row, session)
        _warn(held, row, session)


def capture(held: Payment, payable: Decimal) -> ProviderCall:
    """Ask for what the session costs, at most for what is set aside; nothing to pay is a release.

    Once: the key is the payment's. What is above the hold is written off, not collected (B-38).
    """
    amount = min(payable, held.authorized)
    if amount <= 0:
        return release(held)
    call, created = ProviderCall.objects.get_or_create(
        key=f"capture:{held.pk}", defaults={"payment": held, "action": CallAction.CAPTURE, "amount": amount}
    )
    if created and payable > amount:
        held.note = (
            f"{payable - amount:.{minor_units(held.currency)}f} {held.currency} above the hold, written off"
        )
        held.save(update_fields=["note"])
    return call


def release(held: Payment) -> ProviderCall:
    """Ask for the hold to be given up; once."""
    return ProviderCall.objects.get_or_create(
        key=f"void:{held.pk}", defaults={"payment": held, "action": CallAction.VOID, "amount": held.amount}
    )[0]


def _limit(held: Payment, row: Hold, session: Transaction) -> None:
    """At hold less reserve, or before the hold itself ends, the session is stopped from here (B-38, B-40)."""
    cost = getattr(session, "cost", None)
    so_far = (cost.shown if cost else None) or _NOTHING
    if session.status != TransactionStatus.ACTIVE:
        return
    ends = clock.now() >= row.expires_at - STOP_BEFORE_END
    if ends or so_far + margins.margin(session, so_far) >= held.authorized:
        _stop(row, session)


def _stop(row: Hold, session: Transaction) -> None:
    stopping.ask(session)
    if row.stop_asked_at is None:
        row.stop_asked_at = clock.now()
        row.save(update_fields=["stop_asked_at"])


def _warn(held: Payment, row: Hold, session: Transaction) -> None:
    """At 80 % of its time a person hears that the hold will end (B-38)."""
    due = held.created_at + (row.expires_at - held.created_at) * float(WARN_AT)
    if row.warned_at is None and clock.now() >= due:
        alerts.raise_(
            "hold_expires", station_id=session.station_id, organization_id=held.organization_id,
            severity=Alert.Severity.WARNING, at=clock.now(), subject=str(held.pk),
            detail=f"{held.authorized:.2f} {held.currency} set aside for session {session.reference} are "
            f"released by the bank on {row.expires_at:%Y-%m-%d %H:%M} UTC.",
        )  # fmt: skip
        row.warned_at = clock.now()
        row.save(update_fields=["warned_at"])


def _end(held: Payment, row: Hold) -> None:
    """A session that runs on without money is stopped before the hold is forgotten."""
    session = row.transaction
    if session is not None and session.status == TransactionStatus.ACTIVE:
        _stop(row, session)
    else:
        _close(held, row)


def _close(held: Payment, row: Hold) -> None:
    """Where a session's money was released and nothing was due back, a person hears that it is lost."""
    if held.state == PaymentState.RELEASED and row.transaction is not None and _is_owed(row.transaction):
        alarms.tell(
            "hold", f"What was set aside for session {row.transaction.reference} was released before it was paid.",
            organization_id=held.organization_id, object_id=held.pk,
        )  # fmt: skip
    row.closed_at = clock.now()
    row.save(update_fields=["closed_at"])


def _is_free(session: Transaction) -> bool:
    """Whether somebody decided that it is not billed."""
    settlement = getattr(session, "settlement", None)
    return settlement is not None and settlement.outcome in ("waived", "not_billable")


def _is_owed(session: Transaction) -> bool:
    record = Cdr.objects.filter(transaction=session, credit=False, credited_by=None).first()
    if record is not None:
        return bool(record.payable_incl_vat) and not record.home_charging_compensation
    return not _is_free(session)


def _hold(evse: Evse, amount: Decimal, back: str, by: Actor) -> Payment:
    now, organization = clock.now(), evse.station.organization
    payment = Payment.objects.create(
        organization=organization, method=Method.CARD, purpose=Purpose.AD_HOC, amount=amount,
        currency=organization.currency, provider=ProviderKind.STRIPE.value, created_by=by.label[:200],
    )  # fmt: skip
    Hold.objects.create(payment=payment, evse=evse, give_up_at=now + START_WITHIN, expires_at=now + LASTS)
    ProviderCall.objects.create(
        payment=payment, action=CallAction.CHECKOUT, key=f"checkout:{payment.pk}", amount=amount,
        details={"back": back, "description": f"Charging at {evse.code}"},
    )  # fmt: skip
    audit.record("payment.asked", payment, by=by)
    return payment
