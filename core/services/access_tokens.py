"""Access tokens for OAuth2 clients: the grant ``client_credentials`` of RFC 6749 (decision 17)."""

import secrets
from collections.abc import Collection
from datetime import timedelta

from core import clock
from core import keys as crypto
from core.errors import Invalid
from core.models import AccessToken, ApiKey
from core.services import keys

LIFETIME = timedelta(hours=1)
PREFIX = "cyt_"


def issue(client: ApiKey, *, scopes: Collection[str] = ()) -> tuple[AccessToken, str]:
    """A token and its secret, which is stored nowhere; without ``scopes`` with all of the client's.

    Raises :class:`Invalid` for a scope that the client does not have.
    """
    wanted = sorted(set(scopes)) or list(client.scopes)
    missing = [scope for scope in wanted if scope not in client.scopes and "*" not in client.scopes]
    unknown = [scope for scope in wanted if scope not in keys.PERMISSIONS_OF_SCOPE]
    if missing or unknown:
        raise Invalid(f"This client does not have the scope “{(unknown or missing)[0]}”.", field="scope")
    now = clock.now()
    ends = now + LIFETIME
    secret = PREFIX + secrets.token_urlsafe(32)
    token = AccessToken.objects.create(
        key=client,
        digest=crypto.digest(secret),
        scopes=wanted,
        created_at=now,
        expires_at=min(ends, client.expires_at) if client.expires_at else ends,
        owner_id=client.holder_id,
    )
    return token, secret


def find(secret: str, *, address: str) -> AccessToken | None:
    """The token of that secret while it and its client are valid; remembers the client's use."""
    token = (
        AccessToken.objects.select_related("key__organization")
        .filter(digest=crypto.digest(secret), expires_at__gt=clock.now())
        .first()
    )
    if token is None or not keys.may_enter(token.key, address):
        return None
    keys.remember_use(token.key)
    return token


def forget() -> int:
    """Drop tokens that have run out; how many. Safe to run at any time."""
    return AccessToken.objects.filter(expires_at__lt=clock.now()).delete()[0]
