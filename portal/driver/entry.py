"""The doors of the drivers' pages: one for whoever stands at a charger, one for a signed-in driver."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import translation
from django.utils.translation import gettext as _

from core import clock
from core.access import Actor
from core.errors import Busy, Conflict, DomainError, Invalid, NotFound, NotPermitted, TooMany
from core.patience import patience
from drivers.models import Driver
from portal import accounts
from stations.services.driving import actor_of_driver

View = Callable[..., HttpResponse]

PER_MINUTE = 120
"""Pages that one address may open in a minute without being signed in; many phones share one."""
STARTS_PER_MINUTE = 6
YEAR_S = 365 * 24 * 3600
STATUS_OF = {Busy: 503, TooMany: 429, NotFound: 404, NotPermitted: 403, Conflict: 409, Invalid: 422}


class DriverRequest(HttpRequest):
    """A request of a signed-in person who is a driver of one or more operators."""

    drivers: list[Driver]
    request_id: str


def public(view: View) -> View:
    """Guards a view for everybody: so many a minute from one address, and refusals told as a page."""

    @wraps(view)
    def guarded(request: HttpRequest, **values: Any) -> HttpResponse:
        if accounts.signed_in(request) is not None:
            accounts.keep_alive(request)
        if _too_many(f"page {request.META.get('REMOTE_ADDR', '')}", PER_MINUTE):
            return _wait(request)
        return _answered(request, lambda: view(request, **values))

    return guarded


def own(view: View) -> View:
    """Guards a view: signed in, and a driver. For anybody else there is nothing here."""

    @wraps(view)
    def guarded(request: DriverRequest, **values: Any) -> HttpResponse:
        if accounts.signed_in(request) is None or not accounts.keep_alive(request):
            back = urlencode({"next": request.get_full_path()})
            return redirect(f"{resolve_url(settings.LOGIN_URL)}?{back}")
        return _answered(request, lambda: _as_driver(view, request, values))

    guarded.own = True  # type: ignore[attr-defined]
    return guarded


def drivers_of(request: HttpRequest) -> list[Driver]:
    """The drivers that the signed-in person is, one at each operator."""
    if not request.user.is_authenticated:
        return []
    found = Driver.objects.live().filter(user_id=request.user.pk).select_related("organization")
    return list(found.order_by("id"))


def actor_for(request: DriverRequest, driver: Driver) -> Actor:
    """The driver as who acts in this request."""
    address = request.META.get("REMOTE_ADDR", "")
    return actor_of_driver(driver, address=address, request_id=request.request_id)


def load(rows: QuerySet[Any], pk: UUID) -> Any:
    """The row of that id among the driver's own. Raises :class:`NotFound`."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound(_("There is no such page here."))
    return found


def require_patience(driver: Driver, what: str = "start") -> None:
    """Raises :class:`Conflict` for more of it in a minute than a person needs."""
    if _too_many(f"{what} {driver.pk}", STARTS_PER_MINUTE):
        raise Conflict(_("That was tried too often. Wait a minute, then try again."))


def _as_driver(view: View, request: DriverRequest, values: dict[str, Any]) -> HttpResponse:
    request.drivers = drivers_of(request)
    if not request.drivers:
        raise NotFound(_("There is no such page here."))
    response = view(request, **values)
    response["Cache-Control"] = "private, no-store"
    return response


def _answered(request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """The view's answer in the chosen language, or the page that tells the refusal."""
    chosen = request.GET.get("lang", "")
    if chosen in dict(settings.LANGUAGES):
        translation.activate(chosen)
        request.LANGUAGE_CODE = chosen
    try:
        with patience(settings.LOCK_TIMEOUT_S):
            response = answer()
    except DomainError as error:
        response = _refused(request, error)
    if chosen in dict(settings.LANGUAGES):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME, chosen, max_age=YEAR_S, samesite="Lax", secure=settings.HTTPS
        )
    return response


def _refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 422)
    if isinstance(error, TooMany):
        error.message = _(
            "As many downloads as may run at once are running. Let one of them end, then try again."
        )
    response = render(request, "driver/refused.html", {"error": error, "status": status}, status=status)
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"  # a link that still works may have been refused
    return response


def _wait(request: HttpRequest) -> HttpResponse:
    message = _("Too many pages were opened from here. Wait a minute, then try again.")
    response = render(request, "driver/refused.html", {"error": Conflict(message)}, status=429)
    response["Retry-After"] = "60"
    return response


def _too_many(what: str, most: int) -> bool:
    key = f"driver-pages {what} {int(clock.now().timestamp() // 60)}".replace(" ", "|")
    count = int(cache.get(key, 0)) + 1
    cache.set(key, count, 120)
    return count > most
