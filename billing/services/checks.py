"""What must hold before a session is sealed; what does not is left to a person, never guessed (billing B-05, B-06)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Max

from billing.models import Cause, SigningRule
from billing.services import agreement, signed_values
from stations.domain.words import Flag
from stations.models import Connector, CostState, SessionCost, Transaction
from stations.services import halves

LONGEST = timedelta(hours=72)
TOLERANCE = Decimal("1.05")
THOUSAND = Decimal(1000)
ROUNDED_KWH = Decimal("0.001")
"""1.6 registers are whole Wh: what the readings add up to may differ by that."""
_CAUSES = {
    "no_tariff": Cause.NO_TARIFF,
    "register_fell": Cause.REGISTER_FELL,
    "end_before_start": Cause.END_BEFORE_START,
    "missing_register": Cause.NO_END_READING,
    "no_readings": Cause.NO_END_READING,
}
_WRONG_CLOCK = frozenset({Flag.CLOCK_IMPLAUSIBLE.value, Flag.NEGATIVE_DURATION.value})


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a session is not sealed by itself."""

    cause: Cause
    detail: str = ""


def first_doubt(session: Transaction, cost: SessionCost) -> Doubt | None:
    """The first rule that a session breaks, those without a price before those with one."""
    return next((doubt for check in _CHECKS for doubt in check(session, cost)), None)


def is_sealable(session: Transaction, cost: SessionCost) -> bool:
    """Whether there is a price at all that a person could accept."""
    return not any(True for check in _HARD for _ in check(session, cost))


def rating_w(session: Transaction) -> int | None:
    """The rating of the outlet's strongest connector, else of its whole station, where one is known."""
    connectors = Connector.objects.filter(evse=session.evse, max_power_w__isnull=False)
    strongest: int | None = connectors.aggregate(most=Max("max_power_w"))["most"]
    return strongest or session.station.max_power_w


def _has_price(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    if cost.state == CostState.REVIEW:
        yield Doubt(_CAUSES.get(cost.cause, Cause.UNPRICED), cost.detail)
    elif cost.state != CostState.FINAL or not cost.is_known:
        yield Doubt(Cause.UNPRICED)


def _ends(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    if session.ended_at is None or session.meter_last_wh is None:
        yield Doubt(Cause.NO_END_READING)
    elif session.ended_at < session.started_at:
        yield Doubt(Cause.END_BEFORE_START)


def _rises(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    first, last = session.meter_start_wh, session.meter_last_wh
    fell = first is not None and last is not None and last < first
    if fell or Flag.METER_BACKWARDS in session.flags:
        yield Doubt(Cause.REGISTER_FELL, f"{first} Wh, {last} Wh")


def _adds_up(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    """The energy of the price is that between the registers (B-05)."""
    if session.meter_start_wh is None or session.meter_last_wh is None:
        return
    counted = Decimal(cost.answer["total_energy"])
    read = (session.meter_last_wh - session.meter_start_wh) / THOUSAND
    if abs(counted - read) > ROUNDED_KWH:
        yield Doubt(Cause.TOTALS_DIFFER, f"{counted} kWh priced, {read} kWh read")


def _agrees(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    for difference in agreement.differences(session, cost):
        yield Doubt(Cause.TOTALS_DIFFER, difference)


def _lasts(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    assert session.ended_at is not None
    if session.ended_at - session.started_at > LONGEST:
        yield Doubt(Cause.TOO_LONG)


def _clock(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    if _WRONG_CLOCK & set(session.flags):
        yield Doubt(Cause.CLOCK_JUMP)


def _power(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    """No more energy than the outlet's rating gives in that time, with 5 % on top."""
    rating = rating_w(session)
    assert session.ended_at is not None
    if rating is None:
        return
    hours = Decimal((session.ended_at - session.started_at).total_seconds()) / 3600
    most = Decimal(rating) / THOUSAND * hours * TOLERANCE
    if Decimal(cost.answer["total_energy"]) > most:
        yield Doubt(Cause.TOO_MUCH_ENERGY, f"{cost.answer['total_energy']} kWh, at most {most:.3f} kWh")


def _token(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    if session.token_value and session.token_id is None and cost.shown != 0:
        yield Doubt(Cause.UNKNOWN_TOKEN)


def _alone(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    if session.evse_id is None or session.ended_at is None:
        return
    others = Transaction.objects.filter(
        evse_id=session.evse_id, started_at__lt=session.ended_at, ended_at__gt=session.started_at
    )
    other = others.exclude(pk__in=halves.keys_of(session)).first()
    if other is not None:
        yield Doubt(Cause.OVERLAP, str(other.reference))


def _energy(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    amount = cost.incl_vat if cost.incl_vat is not None else cost.excl_vat
    if Decimal(cost.answer["total_energy"]) == 0 and amount:
        yield Doubt(Cause.COSTS_WITHOUT_ENERGY, f"{amount} {cost.currency}")


def _signed(session: Transaction, cost: SessionCost) -> Iterator[Doubt]:
    """Where the site requires signed values, they are valid and say the energy of the price (B-63)."""
    judged = signed_values.judge(session)
    if judged.blocks:
        yield Doubt(Cause.SIGNATURE, ", ".join(judged.reasons) or judged.state)
    elif judged.rule == SigningRule.REQUIRED and judged.energy_kwh is not None:
        priced = Decimal(cost.answer["total_energy"])
        if abs(priced - judged.energy_kwh) > ROUNDED_KWH:
            yield Doubt(Cause.SIGNATURE, f"{priced} kWh priced, {judged.energy_kwh} kWh signed")


Check = Callable[[Transaction, SessionCost], Iterator[Doubt]]
_HARD: tuple[Check, ...] = (_has_price, _ends, _rises)
_CHECKS: tuple[Check, ...] = (
    *_HARD,
    _lasts,
    _adds_up,
    _agrees,
    _clock,
    _power,
    _token,
    _alone,
    _energy,
    _signed,
)
