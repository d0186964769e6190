"""Stations, as operators keep them."""

import re
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.transaction import atomic, on_commit

from core import audit, bus, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound
from core.models import Organization
from stations import live
from stations.domain import treatment
from stations.domain.words import Registration
from stations.models import ChargingStation, Connector, Evse, Presence, Site
from stations.services import credentials, sites

EDITABLE = frozenset(
    {"name", "site", "tags", "notes", "enabled", "security_profile", "pinned_version", "lenient", "tolerances",
     "call_timeout_s", "ping_interval_s", "heartbeat_interval_s", "energy_factor", "max_power_w",
     "free_vend", "free_evses",
     "unauthenticated_reason"}
)  # fmt: skip
NEEDS_RECONNECT = frozenset(
    {"enabled", "security_profile", "pinned_version", "lenient", "tolerances", "call_timeout_s",
     "ping_interval_s", "energy_factor"}
)  # fmt: skip
IDENTITY = re.compile(r"[^\x00-\x1f\x7f/\\]{1,48}")
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
POLICY_VIOLATION = 1008


def create(
    values: Mapping[str, Any], *, by: Actor, password: str | None = None
) -> tuple[ChargingStation, str | None]:
    """A new station and its password, which can be shown now and never again.

    ``password`` of 16 to 64 characters is taken as given and needs the permission for secrets; without one
    it is made. Profile 3 and 0 have none. Raises :class:`Invalid` naming the field, :class:`Conflict` for
    an identity in use (in whatever case, P014).
    """
    by.require(Permission.STATIONS_EDIT)
    if password is not None:
        by.require(Permission.SECURITY_MANAGE)
    fields = dict(values)
    station = ChargingStation(organization_id=by.home, lenient=settings.OCPP_DEFAULT_LENIENT)
    station.identity = str(fields.pop("identity", ""))
    station.registration = fields.pop("registration", Registration.ACCEPTED.value)
    with atomic():
        fields.setdefault("site", None)
        fields["site"] = fields["site"] or sites.first_site(Organization.objects.get(pk=by.home), by=by)
        _assign(station, fields, by)
        station.own_settings = sorted(set(fields) & set(treatment.NAMES))
        _check_identity(station)
        _insert(station)
        secret = _credential(station, password)
        audit.record("station.created", station, by=by, changes={"identity": [None, station.identity]})
        live.announce_on_commit("station", station.organization_id, station.id, site_id=station.site_id)
    return station, secret


def update(station: ChargingStation, values: Mapping[str, Any], *, by: Actor) -> ChargingStation:
    """Change what may be changed (``EDITABLE``); a live socket is closed where the change needs a new one."""
    by.require(Permission.STATIONS_EDIT, station)
    changes = audit.difference(station, values)
    _assign(station, values, by)
    decided = sorted({*station.own_settings, *(set(changes) & set(treatment.NAMES))})
    station.own_settings = decided
    with atomic():
        station.save(update_fields=[*values, "own_settings", "updated_at"])
        audit.record("station.changed", station, by=by, changes=changes)
        if NEEDS_RECONNECT & set(changes):
            disconnect(station, reason="The settings of the station were changed.")
        live.announce_on_commit("station", station.organization_id, station.id, site_id=station.site_id)
    return station


def lock(station_id: UUID) -> UUID:
    """Keep others from changing the station until the transaction ends."""
    ChargingStation.objects.select_for_update().filter(pk=station_id).first()
    return station_id


def new_password(station: ChargingStation, *, by: Actor, password: str | None = None) -> str:
    """Replace the station's password; the live socket is closed. The answer is shown once (K-03)."""
    by.require(Permission.SECURITY_MANAGE, station)
    with atomic():
        secret = credentials.set_password(station, password, typed=password is not None)
        audit.record("station.password_replaced", station, by=by)
        disconnect(station, reason="The password of the station was replaced.")
    return secret


