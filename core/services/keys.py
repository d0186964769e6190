"""API keys and OAuth2 clients: made, checked, rotated, revoked (security.md W-14)."""

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
from core.errors import Conflict, Invalid
from core.models import ApiKey, Organization

TOUCH_EVERY = timedelta(seconds=60)
OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=90)
ROTATED = (
    "digest", "former_digest", "former_until", "rotated_at", "created_by", "owner_id", "former_owner_id",
)  # fmt: skip
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
    "statistics:read": frozenset({_P.SESSIONS_VIEW}),
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
    "billing:read": frozenset({_P.INVOICES_MANAGE}),
    "billing-exceptions:read": frozenset({_P.INVOICES_MANAGE}),
    "billing-exceptions:write": frozenset({_P.SESSIONS_CORRECT}),
    **{
        f"{resource}:{way}": frozenset({_P.INVOICES_MANAGE})
        for resource in ("billing-accounts", "billing-runs", "mandates", "payment-methods", "wallets")
        for way in ("read", "write")
    },
    "invoices:read": frozenset({_P.INVOICES_MANAGE}),
    "invoices:write": frozenset({_P.INVOICES_MANAGE, _P.SESSIONS_REFUND}),
    "payments:read": frozenset({_P.INVOICES_MANAGE}),
    "payments:write": frozenset({_P.INVOICES_MANAGE, _P.SESSIONS_REFUND}),
    "*": frozenset(Permission),
}
AT_LEAST: dict[str, frozenset[Permission]] = {"firmware:write": frozenset({_P.FIRMWARE_MANAGE})}
"""Of a scope for several acts: what all of them need. Services ask for the rest where an act needs more."""


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
    kind: str = ApiKey.Kind.KEY,
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
        kind=ApiKey.Kind(kind),
        prefix=prefix,
        digest=crypto.digest(secret),
        scopes=wanted,
        networks=_checked_networks(networks),
        expires_at=expires_at,
        created_by=by.label[:200],
        owner_id=by.person_id,
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


def rotate(key: ApiKey, *, by: Actor, overlap: timedelta = OVERLAP) -> str:
    """A new secret under the same name, scopes and client id; the present one works on for ``overlap``.

    Whatever was still valid from a rotation before ends now: at most two secrets work at a time. Who rotates it holds
    it from now on, as ``created_by`` and ``owner_id`` say, and the former secret stays the word of who held it, so that
    nobody acts as two persons by a colleague's key (W-21). Raises :class:`Conflict` for a key that is refused already,
    :class:`Invalid` for an overlap out of bounds.
    """
    by.require(Permission.ORG_API, key)
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid("Both secrets can work side by side for 0 to 90 days.", field="overlap")
    with atomic():
        key = ApiKey.objects.select_for_update().get(pk=key.pk)
        if not key.usable:
            raise Conflict("This key is revoked or expired. Make a new one.")
        now = clock.now()
        secret = _secret_of(key.prefix)
        key.former_digest, key.former_until = key.digest, now + overlap
        key.digest, key.rotated_at = crypto.digest(secret), now
        held_by, key.created_by = key.created_by, by.label[:200]
        key.former_owner_id, key.owner_id = key.owner_id, by.person_id
        key.save(update_fields=ROTATED)
        changes = {
            "former_until": [None, key.former_until.isoformat()],
            "created_by": [held_by, key.created_by],
        }
        audit.record("api_key.rotated", key, by=by, changes=changes)
    return secret


def find(secret: str, *, address: str, kind: str = ApiKey.Kind.KEY) -> ApiKey | None:
    """The usable key of that secret, unless the address is outside its networks; remembers the use, and by which of
    two secrets that work side by side it was found."""
    match = KEY_PATTERN.fullmatch(secret)
    if match is None:
        return None
    key = ApiKey.objects.select_related("organization").filter(prefix=match[1], kind=kind).first()
    if key is None or not _is_secret_of(key, secret) or not may_enter(key, address):
        return None
    key.by_former = not hmac.compare_digest(bytes(key.digest), crypto.digest(secret))
    remember_use(key)
    return key


def may_enter(key: ApiKey, address: str) -> bool:
    """Whether the key is neither revoked nor expired and may be used from the address."""
    return key.usable and _address_allowed(key, address)


def remember_use(key: ApiKey) -> None:
    """Note that the key was used, to the minute."""
    now = clock.now()
    if key.last_used_at is None or key.last_used_at < now - TOUCH_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def _is_secret_of(key: ApiKey, secret: str) -> bool:
    given = crypto.digest(secret)
    if hmac.compare_digest(bytes(key.digest), given):
        return True
    former = bytes(key.former_digest or b"")
    return key.in_overlap and hmac.compare_digest(former, given)


def permissions_of(scopes: Iterable[str]) -> frozenset[Permission]:
    """What the scopes allow."""
    return frozenset().union(*(PERMISSIONS_OF_SCOPE.get(scope, frozenset()) for scope in scopes))


def holds(actor: Actor, scope: str) -> bool:
    """A key must have the scope itself; a person the permissions that the scope stands for."""
    if actor.kind is ActorKind.KEY:
        return scope in actor.scopes or "*" in actor.scopes
    return (
        actor.kind is ActorKind.SYSTEM
        or AT_LEAST.get(scope, PERMISSIONS_OF_SCOPE[scope]) <= actor.permissions
    )


def _make_secret() -> tuple[str, str]:
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
    prefix = "".join(secrets.choice(alphabet) for _ in range(8))
    return prefix, _secret_of(prefix)


def _secret_of(prefix: str) -> str:
    return f"cy_{prefix}_{secrets.token_urlsafe(32)}"


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
