"""What must hold of profiles and sessions before a command about them is written down (2.0.1 K01)."""

from dataclasses import replace

from core.access import Actor
from core.errors import Conflict, Invalid
from stations.domain import charging_rules, smart_charging
from stations.domain.charging_rules import Abilities
from stations.domain.intents import (
    ClearChargingProfile,
    GetChargingProfiles,
    GetCompositeSchedule,
    Intent,
    NotifyAllowedEnergyTransfer,
    RequestStartTransaction,
    SetChargingProfile,
    UpdateDynamicSchedule,
    UsePriorityCharging,
)
from stations.domain.smart_charging import CSO, ENERGY_TRANSFERS, RATE_UNITS, ChargingProfile, Kind, Purpose
from stations.domain.words import TransactionStatus
from stations.models import ChargingStation, Command, InstalledProfile, Transaction
from stations.services import preconditions
from stations.services.numbers import next_request_id
from stations.services.smart_charging import abilities

LONGEST_COMPOSITE_S = 7 * 86_400
LARGEST_NUMBER = 2**31 - 1


def set_profile(station: ChargingStation, intent: SetChargingProfile, by: Actor) -> Intent:
    """The profile checked, reckoned in a unit that the station takes, numbered, with its session."""
    known = abilities.of(station.pk)
    profile = smart_charging.profile_of(intent.charging_profile)
    session = _session(station, intent, profile, by)
    evse_id = intent.evse_id or (session.evse.evse_id if session and session.evse else 0)
    preconditions.require_evse(station, evse_id or None)
    charging_rules.check(profile, evse_id, known)
    profile = replace(profile, transaction_reference=session.reference if session else None)
    profile, conversion = charging_rules.fitted(profile, known)
    profile = _numbered(station, evse_id, profile, session, known)
    return replace(
        intent,
        charging_profile=smart_charging.to_json(profile),
        evse_id=evse_id,
        transaction=session.pk if session else None,
        conversion=conversion,
    )


def profile_of_start(station: ChargingStation, intent: RequestStartTransaction) -> RequestStartTransaction:
    """A remote start may carry a tx_profile, which names no session yet (P251, K05)."""
    if intent.charging_profile is None:
        return intent
    known = abilities.of(station.pk)
    profile = smart_charging.profile_of(intent.charging_profile)
    if profile.purpose != Purpose.TX:
        raise Invalid("The profile of a remote start is a tx_profile.", field="charging_profile/purpose")
    charging_rules.check(profile, intent.evse_id or 1, known)
    profile, _ = charging_rules.fitted(replace(profile, transaction_reference=None), known)
    number = profile.id or _new_number(known)
    return replace(intent, charging_profile=smart_charging.to_json(replace(profile, id=number)))


def clear_profiles(station: ChargingStation, intent: ClearChargingProfile, by: Actor) -> Intent:
    preconditions.require_evse(station, intent.evse_id or None)
    _require_purpose(intent.purpose)
    if intent.purpose == Purpose.EXTERNAL:
        raise Invalid("External constraints can only be lifted by who set them.", field="purpose")
    by_number = intent.charging_profile_id is not None
    if by_number and (intent.evse_id, intent.purpose, intent.stack_level) != (None, None, None):
        raise Invalid("Give the number of a profile or what to match, not both.", field="charging_profile_id")
    return intent


def get_profiles(station: ChargingStation, intent: GetChargingProfiles, by: Actor) -> Intent:
    preconditions.require_evse(station, intent.evse_id or None)
    _require_purpose(intent.purpose)
    return replace(intent, request_id=next_request_id())


def get_composite(station: ChargingStation, intent: GetCompositeSchedule, by: Actor) -> Intent:
    """In a unit that the station has."""
    preconditions.require_evse(station, intent.evse_id or None)
    if not 1 <= intent.duration <= LONGEST_COMPOSITE_S:
        raise Invalid(f"A duration is 1 to {LONGEST_COMPOSITE_S} seconds.", field="duration")
    if intent.unit is not None and intent.unit not in RATE_UNITS:
        raise Invalid("The unit is A or W.", field="unit")
    units = abilities.of(station.pk).rate_units
    unfit = intent.unit and units and intent.unit not in units
    return replace(intent, unit=units[0]) if unfit else intent


def use_priority(station: ChargingStation, intent: UsePriorityCharging, by: Actor) -> Intent:
    return replace(intent, reference=preconditions.running(station, intent.transaction, by).reference)


def allow_transfers(station: ChargingStation, intent: NotifyAllowedEnergyTransfer, by: Actor) -> Intent:
    unknown = [word for word in intent.allowed if word not in ENERGY_TRANSFERS]
    if unknown or not intent.allowed:
        raise Invalid(f"Name at least one of {', '.join(ENERGY_TRANSFERS)}.", field="allowed")
    return replace(intent, reference=preconditions.running(station, intent.transaction, by).reference)


def update_dynamic(station: ChargingStation, intent: UpdateDynamicSchedule, by: Actor) -> Intent:
    """Only a dynamic profile that the station has can be updated."""
    update = smart_charging.to_json(smart_charging.update_of(intent.update))
    if not update:
        raise Invalid("Give at least one new figure.", field="update")
    charging_rules.check_update(update)
    installed = InstalledProfile.objects.live().filter(station=station, profile_id=intent.charging_profile_id)
    row = installed.first()
    if row is None or row.kind != Kind.DYNAMIC:
        raise Conflict(
            f"The station has no dynamic profile {intent.charging_profile_id}. Install one first.",
            field="charging_profile_id",
        )
    return replace(intent, update=update)


def _session(
    station: ChargingStation, intent: SetChargingProfile, profile: ChargingProfile, by: Actor
) -> Transaction | None:
    """The running session that a tx_profile is for, by its id or by its EVSE."""
    if profile.purpose != Purpose.TX:
        if intent.transaction is not None:
            raise Invalid("Only a tx_profile belongs to a session.", field="transaction")
        return None
    if intent.transaction is None:
        return _session_at(station, intent.evse_id)
    session = preconditions.running(station, intent.transaction, by)
    if intent.evse_id and (session.evse is None or session.evse.evse_id != intent.evse_id):
        raise Invalid(f"The session is not at EVSE {intent.evse_id}.", field="evse_id")
    return session


def _session_at(station: ChargingStation, evse_id: int) -> Transaction:
    if not evse_id:
        raise Invalid("A tx_profile is for the session at one EVSE: name it.", field="evse_id")
    session = Transaction.objects.filter(
        station=station, evse__evse_id=evse_id, status=TransactionStatus.ACTIVE.value
    ).first()
    if session is None:
        raise Conflict(
            f"No session is running at EVSE {evse_id}. A tx_default_profile holds for the next one.",
            field="charging_profile/purpose",
        )
    return session


def _numbered(
    station: ChargingStation,
    evse_id: int,
    profile: ChargingProfile,
    session: Transaction | None,
    known: Abilities,
) -> ChargingProfile:
    """With the number that it asks for, that of its predecessor in the same place, or a new one (P219)."""
    if profile.id is None:
        number = _predecessor(station, evse_id, profile, session) or _new_number(known)
        return replace(profile, id=number)
    others = InstalledProfile.objects.filter(station=station, profile_id=profile.id).exclude(source=CSO)
    if others.exists():
        raise Conflict(
            f"Profile {profile.id} is not ours at this station. Leave out the number, or take another.",
            field="charging_profile/id",
        )
    return profile


def _predecessor(
    station: ChargingStation, evse_id: int, profile: ChargingProfile, session: Transaction | None
) -> int | None:
    place = {"evse_id": evse_id, "transaction": session}
    installed = InstalledProfile.objects.filter(
        station=station, purpose=profile.purpose, stack_level=profile.stack_level, source=CSO, **place
    ).values_list("profile_id", flat=True)
    if (number := installed.first()) is not None:
        return int(number)
    sent = Command.objects.filter(
        station=station,
        command=SetChargingProfile.name,
        parameters__charging_profile__purpose=profile.purpose,
        parameters__charging_profile__stack_level=profile.stack_level,
        **place,
    ).order_by("-id")
    earlier = sent.first()
    return int(earlier.parameters["charging_profile"]["id"]) if earlier else None


def _new_number(known: Abilities) -> int:
    """Above those that the station keeps for itself."""
    return next_request_id() + min(known.reserved_ids, LARGEST_NUMBER // 2)


def _require_purpose(purpose: str | None) -> None:
    if purpose is not None and purpose not in list(Purpose):
        raise Invalid(f"“{purpose}” is none of {', '.join(Purpose)}.", field="purpose")
