"""Watching for what a command was for: the proof is what the station reports, not its answer.

Called by the services that store facts, inside their transaction. Each is one indexed update that finds
nothing when no effect is awaited.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from core import clock
from stations import live
from stations.domain.intents import INTENTS
from stations.domain.words import CommandStatus, Effect
from stations.models import Command, Transaction
from stations.services.smart_charging import starting

SCHEDULED = timedelta(hours=24)
SEEN_BY_STATUS = ("change_availability", "reserve_now", "cancel_reservation")
WINDOWS: Mapping[str, timedelta] = {
    name: timedelta(seconds=kind.effect_window_s) for name, kind in INTENTS.items() if kind.effect_window_s
}
# Where the answer itself is the effect.
SEEN_IN_ANSWER = json.dumps({"unlock_connector": "The station says that the connector is unlocked."})
CHANGES_OF_PROFILES = ("set_charging_profile", "clear_charging_profile")
REPORTS: Mapping[str, str] = {
    "get_base_report": "variables",
    "get_report": "variables",
    "get_monitoring_report": "monitors",
    "customer_information": "parts",
}
_WINDOWS = json.dumps({name: f"{window.total_seconds()} s" for name, window in WINDOWS.items()})
_SCHEDULED_WINDOWS = json.dumps(dict.fromkeys(WINDOWS, f"{SCHEDULED.total_seconds()} s"))
OPERATIVE = {"inoperative": ("Unavailable",), "operative": ("Available", "Occupied", "Preparing", "Charging")}


def windows_of(response: object) -> str:
    """How long the effect of each kind of command is awaited if this was its answer: JSON of intervals.

    What the station scheduled happens when the car has left (P197).
    """
    scheduled = isinstance(response, Mapping) and response.get("status") == "Scheduled"
    return _SCHEDULED_WINDOWS if scheduled else _WINDOWS


def transaction_started(transaction: Transaction) -> None:
    """A transaction that a remote start asked for, by its start id, else by token and EVSE (F01, F02)."""
    by_id = Q(remote_start_id=transaction.remote_start_id) if transaction.remote_start_id else Q(pk__in=[])
    by_token = Q(parameters__token_value__iexact=transaction.token_value) & (
        Q(evse_id=None) | Q(evse_id=transaction.evse.evse_id if transaction.evse else None)
    )
    awaited = _awaited(transaction.station_id, "request_start_transaction")
    found = awaited.filter(by_id if transaction.remote_start_id else by_token).order_by("id").first()
    if found:
        Command.objects.filter(pk=found.pk).update(transaction=transaction)
        starting.installed_by_start(found, transaction)
        _seen(found, f"Transaction {transaction.reference} began.")


def transaction_ended(transaction: Transaction) -> None:
    """The end of a transaction that was asked to stop."""
    for command in _awaited(transaction.station_id, "request_stop_transaction").filter(
        transaction=transaction
    ):
        _seen(
            command,
            f"Transaction {transaction.reference} ended: {transaction.stopped_reason or 'no reason given'}.",
        )


def booted(station_id: UUID) -> None:
    """The boot after a restart that we asked for."""
    for command in _awaited(station_id, "reset"):
        _seen(command, "The station booted again.")


def status_reported(station_id: UUID, evse_id: int, status: str) -> None:
    """A connector's new status: after a change of availability, a reservation, or the end of one."""
    is_available(station_id, evse_id, status)
    name = "reserve_now" if status == "Reserved" else "cancel_reservation"
    for command in _awaited(station_id, name).filter(evse_id=evse_id):
        _seen(command, f"EVSE {evse_id} reports {status}.")


def is_available(station_id: UUID, evse_id: int, status: str) -> None:
    """A connector is as a change of availability wished, newly or already."""
    for command in _awaited(station_id, "change_availability"):
        wanted = OPERATIVE.get(str(command.parameters.get("operational_status")), ())
        if command.evse_id in (None, evse_id) and status in wanted:
            _seen(command, f"EVSE {evse_id} reports {status}.")


def reservation_ended(station_id: UUID, reservation: UUID, detail: str) -> None:
    """A reservation that was to be cancelled is no more."""
    for command in _awaited(station_id, "cancel_reservation").filter(
        parameters__reservation=str(reservation)
    ):
        _seen(command, detail)


def message_received(station_id: UUID, message: str) -> None:
    """A message that was triggered; ``message`` is its 2.0.1 word in snake case."""
    for command in _awaited(station_id, "trigger_message").filter(parameters__message=message):
        _seen(command, "The message arrived.")


