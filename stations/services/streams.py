"""Periodic event streams of 2.1: opened, filled by messages that get no reply, closed (P070, P258)."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.transaction import atomic

from stations import live
from stations.domain.monitoring import StreamOpened, StreamReceived
from stations.domain.station import StationSide
from stations.models import EventStream, MonitoringState, StreamValue

MAX_OPEN = 100


def open_(station: StationSide, opened: StreamOpened, at: datetime) -> bool:
    """The station opens a stream; ``False`` where it holds too many. One of the same number begins anew."""
    with atomic():
        running = _open_of(station.station_id).select_for_update()
        others = running.exclude(number=opened.number).count()
        if others >= MAX_OPEN:
            return False
        _open_or_keep(station.station_id, opened, at)
        _tell(station)
    return True


def close(station: StationSide, number: int, at: datetime) -> bool:
    """The station closes a stream; closing one that is not open changes nothing."""
    with atomic():
        closed = _open_of(station.station_id).filter(number=number).update(closed_at=at)
        _tell(station)
    return bool(closed)


def booted(station_id: UUID, at: datetime) -> None:
    """A restart ends the streams of before; the station opens anew those that it goes on with."""
    _open_of(station_id).update(closed_at=at)


def store(station: StationSide, received: StreamReceived, at: datetime) -> bool:
    """Keep a stream's values; ``False`` for one that is not open, which is dropped and counted (P258)."""
    with atomic():
        stream = _open_of(station.station_id).select_for_update().filter(number=received.number).first()
        if stream is None:
            _count_unknown(station.station_id)
            return False
        rows = [
            StreamValue(
                stream=stream,
                occurred_at=occurred_at,
                value=value[:2500],
                digest=blake2b(value.encode(), digest_size=8).digest(),
            )
            for occurred_at, value in received.values
        ]
        StreamValue.objects.bulk_create(rows, ignore_conflicts=True)
        _note_newest(stream, received)
        _tell(station)
    return True


def adjusted(station: StationSide, number: int, interval_s: int | None, values: int | None) -> None:
    """The station took another rhythm for an open stream."""
    _open_of(station.station_id).filter(number=number).update(
        interval_s=interval_s, values_per_message=values
    )
    _tell(station)


def listed(station: StationSide, found: Sequence[StreamOpened], at: datetime) -> None:
    """The station told which streams are open: what is not among them is closed."""
    with atomic():
        numbers = [stream.number for stream in found]
        _open_of(station.station_id).exclude(number__in=numbers).update(closed_at=at)
        for stream in found[:MAX_OPEN]:
            _open_or_keep(station.station_id, stream, at)
        _tell(station)


def _open_or_keep(station_id: UUID, opened: StreamOpened, at: datetime) -> None:
    """A repetition finds its stream; another monitor under the same number is another stream."""
    same = _open_of(station_id).filter(number=opened.number)
    rhythm = {"interval_s": opened.interval_s, "values_per_message": opened.values}
    if same.filter(monitor_number=opened.monitor_number).update(**rhythm):
        return
    same.update(closed_at=at)
    EventStream.objects.create(
        station_id=station_id,
        number=opened.number,
        monitor_number=opened.monitor_number,
        opened_at=at,
        **rhythm,
    )


def _note_newest(stream: EventStream, received: StreamReceived) -> None:
    for newest_at, newest in sorted(received.values, key=lambda pair: pair[0])[-1:]:
        if stream.last_at is None or newest_at >= stream.last_at:
            stream.last_at, stream.last_value = newest_at, newest[:2500]
    stream.pending = received.pending
    stream.save(update_fields=["last_at", "last_value", "pending"])


def _count_unknown(station_id: UUID) -> None:
    MonitoringState.objects.get_or_create(station_id=station_id)
    MonitoringState.objects.filter(station_id=station_id).update(
        unknown_stream_messages=F("unknown_stream_messages") + 1
    )


def _open_of(station_id: UUID) -> QuerySet[EventStream]:
    return EventStream.objects.filter(station_id=station_id, closed_at=None)


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )
