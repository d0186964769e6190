"""API keys: made, checked, rotated, revoked (security.md W-14)."""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.transaction import atomic

from core import audit, clock
from core import keys as crypto
from core.access import Actor, ActorKind, Permission
from core.errors import Invalid
from core.models import ApiKey, Organization

TOUCH_EVERY = timedelta(seconds=60)
KEY_PATTERN = re.compile(r"cy_([A-Za-z0-9]{8})_[A-Za-z0-9_-]{43}")

_P = Permission
PERMISSIONS_OF_SCOPE: dict[str, frozenset[Permission]] = {
    "organization:read": frozenset(),
    "organization:write": frozenset({_P.ORG_SETTINGS}),
    "sites:read": frozenset({_P.STATIONS_VIEW}),
    "sites:write": frozenset({_P.STATIONS_EDIT}),
    "stations:read": frozenset({_P.STATIONS_VIEW}),
    "stations:write": frozenset({_P.STATIONS_EDIT}),
    "commands:read": frozenset({_P.STATIONS_VIEW}),
    "commands:write": frozenset({_P.STATIONS_VIEW}),
    "commands:send": frozenset(
        {_P.COMMANDS_SESSION, _P.COMMANDS_STATION, _P.COMMANDS_RESET_SOFT, _P.VARIABLES_EDIT}
    ),
    "commands:expert": frozenset({_P.COMMANDS_EXPERT}),
    "charging-profiles:read": frozenset({_P.STATIONS_VIEW}),
    "charging-profiles:write": frozenset({_P.COMMANDS_STATION}),
    "messages:read": frozenset({_P.MESSAGES_VIEW}),
    "variables:read": frozenset({_P.STATIONS_VIEW}),
    "connections:read": frozenset({_P.STATIONS_VIEW}),
    "alerts:read": frozenset({_P.ALERTS_VIEW}),
    "alerts:write": frozenset({_P.ALERTS_ACK}),
    "reservations:read": frozenset({_P.STATIONS_VIEW}),
    "reservations:write": frozenset({_P.COMMANDS_SESSION}),
    "local-lists:read": frozenset({_P.STATIONS_VIEW}),
    "local-lists:write": frozenset({_P.VARIABLES_EDIT}),
    "transactions:read": frozenset({_P.SESSIONS_VIEW}),
    "transactions:write": frozenset({_P.SESSIONS_CORRECT}),
    "tariffs:read": frozenset({_P.STATIONS_VIEW}),
    "tariffs:write": frozenset({_P.TARIFFS_MANAGE}),
    "tokens:read": frozenset({_P.DRIVERS_VIEW}),
    "tokens:write": frozenset({_P.DRIVERS_MANAGE}),
    "authorizations:read": frozenset({_P.DRIVERS_VIEW}),
    "drivers:read": frozenset({_P.DRIVERS_VIEW}),
    "drivers:write": frozenset({_P.DRIVERS_MANAGE}),
    "driver-groups:read": frozenset({_P.DRIVERS_VIEW}),
    "driver-groups:write": frozenset({_P.DRIVERS_MANAGE}),
    "groups:read": frozenset({_P.DRIVERS_VIEW}),
    "groups:write": frozenset({_P.DRIVERS_MANAGE}),
    "audit:read": frozenset({_P.AUDIT_VIEW}),
    "security:write": frozenset({_P.SECURITY_MANAGE}),
    "events:read": frozenset(),
    "webhooks:read": frozenset({_P.ORG_API}),
    "webhooks:write": frozenset({_P.ORG_API}),
    "certificates:read": frozenset({_P.STATIONS_VIEW}),
    "certificates:write": frozenset({_P.STATIONS_VIEW}),
    "firmware:read": frozenset({_P.STATIONS_VIEW}),
    "firmware:write": frozenset({_P.FIRMWARE_MANAGE, _P.FIRMWARE_UPLOAD}),
    "logs:read": frozenset({_P.FIRMWARE_MANAGE}),
    "cdrs:read": frozenset({_P.INVOICES_MANAGE}),
    "cdrs:write": frozenset({_P.SESSIONS_CORRECT}),
    "billing-exceptions:read": frozenset({_P.INVOICES_MANAGE}),
    "billing-exceptions:write": frozenset({_P.SESSIONS_CORRECT}),
    "invoices:read": frozenset({_P.INVOICES_MANAGE}),
    "invoices:write": frozenset({_P.INVOICES_MANAGE, _P.SESSIONS_REFUND}),
    "payments:read": frozenset({_P.INVOICES_MANAGE}),
    "payments:write": frozenset({_P.INVOICES_MANAGE, _P.SESSIONS_REFUND}),
    "*": frozenset(Permission),
}


