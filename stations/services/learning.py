"""Learning what a station can do: from its version, its device model, its word, its refusals (P215)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from stations import live
from stations.domain import capabilities
from stations.domain.capabilities import OF_COMPONENT, SWITCHES, Source
from stations.domain.events import VariableReported
from stations.domain.words import Capability
from stations.models import ChargingStation, Command, Variable

Told = Mapping[Capability, tuple[bool, str]]


def by_version(
    learned: Mapping[str, Any], version: str, lacks: Iterable[Capability], at: datetime
) -> dict[str, Any]:
    """What is known of a station that booted with this version, which has no words for ``lacks``."""
    told = {capability: (False, f"OCPP {version}") for capability in lacks}
    without = capabilities.without(learned, [Source.VERSION])
    return capabilities.with_evidence(without, Source.VERSION, told, at)


def hold(station_id: UUID, told: Sequence[VariableReported]) -> None:
    """Lock the station's row before its variables, as a boot does, where something will be learned of them."""
    if _switches(told):
        ChargingStation.objects.select_for_update(of=("self",)).only("pk").get(pk=station_id)


def from_variables(station_id: UUID, told: Sequence[VariableReported], at: datetime) -> None:
    """Controllers of the device model that say whether they are there and switched on."""
    if components := _switches(told):
        _learn(station_id, Source.DEVICE_MODEL, _told_by(station_id, components), at)


def from_profiles(station_id: UUID, told: Told, at: datetime) -> None:
    """What a station says of itself in one word, which is only a hint (P215)."""
    _learn(station_id, Source.FEATURE_PROFILES, told, at)


def from_refusal(command_id: UUID, action: str, code: str, at: datetime) -> None:
    """The station answered that it does not know what a whole capability rests on."""
    command = Command.objects.only("command", "station_id").get(pk=command_id)
    capability = capabilities.spoken_for_by(command.command)
    if capability is not None:
        _learn(command.station_id, Source.ANSWER, {capability: (False, f"{action}: {code}")}, at)


def forget(station: ChargingStation, *, by: Actor) -> None:
    """Take back all that was learned by refusals, reports and hints; the version's own limits stay."""
    by.require(Permission.STATIONS_EDIT, station)
    gone = [Source.ANSWER, Source.DEVICE_MODEL, Source.FEATURE_PROFILES]

    def keep(row: ChargingStation) -> None:
        row.capabilities = capabilities.without(row.capabilities, gone)
        row.unsupported = []

    with atomic():
        _change(station.pk, keep)
        audit.record("station.capabilities_forgotten", station, by=by)
        live.announce_on_commit(
            "station", station.organization_id, station.pk, site_id=station.site_id, station_id=station.pk
        )


def _switches(told: Sequence[VariableReported]) -> set[str]:
    return {item.component for item in told if item.component in OF_COMPONENT and item.variable in SWITCHES}


def _told_by(station_id: UUID, components: Iterable[str]) -> dict[Capability, tuple[bool, str]]:
    """What rests on several controllers, or on one of several EVSEs, is there where one of them is."""
    touched = {OF_COMPONENT[component] for component in components}
    alike = [component for component, capability in OF_COMPONENT.items() if capability in touched]
    rows = Variable.objects.filter(
        station_id=station_id, component__in=alike, variable__in=SWITCHES, attribute="Actual"
    ).order_by("component", "variable")
    off: dict[tuple[str, int | None], str] = {}
    places: dict[Capability, dict[tuple[str, int | None], None]] = {}
    for row in rows:
        place = (row.component, row.evse_id)
        places.setdefault(OF_COMPONENT[row.component], {})[place] = None
        if (row.value or "").lower() == "false":
            off.setdefault(place, f"{row.component}.{row.variable} = false")
    told: dict[Capability, tuple[bool, str]] = {}
    for capability, found in places.items():
        there = next((component for component, evse in found if (component, evse) not in off), None)
        why = f"{there}.Available" if there else next(off[place] for place in found)
        told[capability] = (there is not None, why)
    return told


def _learn(station_id: UUID, source: Source, told: Told, at: datetime) -> None:
    def add(row: ChargingStation) -> None:
        row.capabilities = capabilities.with_evidence(row.capabilities, source, told, at)

    with atomic():
        _change(station_id, add)


def _change(station_id: UUID, change: Callable[[ChargingStation], None]) -> None:
    row = ChargingStation.objects.select_for_update(of=("self",)).get(pk=station_id)
    change(row)
    row.save(update_fields=["capabilities", "unsupported"])
