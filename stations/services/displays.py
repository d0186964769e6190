"""Messages on displays: asked for by a command, kept as the station says it has them (2.0.1 block O).

A message changes by the answer to its command and by what the station reports; never by our wish alone.
Its content is what the station accepted or reported last.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.transaction import atomic

from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid, NotFound
from stations import live
from stations.domain.displays import (
    FORMATS,
    NEXT,
    PRIORITIES,
    STATES,
    DisplayContent,
    DisplaysReported,
    DisplayStatus,
)
from stations.domain.intents import from_json
from stations.domain.intents.displays import ClearDisplayMessage, GetDisplayMessages, SetDisplayMessage
from stations.domain.station import StationSide
from stations.domain.words import Capability, CommandStatus
from stations.models import ChargingStation, Command, DisplayMessage, Transaction
from stations.services import effects, numbers, preconditions

MESSAGES_MAX = 500
TEXTS_MAX = 5


def prepare(station: ChargingStation, intent: SetDisplayMessage, by: Actor) -> SetDisplayMessage:
    """Write the message down as requested, or name the one to replace, and give it its number.

    Raises :class:`Invalid` for words that OCPP has not and for times that have passed.
    """
    _check(intent)
    preconditions.require_evse(station, intent.evse_id)
    if intent.transaction is not None:
        running = preconditions.running(station, intent.transaction, by)
        intent = replace(intent, reference=running.reference)
    if intent.display_message is not None:
        kept = _of(station, intent.display_message, by)
        return replace(intent, number=kept.number)
    kept = _requested(station, replace(intent, number=_free_number(station)), by)
    return replace(intent, display_message=kept.pk, number=kept.number)


def _free_number(station: ChargingStation) -> int:
    """Stations number the messages of their own as they like."""
    taken = set(station.display_messages.values_list("number", flat=True))
    return next(number for number in iter(numbers.next_request_id, None) if number not in taken)


def prepare_reading(station: ChargingStation, intent: GetDisplayMessages, by: Actor) -> GetDisplayMessages:
    """Number the request. Raises :class:`Invalid` for words that OCPP has not."""
    _require(intent.priority, ("", *PRIORITIES), "priority")
    _require(intent.state, ("", *STATES), "state")
    if not all(0 <= number <= preconditions.MAX_NUMBER for number in intent.numbers):
        raise Invalid("Numbers of messages are from 0 to 2147483647.", field="numbers")
    return replace(intent, request_id=numbers.next_request_id())


def prepare_clearing(station: ChargingStation, intent: ClearDisplayMessage, by: Actor) -> ClearDisplayMessage:
    """Name the message. Raises :class:`NotFound`, and :class:`Conflict` for one that is not there any more."""
    kept = _of(station, intent.display_message, by)
    if kept.status == DisplayStatus.CLEARED:
        raise Conflict("The message has been cleared already.", field="display_message")
    return replace(intent, number=kept.number)


def message_settled(command: Command) -> None:
    """What became of a SetDisplayMessage: a replacement that was refused leaves the earlier message."""
    intent = from_json(command.command, command.parameters)
    assert isinstance(intent, SetDisplayMessage)
    rows = DisplayMessage.objects.filter(pk=UUID(command.parameters["display_message"]))
    answer = str((command.response or {}).get("status", ""))
    if command.status == CommandStatus.ACCEPTED:
        changed = {**_columns(_content(intent)), "transaction_id": intent.transaction, "command": command}
        _move(rows, DisplayStatus.INSTALLED, detail=answer, cleared_at=None, **changed)
        rows.filter(status=DisplayStatus.INSTALLED.value).update(**changed)
        if not command.station.supports(Capability.DISPLAY):  # there is no way to read it back
            Command.objects.filter(pk=command.pk).update(effect_until=None)
    elif command.status == CommandStatus.REJECTED:
        _move(rows, DisplayStatus.REFUSED, detail=answer, command=command)
    else:
        detail = str((command.error or {}).get("description", command.status))
        _move(rows, DisplayStatus.FAILED, detail=detail, command=command)
    _tell_of(command)


def clearing_settled(command: Command) -> None:
    """A message is gone where the station took it down, or says that it does not know it."""
    answer = str((command.response or {}).get("status", ""))
    gone = command.status == CommandStatus.ACCEPTED or (
        command.status == CommandStatus.REJECTED and answer == "Unknown"
    )
    if gone:
        rows = DisplayMessage.objects.filter(pk=UUID(command.parameters["display_message"]))
        _move(rows, DisplayStatus.CLEARED, detail=answer, cleared_at=clock.now())
        _tell_of(command)


def reading_settled(command: Command) -> None:
    """“Unknown” says that the station has no message of the kind asked for."""
    if (command.response or {}).get("status") == "Unknown":
        with atomic():
            _clear_untold(command.station_id, int(command.parameters["request_id"]))
            effects.displays_reported(command.station_id, int(command.parameters["request_id"]))
            _tell_of(command)


def report(station: StationSide, part: DisplaysReported, received_at: datetime) -> None:
    """Merge one part of a report; what the last part leaves untold is no longer at the station."""
    with atomic():
        for content in part.messages:
            _keep(station.station_id, content, part.request_id, received_at)
        if not part.to_be_continued:
            _clear_untold(station.station_id, part.request_id)
            effects.displays_reported(station.station_id, part.request_id)
        _tell(station.organization_id, station.site_id, station.station_id)


def _check(intent: SetDisplayMessage) -> None:
    _require(intent.priority, PRIORITIES, "priority")
    _require(intent.state, ("", *STATES), "state")
    if not 1 <= len(intent.texts) <= TEXTS_MAX or not all(one.text for one in intent.texts):
        raise Invalid(f"Give the message 1 to {TEXTS_MAX} texts, none of them empty.", field="text")
    for one in intent.texts:
        _require(one.format, FORMATS, "format")
    if intent.ends_at is not None and intent.ends_at <= max(clock.now(), intent.starts_at or clock.now()):
        raise Invalid("Choose an end in the future, after the start.", field="ends_at")


def _require(word: str, known: tuple[str, ...], field: str) -> None:
    if word not in known:
        raise Invalid(f"“{word}” is none of {', '.join(filter(None, known))}.", field=field)


def _requested(station: ChargingStation, intent: SetDisplayMessage, by: Actor) -> DisplayMessage:
    open_ = station.display_messages.exclude(status=DisplayStatus.CLEARED.value).count()
    if open_ >= MESSAGES_MAX:
        raise Conflict(f"{open_} messages are noted for this station. Clear some first.")
    columns = _columns(_content(intent))
    return DisplayMessage.objects.create(
        station=station,
        number=intent.number,
        **{**columns, "status": DisplayStatus.REQUESTED.value},
        transaction_id=intent.transaction,
        created_at=clock.now(),
        created_by=by.label[:200],
    )


def _of(station: ChargingStation, pk: UUID, by: Actor) -> DisplayMessage:
    found = DisplayMessage.objects.visible_to(by).filter(pk=pk, station=station).first()
    if found is None:
        raise NotFound("There is no such message at this station.", field="display_message")
    return found


def _content(intent: SetDisplayMessage) -> DisplayContent:
    return DisplayContent(
        number=intent.number,
        priority=intent.priority,
        texts=intent.texts,
        state=intent.state,
        starts_at=intent.starts_at,
        ends_at=intent.ends_at,
        transaction_reference=intent.reference,
        component=intent.component,
        component_instance=intent.component_instance,
        evse_id=intent.evse_id,
    )


def _columns(content: DisplayContent) -> dict[str, Any]:
    return {
        "priority": content.priority[:30],
        "state": content.state[:30],
        "texts": [asdict(one) for one in content.texts],
        "starts_at": content.starts_at,
        "ends_at": content.ends_at,
        "transaction_reference": content.transaction_reference[:64],
        "component": content.component[:50],
        "component_instance": content.component_instance[:50],
        "evse_id": content.evse_id,
    }


def _keep(station_id: UUID, content: DisplayContent, request_id: int, at: datetime) -> None:
    """What the station says it has, whoever put it there."""
    reference = content.transaction_reference
    session = Transaction.objects.filter(station_id=station_id, reference=reference) if reference else None
    told = {
        **_columns(content),
        "transaction": session.first() if session is not None else None,
        "status": DisplayStatus.INSTALLED.value,
        "told_request": request_id,
        "told_at": at,
        "cleared_at": None,
    }
    rows = DisplayMessage.objects.filter(station_id=station_id)
    if not rows.filter(number=content.number).update(**told) and rows.count() < 2 * MESSAGES_MAX:
        DisplayMessage.objects.update_or_create(
            station_id=station_id,
            number=content.number,
            defaults=told,
            create_defaults={**told, "created_at": at},
        )
    effects.display_reported(station_id, content.number, [one.text for one in content.texts])


def _clear_untold(station_id: UUID, request_id: int) -> None:
    """Messages that the request asked for and no part of its report told of."""
    asked = Command.objects.filter(
        station_id=station_id, command=GetDisplayMessages.name, parameters__request_id=request_id
    ).first()
    if asked is None or asked.sent_at is None:
        return
    wanted = asked.parameters
    rows = DisplayMessage.objects.filter(
        Q(told_at=None) | Q(told_at__lt=asked.sent_at),
        station_id=station_id,
        status=DisplayStatus.INSTALLED.value,
        created_at__lt=asked.sent_at,
    ).exclude(told_request=request_id)
    rows = rows.exclude(command__settled_at__gte=asked.sent_at)
    for name, column in (("numbers", "number__in"), ("priority", "priority"), ("state", "state")):
        rows = rows.filter(**{column: wanted[name]}) if wanted.get(name) else rows
    rows.update(
        status=DisplayStatus.CLEARED.value,
        detail="The station does not report it any more.",
        cleared_at=clock.now(),
    )


def _move(rows: Any, status: DisplayStatus, *, detail: str, **changed: Any) -> None:
    before: Iterable[str] = [state.value for state, following in NEXT.items() if status in following]
    rows.filter(status__in=before).update(status=status.value, detail=detail[:200], **changed)


def _tell_of(command: Command) -> None:
    _tell(command.organization_id, command.station.site_id, command.station_id)


def _tell(organization_id: UUID, site_id: UUID | None, station_id: UUID) -> None:
    live.announce_on_commit("station", organization_id, station_id, site_id=site_id, station_id=station_id)