def known_scopes() -> list[str]:
    """Every scope that a key can have, sorted."""
    return sorted(PERMISSIONS_OF_SCOPE)


def create(
    organization: Organization,
    *,
    name: str,
    scopes: Iterable[str],
    by: Actor,
    expires_at: datetime | None = None,
    networks: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is stored nowhere. Raises :class:`Invalid` for unknown scopes."""
    by.require(Permission.ORG_API, organization)
    wanted = sorted(set(scopes))
    _check_scopes(wanted)
    if expires_at is not None and not clock.is_expiry(expires_at):
        raise Invalid("Choose a date from 2010 to 2999.", field="expires_at")
    prefix, secret = _make_secret()
    key = ApiKey(
        organization=organization,
        name=name.strip()[:100] or "key",
        prefix=prefix,
        digest=crypto.digest(secret),
        scopes=wanted,
        networks=_checked_networks(networks),
        expires_at=expires_at,
        created_by=by.label[:200],
    )
    with atomic():
        key.save(force_insert=True)
        audit.record("api_key.created", key, by=by, changes={"scopes": [None, wanted]})
    return key, secret


def revoke(key: ApiKey, *, by: Actor) -> None:
    """Refuse the key from now on."""
    by.require(Permission.ORG_API, key)
    with atomic():
        key.revoked_at = clock.now()
        key.save(update_fields=["revoked_at"])
        audit.record("api_key.revoked", key, by=by)


def find(secret: str, *, address: str) -> ApiKey | None:
    """The usable key of that secret, unless the address is outside its networks; remembers the use."""
    match = KEY_PATTERN.fullmatch(secret)
    if match is None:
        return None
    key = ApiKey.objects.select_related("organization").filter(prefix=match[1]).first()
    if key is None or not hmac.compare_digest(bytes(key.digest), crypto.digest(secret)):
        return None
    if not key.usable or not _address_allowed(key, address):
        return None
    _touch(key)
    return key


def permissions_of(scopes: Iterable[str]) -> frozenset[Permission]:
    """What the scopes allow."""
    return frozenset().union(*(PERMISSIONS_OF_SCOPE.get(scope, frozenset()) for scope in scopes))


def holds(actor: Actor, scope: str) -> bool:
    """A key must have the scope itself; a person the permissions that the scope stands for."""
    if actor.kind is ActorKind.KEY:
        return scope in actor.scopes or "*" in actor.scopes
    return actor.kind is ActorKind.SYSTEM or PERMISSIONS_OF_SCOPE[scope] <= actor.permissions


def _make_secret() -> tuple[str, str]:
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
    prefix = "".join(secrets.choice(alphabet) for _ in range(8))
    return prefix, f"cy_{prefix}_{secrets.token_urlsafe(32)}"


def _check_scopes(scopes: list[str]) -> None:
    if not scopes:
        raise Invalid("A key needs at least one scope.", field="scopes")
    unknown = [scope for scope in scopes if scope not in PERMISSIONS_OF_SCOPE]
    if unknown:
        raise Invalid(
            f"There is no scope “{unknown[0]}”. Known are: {', '.join(known_scopes())}.", field="scopes"
        )


def _checked_networks(networks: Iterable[str]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(text.strip(), strict=False)) for text in networks]
    except ValueError as error:
        raise Invalid(f"Not a network: {error}.", field="networks") from error


def _address_allowed(key: ApiKey, address: str) -> bool:
    if not key.networks:
        return True
    try:
        source = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(source in ipaddress.ip_network(network) for network in key.networks)


def _touch(key: ApiKey) -> None:
    now = clock.now()
    if key.last_used_at is None or key.last_used_at < now - TOUCH_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
