"""Quirks of makes: which apply to a station, and how they go together with its own settings."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Protocol
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import Invalid, NotPermitted
from stations.domain.treatment import NAMES, TOLERANCES, Treatment
from stations.models import ChargingStation, Quirk

EDITABLE = frozenset({"vendor", "model", "firmware", "reason", "enabled", *NAMES})
ONE_BY_ONE = ("lenient", "call_timeout_s", "ping_interval_s", "energy_factor")


class Treated(Protocol):
    """What is asked of a station, whether row or candidate at the door."""

    lenient: bool
    tolerances: dict[str, bool]
    call_timeout_s: int | None
    ping_interval_s: int | None
    energy_factor: Decimal | None


def effective(station: ChargingStation) -> Treatment:
    """Own settings where somebody made them, else those of the make, else the usual."""
    return combined(station, station.quirks, station.own_settings)


def combined(own: Treated, quirks: Mapping[str, Any], decided: Sequence[str]) -> Treatment:
    """``quirks`` is what :func:`treatment_of` kept with the station."""
    lenient = own.lenient
    if not lenient and "lenient" not in decided:
        lenient = bool(quirks.get("lenient", False))
    factor = quirks.get("energy_factor")
    return Treatment(
        lenient=lenient,
        tolerances={**quirks.get("tolerances", {}), **own.tolerances},
        call_timeout_s=_own(own.call_timeout_s, quirks.get("call_timeout_s")),
        ping_interval_s=_own(own.ping_interval_s, quirks.get("ping_interval_s")),
        energy_factor=_own(own.energy_factor, None if factor is None else Decimal(factor)),
    )


def treatment_of(station: ChargingStation) -> dict[str, Any]:
    """What the make of the station asks for, with the reasons; empty where nothing matches."""
    enabled = Quirk.objects.filter(enabled=True, organization_id=station.organization_id)
    return _merged([quirk for quirk in enabled if matches(quirk, station)])


def matches(quirk: Quirk, station: ChargingStation) -> bool:
    """Whether vendor, model and firmware fit; an empty pattern fits all, case does not count."""
    pairs = (
        (quirk.vendor, station.vendor),
        (quirk.model, station.model),
        (quirk.firmware, station.firmware_version),
    )
    return all(not pattern or fnmatchcase(text.lower(), pattern.lower()) for pattern, text in pairs)


def create(values: Mapping[str, Any], *, by: Actor) -> Quirk:
    """A new quirk of the organization, in force for its stations from their next connection."""
    by.require_everywhere(Permission.STATIONS_EDIT)
    quirk = Quirk(organization_id=by.home)
    with atomic():
        _assign(quirk, values, by)
        quirk.save(force_insert=True)
        audit.record("quirk.created", quirk, by=by, changes={"reason": [None, quirk.reason]})
        _apply(by.home)
    return quirk


def update(quirk: Quirk, values: Mapping[str, Any], *, by: Actor) -> Quirk:
    """Change a quirk of the organization."""
    _require_own(quirk, by)
    with atomic():
        changes = audit.difference(quirk, values)
        _assign(quirk, values, by)
        quirk.save()
        audit.record("quirk.changed", quirk, by=by, changes=changes)
        _apply(by.home)
    return quirk


def delete(quirk: Quirk, *, by: Actor) -> None:
    """Take a quirk away; stations it applied to are treated as usual from their next connection."""
    _require_own(quirk, by)
    with atomic():
        audit.record("quirk.deleted", quirk, by=by, changes={"reason": [quirk.reason, None]})
        quirk.delete()
        _apply(by.home)


def _own(own: Any, of_make: Any) -> Any:
    return of_make if own is None else own


def _merged(found: Sequence[Quirk]) -> dict[str, Any]:
    """The most exact one wins, name by name."""
    treatment: dict[str, Any] = {}
    tolerances: dict[str, bool] = {}
    for quirk in sorted(found, key=_exactness):
        for name in ONE_BY_ONE:
            if (value := getattr(quirk, name)) is not None:
                treatment[name] = str(value) if isinstance(value, Decimal) else value
        tolerances |= quirk.tolerances
    if tolerances:
        treatment["tolerances"] = tolerances
    if found:
        treatment["because"] = [{"quirk": str(quirk.pk), "reason": quirk.reason} for quirk in found]
    return treatment


def _exactness(quirk: Quirk) -> tuple[int, int]:
    patterns = (quirk.vendor, quirk.model, quirk.firmware)
    return sum(map(bool, patterns)), sum(len(pattern.replace("*", "")) for pattern in patterns)


def _apply(organization_id: UUID) -> None:
    """What each station of the organization is to be treated like from its next connection on."""
    quirks = list(Quirk.objects.filter(enabled=True, organization_id=organization_id))
    changed = []
    rows = ChargingStation.objects.live().filter(organization_id=organization_id)
    for station in rows.only("id", "vendor", "model", "firmware_version", "quirks").iterator(chunk_size=500):
        treatment = _merged([quirk for quirk in quirks if matches(quirk, station)])
        if treatment != station.quirks:
            station.quirks = treatment
            changed.append(station)
    ChargingStation.objects.bulk_update(changed, ["quirks"], batch_size=500)


def _require_own(quirk: Quirk, by: Actor) -> None:
    by.require_everywhere(Permission.STATIONS_EDIT)
    if quirk.organization_id != by.home:
        raise NotPermitted("This entry came with the product. Copy it and change the copy.")


def _assign(quirk: Quirk, values: Mapping[str, Any], by: Actor) -> None:
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(quirk, name, value)
    quirk.changed_by = by.label[:200]
    if quirk.enabled and not (quirk.vendor.strip("* ") or quirk.model.strip("* ")):
        raise Invalid("Name a vendor or a model, so that it does not hold for every station.", field="vendor")
    unknown = [word for word in quirk.tolerances if word not in TOLERANCES]
    if unknown or not all(isinstance(value, bool) for value in quirk.tolerances.values()):
        raise Invalid(f"Tolerances are {', '.join(TOLERANCES)}, each true or false.", field="tolerances")
    try:
        quirk.clean_fields(exclude={"organization"})
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Invalid(" ".join(messages), field=field) from error