def retire(station: ChargingStation, *, by: Actor) -> None:
    """Take a station out of service for ever: history stays, the identity is free again (S-13)."""
    by.require(Permission.STATIONS_EDIT, station)
    with atomic():
        station.retired_at = clock.now()
        station.enabled = False
        station.save(update_fields=["retired_at", "enabled", "updated_at"])
        audit.record("station.retired", station, by=by)
        disconnect(station, reason="The station was retired.")
        live.announce_on_commit("station", station.organization_id, station.id, site_id=station.site_id)


def disconnect(station: ChargingStation, *, reason: str) -> None:
    """Ask the gateway that holds the station's socket to close it, once the transaction has committed.

    The gateway's own sweep closes it within 5 s where the message is lost.
    """
    presence = Presence.objects.filter(station=station, connected=True).first()
    if presence is None:
        return
    note = {"close": str(station.id), "code": POLICY_VIOLATION, "reason": reason}
    on_commit(lambda: bus.announce(f"gateway.{presence.gateway}", note))


def make_code() -> str:
    """A public code of an EVSE: nothing of the identity, no letters that look like digits."""
    return "CY" + "".join(secrets.choice(CODE_ALPHABET) for _ in range(8))


def add_evse(station: ChargingStation, evse_id: int, connector_ids: tuple[int, ...] = (1,)) -> Evse:
    """The EVSE of that number with its connectors, made where it is not there yet."""
    evse, _ = Evse.objects.get_or_create(station=station, evse_id=evse_id, defaults={"code": make_code()})
    for connector_id in connector_ids:
        Connector.objects.get_or_create(evse=evse, connector_id=connector_id)
    return evse


def _assign(station: ChargingStation, values: Mapping[str, Any], by: Actor) -> None:
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(station, name, _own_site(value, by) if name == "site" else value)
    _check_profile(station)
    try:
        station.clean_fields(exclude={"organization", "identity", "site"})
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Invalid(" ".join(messages), field=field) from error


def _own_site(site: Site, by: Actor) -> Site:
    found = Site.objects.live().visible_to(by).filter(pk=site.pk).first()
    if found is None:
        raise NotFound("There is no such site.", field="site")
    return found


def _check_profile(station: ChargingStation) -> None:
    if station.security_profile == 0 and not settings.OCPP_ALLOW_UNAUTHENTICATED:
        raise Invalid(
            "Stations without any authentication are switched off (OCPP_ALLOW_UNAUTHENTICATED).",
            field="security_profile",
        )
    if station.security_profile == 0 and not station.unauthenticated_reason:
        raise Invalid("Say why this station needs no authentication.", field="unauthenticated_reason")
    if station.security_profile in (1, 2) and ":" in station.identity:
        raise Invalid("An identity with a colon cannot use a password (RFC 7617).", field="identity")


def _check_identity(station: ChargingStation) -> None:
    identity = station.identity
    if not IDENTITY.fullmatch(identity) or identity != identity.strip() or identity in {".", ".."}:
        raise Invalid(
            "An identity has 1 to 48 characters, no slash, no control character, no blank at either end.",
            field="identity",
        )
    clash = ChargingStation.objects.live().filter(identity__iexact=identity).first()
    if clash is None:
        return
    if clash.organization_id != station.organization_id:
        raise Conflict(f"The identity “{identity}” is not free. Choose another one.", field="identity")
    if clash.identity != identity:
        raise Conflict(f"“{identity}” differs from “{clash.identity}” only in case.", field="identity")
    raise Conflict(f"There is already a station “{identity}”.", field="identity")


def _insert(station: ChargingStation) -> None:
    try:
        with atomic():
            station.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"The identity “{station.identity}” is not free.", field="identity") from error
    Presence.objects.create(station=station)


def _credential(station: ChargingStation, password: str | None) -> str | None:
    if station.security_profile in (0, 3):
        return None
    return credentials.set_password(station, password, typed=password is not None)
