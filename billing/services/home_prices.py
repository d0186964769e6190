"""What the driver is paid for a session at home: its energy by the registers, at the agreed rate (billing B-52).

The tariff that held for the station does not matter, nor whether one did.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from billing.models import Cause, HomeAgreement
from billing.services import home_agreements
from billing.services.checks import Doubt
from stations.models import CostState, SessionCost, Transaction
from stations.services import costs_kept
from tariffs import documents, pricing
from tariffs.local_time import find_zone
from tariffs.pricing import Basis, Recorded, RecordedPeriod, Rounding

_THOUSAND = Decimal(1000)
_HOUR_S = Decimal(3600)


def of_session(session: Transaction, agreement: HomeAgreement) -> SessionCost:
    """The price, which is not stored; in review where the registers do not tell an energy."""
    cost = SessionCost(transaction=session, state=CostState.REVIEW)
    first, last = session.meter_start_wh, session.meter_last_wh
    if session.ended_at is None or first is None or last is None:
        cost.cause = "missing_register"
    elif last < first:
        cost.cause = "register_fell"
    elif session.ended_at < session.started_at:
        cost.cause = "end_before_start"
    else:
        _price(cost, session, agreement, (last - first) / _THOUSAND)
    return cost


def tariff_of(agreement: HomeAgreement) -> str:
    """The agreed rate as a text with an OCPI tariff, which records have."""
    component: dict[str, Any] = {
        "type": "ENERGY",
        "price": agreement.rate_per_kwh.normalize(),
        "step_size": 0,
    }
    if agreement.vat_rate is not None:
        component["vat"] = agreement.vat_rate.normalize()
    return documents.dumps(
        {
            "id": str(agreement.pk),
            "currency": agreement.currency,
            "elements": [{"price_components": [component]}],
        }
    )


def other_meter(session: Transaction, agreement: HomeAgreement) -> Iterator[Doubt]:
    """Where a MID meter is asked for, it is agreed on, and the station names no other one."""
    if not home_agreements.mid_required(agreement.organization_id):
        return
    named = session.station.meter_serial_number.strip()
    if not agreement.meter_serial:
        yield Doubt(Cause.OTHER_METER)
    elif named and named.upper() != agreement.meter_serial.upper():
        yield Doubt(Cause.OTHER_METER, f"{named}, {agreement.meter_serial}")


def _price(cost: SessionCost, session: Transaction, agreement: HomeAgreement, energy_kwh: Decimal) -> None:
    assert session.ended_at is not None
    tariff = costs_kept.parsed(tariff_of(agreement))
    hours = Decimal((session.ended_at - session.started_at).total_seconds()) / _HOUR_S
    period = RecordedPeriod(start=session.started_at, energy_kwh=energy_kwh, time_h=hours)
    usage = Recorded(start=session.started_at, end=session.ended_at, periods=(period,))
    zone = find_zone(home_agreements.zone_of(session))
    found = pricing.price(tariff, usage, zone=zone, rounding=Rounding(basis=Basis.NET))
    costs_kept.keep(cost, tariff, found)
    cost.state = CostState.FINAL
