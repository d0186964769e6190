"""What a station holds and told for the grid, read for its page and put into words."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from core.access import Actor, Permission
from portal.dashboard import grid_forms
from portal.dashboard.grid_words import (
    CONTROL,
    CONTROL_MODE,
    EVENT,
    FAULT,
    HELD,
    RUNNING,
    SUPERSEDED,
    SWAP,
    TRANSFER,
    WAITING,
)
from portal.dashboard.words import Text, Word
from stations.domain.grid_support import GridEventKind
from stations.models import BatterySwap, ChargingStation, DerControl, GridEvent, Transaction

SHOWN = 20


@dataclass(frozen=True, slots=True)
class ShownControl:
    """A control with its words."""

    row: DerControl
    name: Text
    word: Word
    settings: list[str]


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An alarm or the start or stop of a control."""

    row: GridEvent
    word: Word
    subject: Text
    fault: Text


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A running session with what its car wants."""

    row: Transaction
    transfer: Text
    mode: Text
    allowed: list[Text]
    ticked: frozenset[str]


@dataclass(frozen=True, slots=True)
class ShownSwap:
    """Batteries that were handed out or taken back."""

    row: BatterySwap
    word: Word
    holder: str


def sessions(station: ChargingStation) -> list[ShownSession]:
    """The running sessions by EVSE."""
    rows = station.transactions.filter(status="active").select_related("evse", "token", "charging_plan")
    return [_session(row) for row in rows.order_by("evse__evse_id")]


def controls(station: ChargingStation) -> list[ShownControl]:
    """The controls that the station holds, as far as it told."""
    zone = station.site.time_zone
    return [_control(row, zone) for row in station.der_controls.filter(cleared_at=None)]


def events(station: ChargingStation, held: list[ShownControl]) -> list[ShownEvent]:
    """The newest alarms, and starts and stops of controls, which are named where they are still held."""
    names = {one.row.control_id: one.name for one in held}
    return [_event(row, names) for row in station.grid_events.all()[:SHOWN]]


def swaps(station: ChargingStation, actor: Actor) -> list[ShownSwap]:
    """The newest swaps of batteries."""
    return [
        ShownSwap(row, SWAP.get(row.kind, Word(row.kind, icon="help")), _holder(row, actor))
        for row in station.battery_swaps.all()[:SHOWN]
    ]


def _session(row: Transaction) -> ShownSession:
    plan = getattr(row, "charging_plan", None)
    allowed = list(plan.allowed_transfers) if plan else []
    wanted = plan.energy_transfer if plan else ""
    return ShownSession(
        row,
        TRANSFER.get(wanted, wanted),
        CONTROL_MODE.get(plan.control_mode, "") if plan else "",
        [TRANSFER.get(word, word) for word in allowed],
        frozenset(allowed or [wanted]),
    )


def _control(row: DerControl, zone: str) -> ShownControl:
    if row.is_superseded:
        word = SUPERSEDED
    elif row.running is None:
        word = HELD
    else:
        word = RUNNING if row.running else WAITING
    name = CONTROL.get(row.control_type, row.control_type or _("Not told yet"))
    return ShownControl(row, name, word, grid_forms.summary(row.settings, zone))


def _event(row: GridEvent, names: Mapping[str, Text]) -> ShownEvent:
    of_control = row.kind in (GridEventKind.STARTED, GridEventKind.STOPPED)
    known = names if of_control else CONTROL
    return ShownEvent(
        row, EVENT[row.kind], known.get(row.subject, row.subject), FAULT.get(row.fault, row.fault)
    )


def _holder(row: BatterySwap, actor: Actor) -> str:
    return row.token_value if actor.can(Permission.DRIVERS_VIEW) else f"…{row.token_value[-4:]}"
