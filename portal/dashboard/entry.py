"""The door of the dashboard: who enters which organization, and how refusals are told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.db import connection
from django.db.models import F, Func, IntegerField, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _

from core.access import ROLE_NAMES, Actor, Permission, roles_with
from core.errors import Busy, Conflict, DomainError, Invalid, NotFound, NotPermitted, TooMany
from core.models import Membership, Organization
from core.patience import patience
from portal import accounts
from stations.models import Alert, ChargingStation, Transaction
from stations.services.access import actor_of_member

View = Callable[..., HttpResponse]
More = Callable[[Actor], dict[str, Any]]


class BadAddress(Invalid):
    """A query string, or a text in a form, that cannot be understood as what it stands for."""


STATUS_OF = {
    Busy: 503,
    TooMany: 429,
    BadAddress: 400,
    NotFound: 404,
    NotPermitted: 403,
    Conflict: 409,
    Invalid: 422,
}


@dataclass
class Place:
    """Where the person is: the organization, the membership, and the figures beside the navigation."""

    organization: Organization
    membership: Membership
    memberships: list[Membership] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class OperatorRequest(HttpRequest):
    """A request of a member inside an organization."""

    actor: Actor
    place: Place
    request_id: str


def operator(permission: Permission) -> Callable[[View], View]:
    """Guards a view: signed in, member of the organization in the address, holding the permission.

    What services refuse becomes a page (or a fragment) with the right status, here and nowhere else.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: OperatorRequest, organization: str, **values: Any) -> HttpResponse:
            try:
                turned_away = enter(request, organization)
                if turned_away is not None:
                    return turned_away
                request.actor.require(permission)
                require_storable(request)
                with timezone.override(zone_of(request)), patience(settings.LOCK_TIMEOUT_S):
                    return view(request, **values)
            except DomainError as error:
                return refusal(request, error)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def enter(request: OperatorRequest, slug: str) -> HttpResponse | None:
    """Sets ``request.actor`` and ``request.place``; answers with a redirect where something comes first.

    Raises :class:`NotFound` for an organization that the person does not belong to.
    """
    memberships = accounts.signed_in(request)
    if memberships is None or not accounts.keep_alive(request):
        return sign_in_first(request)
    membership = next((one for one in memberships if one.organization.slug == slug), None)
    if membership is None:
        raise NotFound(_("There is no such page, or it belongs to an organization you are not a member of."))
    if accounts.lacks_second_factor(membership):
        messages.warning(request, _("Set up a second factor first: an authenticator app or a passkey."))
        return go(request, resolve_url("mfa_index"))
    request.actor = actor_of_member(
        membership,
        address=request.META.get("REMOTE_ADDR", ""),
        request_id=request.request_id,
        sites=membership.limited_sites,
    )
    request.place = Place(membership.organization, membership, memberships)
    return None


def require_storable(request: HttpRequest) -> None:
    """Raises :class:`BadAddress` where a parameter or a field holds NUL, which PostgreSQL cannot store."""
    for values in (request.GET, request.POST):
        for name, texts in values.lists():
            if any("\x00" in text for text in (name, *texts)):
                raise BadAddress(_("“%s” holds the character NUL. Take it out and try again.") % name)


def zone_of(request: OperatorRequest) -> ZoneInfo:
    """Feeds and lists are told in the person's time zone, else the organization's."""
    return ZoneInfo(request.user.time_zone or request.place.organization.time_zone)


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page; a fragment makes the whole page go there."""
    back = urlencode({"next": request.get_full_path()})
    if request.htmx:
        return HttpResponse(status=401)
    return redirect(f"{resolve_url(settings.LOGIN_URL)}?{back}")


def go(request: HttpRequest, address: str) -> HttpResponse:
    """A redirect within the site, by htmx where htmx asks."""
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)


def refusal(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The page, or the line in place of a fragment, that says what was refused and what to do."""
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 422)
    if isinstance(error, Busy):
        error.message = _("Somebody else is at work on this just now. Nothing was changed; try it again.")
    if isinstance(error, TooMany):
        error.message = _(
            "As many downloads as may run at once are running. Let one of them end, then try again."
        )
    context: dict[str, Any] = {"error": error, "status": status}
    if isinstance(error, NotPermitted) and error.field:
        context["permission"] = error.field
        context["roles"] = [ROLE_NAMES[role] for role in roles_with(Permission(error.field))]
    template = (
        "components/refusal.html" if request.htmx else f"{status if status in (403, 404) else 400}.html"
    )
    answer = render(request, template, context, status=status)
    if isinstance(error, Busy | TooMany):
        answer["Retry-After"] = str(error.retry_after_s)
    return answer


def figures(actor: Actor, more: More | None = None) -> dict[str, Any]:
    """How many stations, active sessions, open and critical alerts the actor sees, in one query.

    ``more`` names further querysets to be counted, or subqueries to be taken as they are (JSON as text).
    What it names must follow from the actor alone, for the query is made once for each actor.
    """
    names, sql, parameters = _counting(actor, more)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return dict(zip(names, cursor.fetchone(), strict=True))


@lru_cache(maxsize=1000)
def _counting(actor: Actor, more: More | None) -> tuple[list[str], str, tuple[Any, ...]]:
    alerts = Alert.objects.visible_to(actor).filter(cleared_at=None, acknowledged_at=None)
    wanted = {
        "stations": ChargingStation.objects.visible_to(actor).live(),
        "sessions": Transaction.objects.visible_to(actor).filter(status="active"),
        "alerts": alerts,
        "critical": alerts.filter(severity="critical"),
        **(more(actor) if more else {}),
    }
    columns = {
        f"n_{name}": _counted(rows) if isinstance(rows, QuerySet) else rows for name, rows in wanted.items()
    }
    rows = Organization.objects.order_by().filter(pk=actor.organization_id).values(**columns)
    return list(wanted), *rows.query.sql_with_params()


def _counted(rows: QuerySet[Any]) -> Subquery:
    """``SELECT count(*)`` of the rows as a scalar subquery."""
    one = rows.order_by().annotate(n=Func(F("pk"), function="Count", output_field=IntegerField()))
    return Subquery(one.values("n"), output_field=IntegerField())


def id_of(text: str) -> UUID:
    """The id that a form or an address names; one that nothing has where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def load(rows: QuerySet[Any], pk: UUID, what: str = "") -> Any:
    """The row of that id among those visible. Raises :class:`NotFound`."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound(
            what or _("There is no such page here. The link may be old, or meant for another organization.")
        )
    return found
