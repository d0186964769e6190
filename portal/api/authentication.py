"""Ways in: an API key or an access token as bearer, or a browser's session for the documentation."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from core.access import Actor
from core.services import access_tokens, keys
from portal import accounts
from portal.logs import request_id
from stations.services import access


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer cy_…`` or ``cyt_…``; neither is read from anywhere else (security.md W-14)."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer" or not secret:
            raise AuthenticationFailed("Send the key as “Authorization: Bearer <key>”.")
        address = request.META.get("REMOTE_ADDR", "")
        return self._by_token(secret, address) or self._by_key(secret.strip(), address)

    def _by_token(self, secret: str, address: str) -> tuple[Any, Actor] | None:
        if not secret.startswith(access_tokens.PREFIX):
            return None
        token = access_tokens.find(secret.strip(), address=address)
        if token is None:
            raise AuthenticationFailed(
                "This access token is not known or has run out, or its client is revoked or not allowed from "
                "this address. Get a new one at /oauth/token/."
            )
        return token.key, access.actor_of_token(token, address=address, request_id=request_id.get())

    def _by_key(self, secret: str, address: str) -> tuple[Any, Actor]:
        key = keys.find(secret, address=address)
        if key is None:
            raise AuthenticationFailed(
                "This key is not known, expired, revoked, or not allowed from this address."
            )
        return key, access.actor_of_key(key, address=address, request_id=request_id.get())

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class BrowserAuthentication(SessionAuthentication):
    """A signed-in person, in the organization named by ``X-Organization`` (else the first one)."""

    def authenticate(self, request: Request) -> tuple[Any, Actor | None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        if not accounts.keep_alive(request._request):
            return None
        memberships = accounts.memberships_of(user.pk).select_related("user").order_by("id")
        if slug := request.headers.get("X-Organization"):
            memberships = memberships.filter(organization__slug=slug)
        membership = memberships.first()
        if membership is None:
            return user, None
        if accounts.lacks_second_factor(membership):
            raise PermissionDenied("Set up a second factor first: an authenticator app or a passkey.")
        address = request.META.get("REMOTE_ADDR", "")
        return user, access.actor_of_member(membership, address=address, request_id=request_id.get())


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "portal.api.authentication.KeyAuthentication"
    name = ["apiKey", "clientCredentials"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        key = {"type": "http", "scheme": "bearer", "description": "An API key of the organization (`cy_…`)."}
        scopes = {scope: "Everything" if scope == "*" else "" for scope in keys.known_scopes()}
        flow = {"tokenUrl": "/oauth/token/", "scopes": scopes}
        return [key, {"type": "oauth2", "flows": {"clientCredentials": flow}}]


class BrowserScheme(OpenApiAuthenticationExtension):
    target_class = "portal.api.authentication.BrowserAuthentication"
    name = "browserSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A signed-in browser."}
