"""Where stations connect to: slots are written so that a way back is always left, and never to less security.

P218, security.md S-07. What is in use is known from ``NetworkConfigurationPriority`` and ``ActiveNetworkProfile``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Lower
from django.db.transaction import atomic

from core.access import Actor
from core.errors import Conflict, Invalid
from stations import live
from stations.domain.intents import SetNetworkProfile, VariableItem
from stations.domain.station import StationSide
from stations.models import ChargingStation, NetworkProfile, Variable
from stations.services import answering

CONTROLLER = "OCPPCommCtrlr"
PRIORITY, ACTIVE = "NetworkConfigurationPriority", "ActiveNetworkProfile"
ALLOWS_LESS = "AllowSecurityProfileDowngrade"
LEVEL = "securityprofile"
UNKNOWN = (
    "It is not known which slots the station uses. Read NetworkConfigurationPriority first, so that no slot in use"
    " is overwritten."
)


@dataclass(frozen=True, slots=True)
class Slots:
    """The order in which the station tries its slots, the one in use, those it has at all (empty: not told)."""

    priority: tuple[int, ...]
    active: int | None
    possible: tuple[int, ...]


def slots_of(station_id: UUID) -> Slots:
    """What the station told of its slots."""
    rows = Variable.objects.annotate(folded=Lower("variable")).filter(
        station_id=station_id,
        component__iexact=CONTROLLER,
        folded__in=[PRIORITY.lower(), ACTIVE.lower()],
        attribute="Actual",
    )
    told = {row.variable.lower(): row for row in rows}
    order = told.get(PRIORITY.lower())
    priority = _numbers(order.value or "") if order else ()
    active = _numbers(told[ACTIVE.lower()].value or "") if ACTIVE.lower() in told else ()
    in_use = active[0] if active else (priority[0] if priority else None)
    return Slots(priority, in_use, _numbers(order.values_list) if order else ())


def check(station: ChargingStation, intent: SetNetworkProfile, by: Actor) -> SetNetworkProfile:
    """Raise :class:`Invalid` or :class:`Conflict` for a profile that lowers security or leaves no way back."""
    _require_level(station, intent.security_profile, confirmed=intent.confirm_downgrade)
    slots = slots_of(station.pk)
    if slots.active is None:
        raise Conflict(UNKNOWN, field="slot")
    if slots.possible and intent.slot not in slots.possible:
        raise Invalid(f"The station has no slot {intent.slot}; it has {list(slots.possible)}.", field="slot")
    if intent.slot == slots.active:
        raise Conflict(
            f"Slot {intent.slot} is in use. Write another slot, put it first in {PRIORITY}, restart the station.",
            field="slot",
        )
    return intent


def check_items(station: ChargingStation, items: Iterable[VariableItem]) -> None:
    """The same for variables: the slot in use stays in the priority, no security profile is lowered."""
    for item in items:
        name = item.variable.lower()
        if name == LEVEL and item.value is not None and item.value.strip().isdigit():
            _require_level(station, int(item.value), confirmed=False)
        if name == PRIORITY.lower() and item.component.lower() == CONTROLLER.lower():
            _require_fallback(station, _numbers(item.value or ""))


def keep_answer(station: StationSide, told: NetworkProfile, answer: str, detail: str, at: datetime) -> None:
    """The station took what its slot holds from now on, or refused it; then the old content stays (TC_B_44)."""
    with atomic():
        row, _ = NetworkProfile.objects.select_for_update().get_or_create(
            station_id=station.station_id, slot=told.slot
        )
        if answer == "Accepted":
            for name in ("url", "interface", "message_timeout_s", "security_profile", "identity"):
                setattr(row, name, getattr(told, name))
            row.set_by, row.set_at = answering.issuer()[:200], at
            row.refused_at, row.refusal = None, ""
        else:
            row.refused_at, row.refusal = at, " · ".join(text for text in (answer, detail) if text)[:600]
        row.save()
        _tell(station)


def wrote_priority(names: Sequence[tuple[str, str]]) -> bool:
    """Whether the priority is among these components and variables."""
    return any((c.lower(), v.lower()) == (CONTROLLER.lower(), PRIORITY.lower()) for c, v in names)


def require_level(station_id: UUID, level: int) -> None:
    """The floor for what an expert sends in the station's own words (S-07)."""
    _require_level(ChargingStation.objects.get(pk=station_id), level, confirmed=False)


def _require_level(station: ChargingStation, level: int, *, confirmed: bool) -> None:
    floor = station.security_profile
    if level >= floor:
        return
    if (floor, level) == (3, 2) and confirmed:
        if not _allows_less(station.pk):
            raise Conflict(
                f"The station does not allow a lower profile ({ALLOWS_LESS} is not true).",
                field="security_profile",
            )
        return
    hint = (
        " From 3 to 2 it can be confirmed, where the station allows it." if (floor, level) == (3, 2) else ""
    )
    raise Conflict(
        f"The station is on security profile {floor}; it is never lowered to {level}.{hint}",
        field="security_profile",
    )


def _allows_less(station_id: UUID) -> bool:
    told = Variable.objects.filter(station_id=station_id, variable__iexact=ALLOWS_LESS, attribute="Actual")
    return (told.values_list("value", flat=True).first() or "").lower() == "true"


def _require_fallback(station: ChargingStation, wanted: Sequence[int]) -> None:
    slots = slots_of(station.pk)
    if slots.active is None:
        raise Conflict(UNKNOWN, field="items")
    if slots.active not in wanted:
        raise Conflict(
            f"Slot {slots.active} works now and has to stay in {PRIORITY} as the way back.", field="items"
        )
    lowering = NetworkProfile.objects.filter(
        station=station, slot__in=wanted, security_profile__lt=station.security_profile
    ).exclude(slot=slots.active)
    if lowered := lowering.first():
        _require_level(station, lowered.security_profile or 0, confirmed=_allows_less(station.pk))


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.strip("[] ").split(",")]
    return tuple(int(part) for part in parts if part.isascii() and part.isdigit())


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )
