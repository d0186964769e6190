"""What a running session may still cost before a stop takes hold: three minutes at full power (billing B-40)."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from billing.services import checks
from core import clock
from core.money import minor_units
from stations.models import FrozenTariff, Transaction
from stations.services.costs_kept import parsed
from tariffs.ahead import Ahead, dearest
from tariffs.local_time import find_zone
from tariffs.structure import Tariff
from tariffs.usage import Conditions, Counted

SPAN = timedelta(minutes=3)
FRESH = timedelta(minutes=1)
"""A register read so long ago is as good as one of now."""
OLDEST = timedelta(minutes=15)
"""So much of what a register may have gone on since is reckoned: who is silent for longer hears no stop either."""
MORE = Decimal("1.25")
"""By so much a car may charge faster than at its highest reading."""
USUAL_W = 22_000
"""What an outlet of three phases and 32 A gives: taken where no rating is known and no more was measured."""
THOUSAND = Decimal(1000)


def margin(session: Transaction, so_far: Decimal) -> Decimal:
    """What the outlet can cost in three minutes at its rating, the idle fee included, by the session's own tariff.

    What it can have cost since its register was read counts as well, which ``so_far`` cannot know.
    Whole minor units of its currency, taxes included; no more than the tariff's greatest price leaves, so 0 where
    nothing more can come. The least unit where no tariff is frozen.
    """
    if session.ended_at is not None:
        return Decimal(0)
    frozen = FrozenTariff.objects.filter(pk=session.pk).first()
    if frozen is None:
        return Decimal(1).scaleb(-minor_units(session.organization.currency))
    tariff = parsed(frozen.document)
    most = dearest(tariff, _ahead(session, frozen, clock.now()))
    return _whole(min(most, _left(tariff, so_far)), frozen.currency)


def rating_w(session: Transaction) -> int:
    """The power to reckon with: of the outlet's strongest connector, else of its station, else what is usual.

    No less than was measured, whatever the rating says.
    """
    return max(checks.rating_w(session) or USUAL_W, int(session.power_max_w or 0))


def _ahead(session: Transaction, frozen: FrozenTariff, now: datetime) -> Ahead:
    """From its last reading on. A session that uses a reservation began with that (T-25)."""
    since = _read_at(session, now)
    span = now - since + SPAN
    began = min(filter(None, [session.started_at, frozen.reserved_from]))
    elapsed = max(since - began, timedelta(0))
    priced, heard = _priced_kwh(session), Fraction(session.energy_wh or 0) / 1000
    return Ahead(
        stands=Conditions(
            since.astimezone(find_zone(frozen.time_zone)),
            elapsed_s=Fraction(elapsed // timedelta(microseconds=1), 1_000_000),
            kwh=priced,
        ),
        span=span,
        power_kw=_power_w(session, span) / THOUSAND,
        fee_is_due=not _has_fee(session),
        unpriced_kwh=max(heard - priced, Fraction(0)),
    )


def _power_w(session: Transaction, span: timedelta) -> Decimal:
    """In the mean: at the rating from now on, and since the reading at what was measured and some more, if it was."""
    rated, measured = Decimal(rating_w(session)), session.power_max_w
    since = min(measured * MORE, rated) if measured else rated
    share = Decimal(SPAN / span)
    return rated * share + since * (1 - share)


def _read_at(session: Transaction, now: datetime) -> datetime:
    """When its register was read last, within reason."""
    read_at = session.meter_last_at or session.started_at
    return now if now - read_at <= FRESH else max(read_at, now - OLDEST)


def _priced_kwh(session: Transaction) -> Fraction:
    """What the cost so far has in it."""
    cost = getattr(session, "cost", None)
    return Fraction(str(cost.answer.get("total_energy", 0))) if cost else Fraction(0)


def _has_fee(session: Transaction) -> bool:
    cost = getattr(session, "cost", None)
    lines = cost.lines if cost else []
    return any(line["dimension"] == Counted.FLAT and line["element"] is not None for line in lines)


def _left(tariff: Tariff, so_far: Decimal) -> Fraction:
    """What the greatest price of a session, taxes included, leaves above the cost so far; much where there is none."""
    bound = tariff.max_price.incl if tariff.max_price else None
    return Fraction(10**12) if bound is None else max(Fraction(bound) - Fraction(so_far), Fraction(0))


def _whole(amount: Fraction, currency: str) -> Decimal:
    """Rounded up."""
    digits = minor_units(currency)
    return Decimal(-(-amount * 10**digits // 1)).scaleb(-digits)
