"""A record is taken back by another one, never changed (billing B-09 to B-11)."""

from typing import Any

from django.db.transaction import atomic

from billing.models import BillingAccount, Cdr, ReservationSettlement, Settlement
from billing.services import sealing
from billing.services.payments import reservations
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.ids import uuid7

NEGATED = (
    "total_excl_vat", "total_incl_vat", "payable_excl_vat", "payable_vat", "payable_incl_vat",
)  # fmt: skip
SAME = (
    "organization_id", "site_id", "transaction_id", "reservation_id", "account_id", "started_at", "ended_at",
    "energy_kwh", "meter_start_wh", "meter_end_wh", "currency", "basis", "home_agreement_id",
)  # fmt: skip


@atomic
def credit(record: Cdr, *, by: Actor, reason: str) -> Cdr:
    """Take a record back: all its data with negated amounts, under a new reference.

    Raises :class:`Conflict` for a credit or what is credited already, :class:`Invalid` without a reason.
    """
    by.require(Permission.SESSIONS_CORRECT, record)
    if not reason.strip():
        raise Invalid("Say why the record is taken back.", field="reason")
    hold(record)
    if record.credit:
        raise Conflict("A credit cannot be credited. Make a new record instead.")
    if Cdr.objects.filter(credit_reference=record).exists():
        raise Conflict("This record is credited already.")
    taken_back = _mirror(record)
    taken_back.save(force_insert=True)
    sealing.tell(taken_back)
    reservations.look_again(record.transaction_id)
    audit.record("cdr.credited", record, by=by, reason=reason)
    return taken_back


def hold(record: Cdr) -> None:
    """Lock what became of its session or reservation, so that one at a time changes that."""
    if record.transaction_id is not None:
        Settlement.objects.select_for_update().get(pk=record.transaction_id)
    else:
        ReservationSettlement.objects.select_for_update().get(pk=record.reservation_id)


def like(record: Cdr, account: BillingAccount | None) -> Cdr:
    """A record that stands for a credited one, as that was but for who pays; not stored yet."""
    key = uuid7()
    names = (*SAME, *NEGATED, "content", "digest")
    values = {name: getattr(record, name) for name in names if name != "account_id"}
    return Cdr(
        id=key, reference=str(key), account=account, replaces=record, sealed_at=clock.now(), **values
    )  # fmt: skip


def _mirror(record: Cdr) -> Cdr:
    values: dict[str, Any] = {name: getattr(record, name) for name in SAME}
    for name in NEGATED:
        amount = getattr(record, name)
        values[name] = None if amount is None else 0 - amount
    content = {**record.content, "credit": True, "credit_reference_id": record.reference}
    return Cdr(
        id=uuid7(),
        reference=f"{record.reference}-C",
        credit=True,
        credit_reference=record,
        content=content,
        digest=sealing.digest_of(content),
        sealed_at=clock.now(),
        **values,
    )
