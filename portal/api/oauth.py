"""``/oauth/token/``: the grant ``client_credentials`` of RFC 6749 section 4.4, and no other (decision 17)."""

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core import clock
from core.errors import Invalid
from core.models import ApiKey
from core.services import access_tokens, keys
from portal.api.ratelimit import buckets

GRANT = "client_credentials"


class Refused(Exception):
    """An error answer of RFC 6749 section 5.2."""

    def __init__(self, code: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.code, self.detail, self.status = code, detail, status


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> JsonResponse:
    """An access token for a client's id and secret, by Basic authentication or as form fields."""
    address = request.META.get("REMOTE_ADDR", "")
    allowed, _, wait = buckets.take(f"oauth:{address}")
    if not allowed:
        refusal = Refused("temporarily_unavailable", "Too many requests. Repeat it later.", 429)
        return _answer(refusal, {"Retry-After": str(max(1, round(wait)))})
    try:
        return _granted(request, address)
    except Refused as error:
        challenge = {"WWW-Authenticate": 'Basic realm="oauth"'} if error.status == 401 else {}
        return _answer(error, challenge)


def _granted(request: HttpRequest, address: str) -> JsonResponse:
    _require_form(request)
    client = _client(request, address)
    grant = request.POST.get("grant_type")
    if grant is None:
        raise Refused("invalid_request", "Say grant_type=client_credentials.")
    if grant != GRANT:
        raise Refused("unsupported_grant_type", "Only grant_type=client_credentials is served.")
    try:
        made, secret = access_tokens.issue(client, scopes=request.POST.get("scope", "").split())
    except Invalid as error:
        raise Refused("invalid_scope", error.message) from error
    lasts = int((made.expires_at - clock.now()).total_seconds())
    body = {"access_token": secret, "token_type": "Bearer", "expires_in": max(lasts, 0)}
    return JsonResponse({**body, "scope": " ".join(made.scopes)}, headers={"Cache-Control": "no-store"})


def _require_form(request: HttpRequest) -> None:
    """Each parameter at most once (section 3.2), none in the address, where logs would keep it."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("invalid_request", "Send a form: Content-Type application/x-www-form-urlencoded.")
    if request.GET:
        raise Refused("invalid_request", "Send every parameter in the body, none in the address.")
    try:
        given = request.POST
    except (RequestDataTooBig, TooManyFieldsSent) as error:
        raise Refused("invalid_request", "The body is too large.", 413) from error
    if any(len(values) > 1 for _, values in given.lists()):
        raise Refused("invalid_request", "A parameter stands twice in the body.")


def _client(request: HttpRequest, address: str) -> ApiKey:
    client_id, secret = _credentials(request)
    client = keys.find(secret, address=address, kind=ApiKey.Kind.CLIENT)
    if client is None or not hmac.compare_digest(client.client_id.encode(), client_id.encode()):
        raise Refused(
            "invalid_client",
            "This client is not known, expired, revoked or not allowed from this address, or its secret is wrong.",
            401,
        )
    return client


def _credentials(request: HttpRequest) -> tuple[str, str]:
    """By one of the two ways, not both (section 2.3)."""
    in_form = request.POST.get("client_id", ""), request.POST.get("client_secret", "")
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        return in_form
    if in_form[1]:
        raise Refused("invalid_request", "Send the secret in the header or in the body, not in both.")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        scheme = ""
    if scheme.lower() != "basic":
        raise Refused("invalid_client", "Send the client's id and secret by Basic authentication.", 401)
    return unquote_plus(name), unquote_plus(secret)


def _answer(error: Refused, headers: dict[str, str]) -> JsonResponse:
    body = {"error": error.code, "error_description": error.detail}
    return JsonResponse(body, status=error.status, headers={"Cache-Control": "no-store", **headers})