def certificate_requested(station_id: UUID) -> None:
    """The request to sign that a renewal asked for."""
    for command in _awaited(station_id, "renew_certificate"):
        _seen(command, "The station asked for a certificate.")


def report_completed(station_id: UUID, request_id: int, items: int) -> None:
    """All parts of a report that was asked for, whatever it is about."""
    for command in _awaited(station_id, *REPORTS).filter(parameters__request_id=request_id):
        _seen(command, f"All parts arrived: {items} {REPORTS[command.command]}.")


def controls_reported(station_id: UUID, request_id: int) -> None:
    """All parts of a report of controls for the grid."""
    for command in _awaited(station_id, "get_der_control").filter(parameters__request_id=request_id):
        _seen(command, "All parts arrived.")


def display_reported(station_id: UUID, number: int, texts: list[str]) -> None:
    """A message that was to be shown is at the station, in the words that were sent."""
    for command in _awaited(station_id, "set_display_message").filter(parameters__number=number):
        if [one["text"] for one in command.parameters["texts"]] == texts:
            _seen(command, "The station reports the message as sent.")


def displays_reported(station_id: UUID, request_id: int) -> None:
    """All parts of a report of messages on displays."""
    for command in _awaited(station_id, "get_display_messages").filter(parameters__request_id=request_id):
        _seen(command, "All parts arrived.")


def batteries_swapped(station_id: UUID, request_id: int, kind: str) -> None:
    """Batteries were handed out or taken back as requested."""
    for command in _awaited(station_id, "request_battery_swap").filter(parameters__request_id=request_id):
        _seen(command, f"The station reports {kind}.")


def profiles_reported(station_id: UUID, request_id: int, profiles: int) -> None:
    """All that the station has of the charging profiles that were asked for."""
    for command in _awaited(station_id, "get_charging_profiles").filter(parameters__request_id=request_id):
        _seen(command, f"All parts arrived: {profiles} profiles.")


def priority_reported(transaction: Transaction, activated: bool) -> None:
    """Priority charging as it was wished for."""
    awaited = _awaited(transaction.station_id, "use_priority_charging").filter(transaction=transaction)
    for command in awaited.filter(parameters__activate=activated):
        _seen(command, "Priority charging is on." if activated else "Priority charging is off.")


def list_version_told(station_id: UUID, version: int) -> None:
    """The station's local list has the version that was sent last."""
    for command in _awaited(station_id, "send_local_list"):
        _seen(command, f"The station tells version {version} of its list.")


def awaits_schedule(station_id: UUID) -> bool:
    """Whether a change of charging profiles waits to be seen in a composite schedule."""
    return any(_awaited(station_id, name).exists() for name in CHANGES_OF_PROFILES)


def schedule_read(station_id: UUID, verdict: Callable[[Command], str]) -> None:
    """A composite schedule after changes of profiles; ``verdict`` says what it shows of one, or nothing."""
    for name in CHANGES_OF_PROFILES:
        for command in _awaited(station_id, name):
            if detail := verdict(command):
                _seen(command, detail)


def expire(now: datetime) -> int:
    """Close the wait for effects whose window is over; answers with how many were not seen."""
    overdue = Command.objects.filter(effect="", effect_until__lt=now)
    count = 0
    for command in overdue.exclude(status=CommandStatus.SENT).select_related("station")[:500]:
        effect = Effect.NOT_SEEN.value if command.status == CommandStatus.ACCEPTED else ""
        Command.objects.filter(pk=command.pk, effect="").update(effect=effect, effect_until=None)
        _tell(command)
        count += bool(effect)
    return count


def awaits_message(station_id: UUID) -> bool:
    """Whether any triggered message of the station is awaited, so that the hot path asks only once."""
    return _awaited(station_id, "trigger_message").exists()


def _awaited(station_id: UUID, *commands: str) -> QuerySet[Command]:
    return Command.objects.select_related("station").filter(
        station_id=station_id,
        command__in=commands,
        effect="",
        effect_until__gte=clock.now(),
        status__in=[CommandStatus.SENT.value, CommandStatus.ACCEPTED.value],
    )


def _seen(command: Command, detail: str) -> None:
    Command.objects.filter(pk=command.pk, effect="").update(
        effect=Effect.SEEN.value, effect_at=clock.now(), effect_until=None, effect_detail=detail[:200]
    )
    _tell(command)


def _tell(command: Command) -> None:
    live.announce_on_commit(
        "command",
        command.organization_id,
        command.id,
        site_id=command.station.site_id,
        station_id=command.station_id,
    )
