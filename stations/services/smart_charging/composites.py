"""Composite schedules: what a station makes of all its profiles, kept and compared (2.0.1 K08)."""

from datetime import datetime
from decimal import Decimal

from django.db.transaction import atomic

from core import access
from core.errors import DomainError
from stations.domain import charging_rules, smart_charging
from stations.domain.charging_rules import TENTH, period_at
from stations.domain.intents import GetCompositeSchedule
from stations.domain.smart_charging import CompositeReported, Kind, Purpose, Schedule
from stations.domain.station import StationSide
from stations.models import ChargingStation, Command, CompositeSchedule, Evse, Transaction
from stations.services import commands, effects
from stations.services.smart_charging.profiles import tell

DAY_S = 86_400
ACTION = "GetCompositeSchedule"
NOT_COMPARED = frozenset({Purpose.PRIORITY.value, Purpose.LOCAL_GENERATION.value})


def store(station: StationSide, event: CompositeReported, at: datetime) -> CompositeSchedule:
    """Keep the curve of an EVSE or the station (0) in place of the one before, also where there is none (P253)."""
    with atomic():
        row, _ = CompositeSchedule.objects.update_or_create(
            station_id=station.station_id,
            evse_id=event.evse_id,
            defaults={
                "rate_unit": event.rate_unit,
                "starts_at": event.starts_at or at,
                "duration_s": event.duration_s or 0,
                "periods": [smart_charging.to_json(period) for period in event.periods],
                "received_at": at,
            },
        )
        effects.schedule_read(station.station_id, lambda command: _verdict(command, row))
        tell(station)
    return row


def read_back(station: StationSide, evse_id: int, unit: str | None = None) -> None:
    """Ask what came of a change of profiles, where somebody waits to see it and the station can tell."""
    if not effects.awaits_schedule(station.station_id):
        return
    row = ChargingStation.objects.get(pk=station.station_id)
    if ACTION in row.unsupported:
        return
    intent = GetCompositeSchedule(evse_id=evse_id, duration=DAY_S, unit=unit)
    try:
        with atomic():
            commands.issue(row, intent, by=access.system("smart charging"), reason="To see what holds now.")
    except DomainError:
        # A full queue: what holds is not seen, and the command says so.
        return


def place_to_read(station: StationSide, evse_id: int, purpose: str = "") -> int:
    """Where a profile shows: a default for all EVSEs does so at the first of them."""
    if evse_id or purpose in ("", Purpose.STATION_MAX):
        return evse_id
    first = Evse.objects.filter(station_id=station.station_id).order_by("evse_id").first()
    return first.evse_id if first else 0


def limit_now(row: CompositeSchedule, at: datetime) -> Decimal | None:
    """The limit of the curve at an instant, in its own unit; ``None`` where the curve says nothing of it."""
    period = period_at(_schedule(row), row.starts_at, at)
    return period.limit if period else None


def _schedule(row: CompositeSchedule) -> Schedule:
    return Schedule(
        rate_unit=row.rate_unit,
        periods=smart_charging.periods_of(row.periods),
        duration_s=row.duration_s or None,
    )


def _verdict(command: Command, row: CompositeSchedule) -> str:
    """What the curve shows of a command; empty where it does not show what was wished."""
    limit = limit_now(row, row.starts_at)
    if command.evse_id not in (None, 0, row.evse_id) or limit is None:
        return ""
    found = f"Composite schedule of {_place(row)} read back: {limit} {row.rate_unit} now."
    if command.command != "set_charging_profile":
        return found
    profile = smart_charging.profile_of(command.parameters["charging_profile"])
    if profile.kind == Kind.DYNAMIC or profile.purpose in NOT_COMPARED:
        return found
    session = _session(command, row)
    wished = charging_rules.limit_at(
        profile, row.starts_at, session.started_at if session else None, row.rate_unit
    )
    if wished is None:
        return f"{found} The profile begins later or is over."
    return found if limit <= wished + TENTH else ""


def _session(command: Command, row: CompositeSchedule) -> Transaction | None:
    if command.transaction is not None:
        return command.transaction
    return Transaction.objects.filter(
        station_id=row.station_id, evse__evse_id=row.evse_id, status="active"
    ).first()


def _place(row: CompositeSchedule) -> str:
    return f"EVSE {row.evse_id}" if row.evse_id else "the station"
