"""What arrives after a session was sealed never changes its record: a person hears of it (billing B-08).

What arrives of a half that was merged into another session counts for that one.
"""

from collections.abc import Collection
from decimal import Decimal
from uuid import UUID

from billing.models import Cause, Cdr, Outcome, Settlement
from billing.services import halves, home_prices, sealing
from billing.services.checks import Doubt
from core import clock
from stations.models import FrozenTariff, Transaction
from stations.services import session_costs
from tariffs.usage import CannotPrice


def look(keys: Collection[UUID]) -> int:
    """Compare these sessions with their records; how many differ."""
    sealed = Settlement.objects.select_for_update().filter(
        pk__in=halves.first_keys(list(keys)), outcome=Outcome.SEALED
    )
    return sum(_look_at(settlement) for settlement in sealed.order_by("pk"))


def standing(transaction_id: UUID) -> Cdr | None:
    """The record that counts now: neither a credit nor credited."""
    records = Cdr.objects.filter(transaction=transaction_id, credit=False, credited_by=None)
    return records.first()


def _look_at(settlement: Settlement) -> bool:
    session = halves.whole(Transaction.objects.get(pk=settlement.pk))
    record = standing(settlement.pk)
    if record is None or _agrees(session, record):
        return False
    difference, detail = _difference(session, record)
    sealing.open_exception(
        session,
        Doubt(Cause.LATE_DATA, detail),
        now=clock.now(),
        difference=difference,
        currency=record.currency,
    )
    return True


def _agrees(session: Transaction, record: Cdr) -> bool:
    return (session.started_at, session.ended_at, session.meter_start_wh, session.meter_last_wh) == (
        record.started_at,
        record.ended_at,
        *_registers(record),
    )


def _registers(record: Cdr) -> tuple[Decimal | None, Decimal | None]:
    """As they were reported; a record that was billed by signed values keeps those beside them (B-63)."""
    if "reported_end_wh" not in record.content:
        return record.meter_start_wh, record.meter_end_wh
    first, last = record.content["reported_start_wh"], record.content["reported_end_wh"]
    return (None if first is None else Decimal(first), None if last is None else Decimal(last))


def _difference(session: Transaction, record: Cdr) -> tuple[Decimal | None, str]:
    """What the same tariff would say now, less what was sealed; ``None`` where it cannot say."""
    if record.home_agreement is not None:
        return _at_home(session, record)
    frozen = FrozenTariff.objects.get(pk=session.pk)
    try:
        _tariff, price = session_costs.priced_now(
            session, frozen, until=clock.now(), told=halves.material(session)
        )
    except CannotPrice as why:
        return None, str(why)
    for found, sealed in (
        (price.payable.incl, record.payable_incl_vat),
        (price.payable.excl, record.payable_excl_vat),
    ):
        if found is not None and sealed is not None:
            return found.amount - sealed, f"{sealed} → {found.amount} {record.currency}"
    return None, ""


def _at_home(session: Transaction, record: Cdr) -> tuple[Decimal | None, str]:
    assert record.home_agreement is not None
    assert record.payable_excl_vat is not None
    found = home_prices.of_session(session, record.home_agreement).excl_vat
    if found is None:
        return None, ""
    return found - record.payable_excl_vat, f"{record.payable_excl_vat} → {found} {record.currency}"
