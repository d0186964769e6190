"""Drivers: who charges, with their tokens and sessions."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core import clock
from core.access import Permission
from core.errors import DomainError
from drivers.models import Driver, DriverGroup, DriverStatus, IdToken
from drivers.services import drivers, tokens
from portal.dashboard import contract_tariffs, driver_accounts, driver_money, erasures, holders, permissions
from portal.dashboard.driver_forms import DriverForm, DriverGroupForm, HandOutForm, end_of_block
from portal.dashboard.entry import OperatorRequest, go, id_of, load, operator
from portal.dashboard.forms import done, refuse
from portal.dashboard.pages import Page, address, count_of, page_by_id, page_by_name, render_page
from stations.models import Transaction

TOKENS_SHOWN = 50


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    form = DriverForm(request.POST or None, actor=request.actor)
    if request.method == "POST":
        request.actor.require(Permission.DRIVERS_MANAGE)
        if form.is_valid() and (made := _created(request, form)):
            messages.success(request, _("The driver was added. Give them a token, so that they can charge."))
            return go(request, address(request, "driver", made.pk))
    query = {name: request.GET.get(name, "").strip() for name in ("q", "status", "group", "before")}
    page = page_by_id(_found(request, query), query)
    _note_last_sessions(request, page)
    context = {
        "section": "drivers",
        "page": page,
        "query": query,
        "form": form,
        "groups": DriverGroup.objects.visible_to(request.actor).live(),
        "states": DriverStatus.choices,
        "erasures": erasures.waiting(request.actor),
    }
    return render_page(request, "dashboard/drivers/list.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    driver = _driver(request, pk)
    form = DriverForm(request.POST or None, initial=_written(driver), actor=request.actor)
    if request.method == "POST":
        request.actor.require(Permission.DRIVERS_MANAGE)
        if form.is_valid() and _changed(request, driver, form):
            messages.success(request, _("Saved."))
            return go(request, address(request, "driver", pk))
        driver = _driver(request, pk)
    return _page(request, driver, form, HandOutForm())


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def status(request: OperatorRequest, pk: UUID) -> HttpResponse:
    driver = _driver(request, pk)
    act = request.POST.get("act")
    if act == "block":
        until = end_of_block(request)
        drivers.block(driver, reason=request.POST.get("reason", ""), until=until, by=request.actor)
    elif act == "unblock":
        drivers.unblock(driver, by=request.actor)
    elif act == "retire":
        drivers.retire(driver, by=request.actor)
        messages.success(request, _("The driver and their tokens are no more."))
        return go(request, address(request, "drivers"))
    return go(request, address(request, "driver", pk))


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def hand_out(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Give the driver a token, or take one from them."""
    driver = _driver(request, pk)
    if "take" in request.POST:
        mine = IdToken.objects.visible_to(request.actor).live().filter(driver=driver)
        tokens.update(load(mine, id_of(request.POST["take"])), {"driver": None}, by=request.actor)
        return go(request, address(request, "driver", pk))
    form = HandOutForm(request.POST)
    if form.is_valid() and _handed_out(request, driver, form):
        messages.success(request, _("The driver has the token now."))
        return go(request, address(request, "driver", pk))
    return _page(request, driver, DriverForm(initial=_written(driver), actor=request.actor), form)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def groups(request: OperatorRequest) -> HttpResponse:
    form = DriverGroupForm(request.POST or None)
    if request.method == "POST":
        request.actor.require_everywhere(Permission.DRIVERS_MANAGE)
        if form.is_valid() and _group_created(request, form):
            messages.success(request, _("Saved."))
            return go(request, address(request, "driver_groups"))
    page = page_by_name(DriverGroup.objects.visible_to(request.actor).live(), request.GET.dict())
    members = count_of(Driver.objects.live().filter(group__in=page.rows), "group")
    for group in page.rows:
        group.members = members.get(group.pk, 0)
    context = {"section": "drivers", "rows": page.rows, "page": page, "form": form}
    return render_page(request, "dashboard/drivers/groups.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def group(request: OperatorRequest, pk: UUID) -> HttpResponse:
    if request.method == "POST":
        request.actor.require(Permission.DRIVERS_MANAGE)
        return _change_group(request, pk)
    one = load(DriverGroup.objects.visible_to(request.actor).live(), pk)
    save_at = address(request, "driver_group_sites", pk)
    context = {"section": "drivers", "group": one, "save_at": save_at, **permissions.context(request, one)}
    context.update(contract_tariffs.context(request, one))
    return render_page(request, "dashboard/drivers/group.html", context)


def _change_group(request: OperatorRequest, pk: UUID) -> HttpResponse:
    group = load(DriverGroup.objects.visible_to(request.actor).live(), pk)
    if request.POST.get("act") == "retire":
        drivers.retire_group(group, by=request.actor)
    else:
        drivers.rename_group(group, name=request.POST.get("name", ""), by=request.actor)
    return go(request, address(request, "driver_groups"))


def _found(request: OperatorRequest, query: dict[str, str]) -> QuerySet[Driver]:
    rows = Driver.objects.visible_to(request.actor).live().select_related("group")
    if words := query["q"]:
        rows = rows.filter(
            Q(name__icontains=words) | Q(email__icontains=words) | Q(reference__icontains=words)
        )
    if query["status"] in DriverStatus.values:
        rows = rows.filter(Driver.of_status(query["status"], clock.now()))
    if query["group"]:
        rows = rows.filter(group_id=id_of(query["group"]))
    return rows


def _note_last_sessions(request: OperatorRequest, page: Page) -> None:
    """When each driver of the page charged last, as far as the person sees it, and with how many tokens."""
    sessions = Transaction.objects.visible_to(request.actor).filter(driver=OuterRef("pk"))
    newest = Subquery(sessions.order_by("-started_at").values("started_at")[:1])
    last = dict(Driver.objects.filter(pk__in=[one.pk for one in page.rows]).values_list("pk", newest))
    held = count_of(IdToken.objects.live().filter(driver__in=page.rows), "driver")
    for driver in page.rows:
        driver.last_session_at, driver.token_count = last.get(driver.pk), held.get(driver.pk, 0)


def _page(request: OperatorRequest, driver: Driver, form: DriverForm, hand: HandOutForm) -> HttpResponse:
    held = IdToken.objects.visible_to(request.actor).live().filter(driver=driver)
    last = Transaction.objects.filter(token=OuterRef("pk")).order_by("-started_at").values("started_at")[:1]
    rows = held.select_related("group", "driver").annotate(last_session_at=Subquery(last))
    context: dict[str, Any] = {
        "section": "drivers",
        "form": form,
        "hand": hand,
        "tokens": list(rows[:TOKENS_SHOWN]),
        "more_tokens": rows[TOKENS_SHOWN : TOKENS_SHOWN + 1].exists(),
        **holders.context(request, driver),
        **driver_accounts.context(driver),
        **driver_money.context(request.actor, driver),
        **erasures.context(request.actor, driver),
        **contract_tariffs.context(request, driver),
    }
    refused = form.errors or hand.errors
    return render_page(request, "dashboard/drivers/detail.html", context, status=422 if refused else 200)


def _driver(request: OperatorRequest, pk: UUID) -> Driver:
    driver: Driver = load(Driver.objects.visible_to(request.actor).live().select_related("group", "user"), pk)
    return driver


def _written(driver: Driver) -> dict[str, Any]:
    return {name: getattr(driver, name) for name in ("name", "email", "reference", "language", "group")}


def _created(request: OperatorRequest, form: DriverForm) -> Driver | None:
    try:
        return drivers.create(**form.cleaned_data, by=request.actor)
    except DomainError as error:
        refuse(form, error)
        return None


def _changed(request: OperatorRequest, driver: Driver, form: DriverForm) -> bool:
    kept = {} if request.actor.limited_to is None else {"group"}
    values = {name: value for name, value in form.cleaned_data.items() if name not in kept}
    return done(form, lambda: drivers.update(driver, values, by=request.actor))


def _handed_out(request: OperatorRequest, driver: Driver, form: HandOutForm) -> bool:
    values = form.cleaned_data
    details = {"value": values["value"], "type_": values["type"], "label": values["label"]}
    return done(form, lambda: tokens.hand_out(driver, **details, by=request.actor))


def _group_created(request: OperatorRequest, form: DriverGroupForm) -> bool:
    return done(form, lambda: drivers.create_group(**form.cleaned_data, by=request.actor))
