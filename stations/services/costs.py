"""What a running session costs so far, told to the station's display (2.0.1 I02)."""

from dataclasses import replace
from decimal import Decimal

from core.access import Actor
from core.errors import Invalid
from stations.domain.intents.displays import CostUpdated
from stations.models import ChargingStation
from stations.services import preconditions

LARGEST = Decimal(10) ** 9


def prepare(station: ChargingStation, intent: CostUpdated, by: Actor) -> CostUpdated:
    """Name the running session. Raises :class:`Invalid`, :class:`NotFound` and :class:`Conflict`."""
    if not (intent.total_cost.is_finite() and 0 <= intent.total_cost < LARGEST):
        raise Invalid("A cost from 0 up is expected.", field="total_cost")
    running = preconditions.running(station, intent.transaction, by)
    return replace(intent, reference=running.reference)
