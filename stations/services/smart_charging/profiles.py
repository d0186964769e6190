"""Profiles at stations: taken, cleared, reported (2.0.1 K01, K09, K10).

Who locks what: the station's rows of profiles one by one, in the order of their numbers.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from stations import live
from stations.domain import smart_charging
from stations.domain.intents import GetChargingProfiles, SetChargingProfile
from stations.domain.smart_charging import (
    CSO,
    ChargingProfile,
    Kind,
    ProfileFilter,
    ProfilesReported,
    Purpose,
    ScheduleUpdate,
)
from stations.domain.station import StationSide
from stations.domain.words import CommandStatus, TransactionStatus
from stations.models import Command, InstalledProfile, Transaction
from stations.services import effects

MAX_PROFILES = 500


def installed(
    station: StationSide,
    evse_id: int,
    profile: ChargingProfile,
    at: datetime,
    *,
    alone_at_its_level: bool = False,
) -> InstalledProfile:
    """The station took it from us. It replaces one of the same number, on 1.6 also one in the same place."""
    with atomic():
        command = _sent(station.station_id, profile.number)
        session = command.transaction if command else _session(station, evse_id, profile)
        if alone_at_its_level:
            same_place = _rows(station).filter(
                evse_id=evse_id,
                purpose=profile.purpose,
                stack_level=profile.stack_level,
                transaction=session,
            )
            same_place.exclude(profile_id=profile.number).delete()
        by = {"installed_by": command.issued_by} if command else {}
        row = _write(station, evse_id, profile, CSO, session, at, installed_at=at, **by)
        tell(station)
    return row


def cleared(station: StationSide, wanted: ProfileFilter) -> list[int]:
    """Those profiles are gone; the EVSEs that they were at."""
    with atomic():
        gone = _matching(station, wanted).exclude(purpose=Purpose.EXTERNAL.value)
        evses = sorted(set(gone.values_list("evse_id", flat=True)))
        gone.delete()
        tell(station)
    return evses


def store_report(station: StationSide, part: ProfilesReported, at: datetime) -> None:
    """One part of what the station has. After the last, what was asked for and not told of is not there."""
    with atomic():
        for profile in sorted(part.profiles, key=lambda one: one.number):
            row = _reported(station, part, profile, at)
            if row is not None:
                row.reported_at, row.seen_in = at, part.request_id
                row.save(update_fields=["reported_at", "seen_in"])
        if not part.to_be_continued:
            _reconcile(station, part.request_id)
        tell(station)


def nothing_reported(station: StationSide, request_id: int) -> None:
    """The station has none of what was asked for."""
    with atomic():
        _reconcile(station, request_id)
        tell(station)


def updated(station: StationSide, profile_id: int, update: ScheduleUpdate) -> None:
    """The station took new figures for its dynamic profile."""
    with atomic():
        row = _rows(station).select_for_update(of=("self",)).filter(profile_id=profile_id).first()
        if row is None or row.kind != Kind.DYNAMIC:
            return
        profile = smart_charging.profile_of(row.content)
        schedule = profile.schedules[0]
        figures = {
            name: value for name in ScheduleUpdate.__slots__ if (value := getattr(update, name)) is not None
        }
        period = replace(schedule.periods[0], **figures)
        first = replace(schedule, periods=(period,))
        row.content = smart_charging.to_json(replace(profile, schedules=(first, *profile.schedules[1:])))
        row.save(update_fields=["content"])
        tell(station)


def pulled(station: StationSide, profile_id: int) -> ScheduleUpdate | None:
    """The present figures of a dynamic profile of ours (2.1 K28); ``None`` where there is no such."""
    live_ones = InstalledProfile.objects.live().filter(station_id=station.station_id, source=CSO)
    row = live_ones.filter(profile_id=profile_id, kind=Kind.DYNAMIC.value).first()
    if row is None:
        return None
    period = smart_charging.profile_of(row.content).schedules[0].periods[0]
    return ScheduleUpdate(**{name: getattr(period, name) for name in ScheduleUpdate.__slots__})


def forget_over() -> int:
    """Drop the profiles of sessions that are over; answers with how many."""
    over = InstalledProfile.objects.exclude(transaction=None).exclude(
        transaction__status=TransactionStatus.ACTIVE.value
    )
    return over.delete()[0]


def tell(station: StationSide) -> None:
    """Whoever looks at the station looks again."""
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )


def _rows(station: StationSide) -> "QuerySet[InstalledProfile]":
    return InstalledProfile.objects.filter(station_id=station.station_id)


def _sent(station_id: UUID, number: int) -> Command | None:
    """The command that the station is answering."""
    sent = Command.objects.filter(
        station_id=station_id,
        command=SetChargingProfile.name,
        status=CommandStatus.SENT.value,
        parameters__charging_profile__id=number,
    )
    return sent.select_related("transaction").order_by("-id").first()


def _session(station: StationSide, evse_id: int, profile: ChargingProfile) -> Transaction | None:
    if profile.purpose != Purpose.TX:
        return None
    sessions = Transaction.objects.filter(station_id=station.station_id)
    if profile.transaction_reference:
        return sessions.filter(reference=profile.transaction_reference).first()
    return sessions.filter(evse__evse_id=evse_id, status=TransactionStatus.ACTIVE.value).first()


def _write(
    station: StationSide,
    evse_id: int,
    profile: ChargingProfile,
    source: str,
    session: Transaction | None,
    at: datetime,
    **also: Any,
) -> InstalledProfile:
    """One statement, so that one event tells all of it."""
    told = {
        "evse_id": evse_id,
        "purpose": profile.purpose[:40],
        "stack_level": profile.stack_level,
        "kind": profile.kind[:10],
        "source": source[:20],
        "transaction": session,
        "content": smart_charging.to_json(profile),
        **also,
    }
    row, _ = InstalledProfile.objects.update_or_create(
        station_id=station.station_id,
        profile_id=profile.number,
        defaults=told,
        create_defaults={"installed_at": at, **told},
    )
    return row


def _reported(
    station: StationSide, part: ProfilesReported, profile: ChargingProfile, at: datetime
) -> InstalledProfile | None:
    """The row of a profile that the station told of; none beyond what a station may fill."""
    known = _rows(station).filter(profile_id=profile.number)
    if not known.exists() and _rows(station).count() >= MAX_PROFILES:
        return None
    session = _session(station, part.evse_id, profile)
    return _write(station, part.evse_id, profile, part.source, session, at)


def _reconcile(station: StationSide, request_id: int) -> None:
    """Forget what was asked for, was there before the question, and is not in the report."""
    asked = Command.objects.filter(
        station_id=station.station_id,
        command=GetChargingProfiles.name,
        parameters__request_id=request_id,
    ).first()
    if asked is None:
        return
    wanted = ProfileFilter(
        ids=tuple(asked.parameters.get("charging_profile_ids", ())),
        evse_id=asked.parameters.get("evse_id"),
        purpose=asked.parameters.get("purpose"),
        stack_level=asked.parameters.get("stack_level"),
        sources=tuple(asked.parameters.get("sources", ())),
    )
    known = _matching(station, wanted)
    unseen = ~Q(seen_in=request_id) | Q(seen_in=None)
    known.filter(unseen, installed_at__lt=asked.issued_at).delete()
    effects.profiles_reported(
        station.station_id, request_id, _rows(station).filter(seen_in=request_id).count()
    )


def _matching(station: StationSide, wanted: ProfileFilter) -> "QuerySet[InstalledProfile]":
    rows = _rows(station)
    if wanted.ids:
        rows = rows.filter(profile_id__in=wanted.ids)
    if wanted.evse_id is not None:
        rows = rows.filter(evse_id=wanted.evse_id)
    if wanted.purpose is not None:
        rows = rows.filter(purpose=wanted.purpose)
    if wanted.stack_level is not None:
        rows = rows.filter(stack_level=wanted.stack_level)
    if wanted.sources:
        rows = rows.filter(source__in=wanted.sources)
    return rows
