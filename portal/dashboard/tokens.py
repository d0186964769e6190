"""Tokens: who may charge."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from drivers.models import IdToken
from drivers.services import tokens
from portal.dashboard import holders, token_lists
from portal.dashboard.driver_forms import TokenChangeForm, end_of_block
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import TokenForm, done
from portal.dashboard.holders import of_driver
from portal.dashboard.pages import address, page_by_id, render_page
from stations.services import replacing
from stations.services.local_lists import looking

LOST = "Reported lost."


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    form = TokenForm(request.POST or None)
    if request.method == "POST":
        request.actor.require(Permission.DRIVERS_MANAGE)
        if form.is_valid() and _created(request, form):
            messages.success(request, _("The token may charge now."))
            return go(request, address(request, "tokens"))
    query = {name: request.GET.get(name, "").strip() for name in ("q", "driver", "before")}
    driver = of_driver(request, query)
    rows = IdToken.objects.visible_to(request.actor).live().select_related("group", "driver")
    if words := query["q"]:
        rows = rows.filter(Q(value__icontains=words) | Q(label__icontains=words))
    if driver is not None:
        rows = rows.filter(driver=driver)
    page = page_by_id(rows, query)
    held = looking.holders([token.value for token in page.rows], request.actor)
    for token in page.rows:
        token.on_lists = held.get(token.value.upper(), [])
    context = {"section": "tokens", "page": page, "query": query, "form": form, "of_driver": driver}
    return render_page(request, "dashboard/tokens.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    token = _token(request, pk)
    form = TokenChangeForm(request.POST or None, initial=_written(token), actor=request.actor)
    if request.method == "POST":
        request.actor.require(Permission.DRIVERS_MANAGE)
        if form.is_valid() and _changed(request, token, form):
            messages.success(request, _("Saved."))
            return go(request, address(request, "token", pk))
        token = _token(request, pk)
    context = {
        "section": "tokens",
        "form": form,
        **holders.context(request, token),
        **token_lists.context(request.actor, token),
    }
    return render_page(request, "dashboard/token.html", context, status=422 if form.errors else 200)


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def status(request: OperatorRequest, pk: UUID) -> HttpResponse:
    token = _token(request, pk)
    act = request.POST.get("act")
    if act == "block":
        until = end_of_block(request)
        tokens.block(token, reason=request.POST.get("reason", ""), until=until, by=request.actor)
    elif act == "unblock":
        tokens.unblock(token, by=request.actor)
    elif act == "lost":
        return _lost(request, token)
    elif act == "retire":
        tokens.retire(token, by=request.actor)
    return go(request, address(request, "tokens"))


def _lost(request: OperatorRequest, token: IdToken) -> HttpResponse:
    """Blocked at once; where a new value was given, the new token has all that was granted to it."""
    value = request.POST.get("value", "").strip()
    if not value:
        tokens.block(token, reason=LOST, by=request.actor)
        return go(request, address(request, "token", token.pk))
    new = replacing.replace(token, value=value, reason=LOST, by=request.actor)
    messages.success(request, _("The new token has all that was granted to the lost one, which is blocked."))
    return go(request, address(request, "token", new.pk))


def _token(request: OperatorRequest, pk: UUID) -> IdToken:
    rows = IdToken.objects.visible_to(request.actor).live().select_related("group", "driver")
    token: IdToken = load(rows, pk)
    return token


def _written(token: IdToken) -> dict[str, Any]:
    return {
        name: getattr(token, name)
        for name in ("label", "group", "valid_from", "expires_at", "sessions_at_once")
    }


def _changed(request: OperatorRequest, token: IdToken, form: TokenChangeForm) -> bool:
    """Only what differs is written, so that who may not change groups changes the rest."""
    values = {name: form.cleaned_data[name] for name in form.changed_data}
    return not values or done(form, lambda: tokens.update(token, values, by=request.actor))


def _created(request: OperatorRequest, form: TokenForm) -> bool:
    values = form.cleaned_data
    details = {"label": values["label"], "expires_at": values["expires_at"]}
    make = {"value": values["value"], "type_": values["type"], **details}
    return done(form, lambda: tokens.create(**make, by=request.actor))
