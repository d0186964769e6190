"""Whom of many stations a wish is for: what is said in the words of one version of OCPP is not said to others."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from core.errors import Invalid
from stations.domain.intents import Intent
from stations.models import ChargingStation

Fits = Callable[[ChargingStation, Intent], None]
"""Raises :class:`Invalid` with the reason where the intent is not for the station."""


class Reach(NamedTuple):
    """Who is told, and who is passed over and why."""

    told: list[ChargingStation]
    passed_over: list[tuple[ChargingStation, str]]


def for_all(station: ChargingStation, intent: Intent) -> None:
    """Most intents are for every station; what one cannot do is found when it is told."""


def reach(stations: Sequence[ChargingStation], intent: Intent, fits: Fits) -> Reach:
    """Part the stations. Raises :class:`Invalid`, with the first one's reason, where it is for none of them."""
    told, passed_over = [], []
    first: Invalid | None = None
    for station in stations:
        try:
            fits(station, intent)
        except Invalid as reason:
            first = first or reason
            passed_over.append((station, reason.message))
        else:
            told.append(station)
    if first is not None and not told:
        raise first
    return Reach(told, passed_over)
