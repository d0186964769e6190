"""What cars ask for, the profiles that answer it, and what cars make of them (2.0.1 K15 to K17, 2.1 K21, Q01).

Who locks what: the plan of the session; then the station's queue of commands.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from django.db.transaction import atomic

from core import access, clock
from core.errors import DomainError
from stations.domain import charging_plans, charging_rules, smart_charging
from stations.domain.intents import SetChargingProfile
from stations.domain.smart_charging import CSO, CarScheduleNotified, ChargingProfile, NeedsNotified, Purpose
from stations.domain.station import StationSide
from stations.domain.words import CommandStatus, TransactionStatus
from stations.models import ChargingPlan, ChargingStation, Command, InstalledProfile, Transaction
from stations.services import commands, effects
from stations.services.smart_charging import abilities
from stations.services.transactions.standing import announce

PLANNER = access.system("smart charging")
MAX_REPLANS = 5
"""A car that keeps to no profile is not argued with for ever."""

ON_THE_WAY = (CommandStatus.PENDING.value, CommandStatus.SENT.value)


class Answer(StrEnum):
    """How what a station told is answered."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NO_PROFILE = "no_profile"


def needs_notified(station: StationSide, event: NeedsNotified, at: datetime) -> Answer:
    """Keep them with the session at that EVSE, and send the profile that answers them (P254)."""
    with atomic():
        session = _running(station, event.evse_id)
        if session is None:
            return Answer.REJECTED
        plan = _plan(session)
        repeated = plan.needs == smart_charging.to_json(event) and _is_on_the_way(session)
        _note_needs(plan, event, at)
        plan.save()
        announce(session)
        if repeated:
            return Answer.ACCEPTED
        return _send(session, _wanted(session, event))


def car_schedule_notified(station: StationSide, event: CarScheduleNotified, at: datetime) -> Answer:
    """Keep it, and compare it with our profile; beyond its bounds a new one is sent (K15.FR.11, K16)."""
    with atomic():
        session = _running(station, event.evse_id)
        if session is None:
            return Answer.REJECTED
        plan = _plan(session)
        ours = _ours(session)
        keeps = ours is None or _keeps(event, smart_charging.profile_of(ours.content), session)
        plan.car_schedule = {
            "time_base": event.time_base.isoformat(),
            **smart_charging.to_json(event.schedule),
        }
        plan.car_schedule_at, plan.car_keeps_to_limits = at, keeps
        if not keeps:
            _replan(session, plan)
        plan.save()
        announce(session)
    return Answer.ACCEPTED if keeps else Answer.REJECTED


def priority_notified(station: StationSide, reference: str, activated: bool, at: datetime) -> None:
    """Priority charging is on or off, whoever wished it (2.1 K22); of an unknown session nothing is kept."""
    with atomic():
        session = _named(station, reference)
        if session is None:
            return
        plan = _plan(session)
        plan.priority, plan.priority_at = activated, at
        plan.save(update_fields=["priority", "priority_at"])
        effects.priority_reported(session, activated)
        announce(session)


def transfers_allowed(station: StationSide, reference: str, allowed: tuple[str, ...]) -> None:
    """The station took which ways of energy transfer the session may use."""
    with atomic():
        session = _named(station, reference)
        if session is None:
            return
        plan = _plan(session)
        plan.allowed_transfers = list(allowed)
        plan.save(update_fields=["allowed_transfers"])
        announce(session)


def _running(station: StationSide, evse_id: int) -> Transaction | None:
    active = Transaction.objects.filter(station_id=station.station_id, status=TransactionStatus.ACTIVE.value)
    return active.filter(evse__evse_id=evse_id).select_related("evse").first()


def _named(station: StationSide, reference: str) -> Transaction | None:
    return Transaction.objects.filter(station_id=station.station_id, reference=reference).first()


def _plan(session: Transaction) -> ChargingPlan:
    """The session's plan, locked; made where there was none."""
    ChargingPlan.objects.bulk_create([ChargingPlan(transaction=session)], ignore_conflicts=True)
    return ChargingPlan.objects.select_for_update().get(transaction=session)


def _note_needs(plan: ChargingPlan, event: NeedsNotified, at: datetime) -> None:
    plan.energy_transfer, plan.control_mode = event.energy_transfer[:20], event.control_mode[:20]
    plan.departure_at, plan.requested_wh = event.departure_at, event.energy_wh
    plan.soc_percent, plan.target_soc_percent = event.soc_percent, event.target_soc_percent
    plan.needs, plan.needs_at, plan.replans = smart_charging.to_json(event), at, 0


def _is_on_the_way(session: Transaction) -> bool:
    return Command.objects.filter(
        station_id=session.station_id,
        command=SetChargingProfile.name,
        transaction=session,
        status__in=ON_THE_WAY,
    ).exists()


def _ours(session: Transaction) -> InstalledProfile | None:
    """The leading profile of ours for this session."""
    rows = InstalledProfile.objects.filter(transaction=session, purpose=Purpose.TX.value, source=CSO)
    return rows.order_by("-stack_level").first()


def _wanted(session: Transaction, needs: NeedsNotified) -> ChargingProfile | None:
    """What a person set for this session stays; else what fits the needs."""
    ours = _ours(session)
    if ours is not None and not ours.installed_by.startswith("system:"):
        return smart_charging.profile_of(ours.content)
    station, evse = session.station, session.evse
    rated_w = abilities.rated_w(station.pk, evse.evse_id if evse else 0, station.max_power_w)
    return charging_plans.profile_for(needs, rated_w, abilities.of(station.pk), clock.now())


def _send(session: Transaction, profile: ChargingProfile | None) -> Answer:
    if profile is None:
        return Answer.NO_PROFILE
    station = ChargingStation.objects.get(pk=session.station_id)
    intent = SetChargingProfile(
        charging_profile=smart_charging.to_json(profile),
        evse_id=session.evse.evse_id if session.evse else 0,
        transaction=session.pk,
    )
    try:
        with atomic():
            commands.issue(station, intent, by=PLANNER, reason="The car told what it needs.")
    except DomainError:
        return Answer.REJECTED
    return Answer.ACCEPTED


def _replan(session: Transaction, plan: ChargingPlan) -> None:
    if plan.replans >= MAX_REPLANS or _is_on_the_way(session):
        return
    plan.replans += 1
    needs = smart_charging.needs_of(plan.needs) if plan.needs else None
    ours = _ours(session)
    profile = _wanted(session, needs) if needs else None
    if profile is None and ours is not None:
        profile = smart_charging.profile_of(ours.content)
    _send(session, profile)


def _keeps(event: CarScheduleNotified, profile: ChargingProfile, session: Transaction) -> bool:
    """Against the schedule that the car chose, else the first."""
    chosen = [one for place, one in enumerate(profile.schedules) if (one.id or place + 1) == event.selected]
    schedule = chosen[0] if chosen else profile.schedules[0]
    only = replace(profile, schedules=(schedule,))
    return charging_rules.keeps_to(event.schedule, event.time_base, only, session.started_at)
