"""Token groups: whose tokens may stop each other's sessions, and how many run at once."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from drivers.models import IdToken, TokenGroup
from drivers.services import policies, tokens
from portal.dashboard import permissions
from portal.dashboard.driver_forms import PolicyForm, TokenGroupForm
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import done
from portal.dashboard.pages import address, count_of, page_by_name, render_page


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    form = TokenGroupForm(request.POST or None)
    if request.method == "POST":
        request.actor.require_everywhere(Permission.DRIVERS_MANAGE)
        if form.is_valid() and done(form, lambda: tokens.create_group(**form.cleaned_data, by=request.actor)):
            messages.success(request, _("Saved."))
            return go(request, address(request, "token_groups"))
    return _page(request, form, PolicyForm(initial=_policy(request)))


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def policy(request: OperatorRequest) -> HttpResponse:
    """How many sessions may run at once with one token, where nothing else is said."""
    form = PolicyForm(request.POST)
    if form.is_valid() and done(form, lambda: policies.change(**form.cleaned_data, by=request.actor)):
        messages.success(request, _("Saved."))
        return go(request, address(request, "token_groups"))
    return _page(request, TokenGroupForm(), form)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    group = load(TokenGroup.objects.visible_to(request.actor).live(), pk)
    written = {name: getattr(group, name) for name in TokenGroupForm.base_fields}
    form = TokenGroupForm(request.POST or None, initial=written)
    if request.method == "POST":
        request.actor.require_everywhere(Permission.DRIVERS_MANAGE, group)
        if request.POST.get("act") == "retire":
            tokens.retire_group(group, by=request.actor)
            return go(request, address(request, "token_groups"))
        if form.is_valid() and done(
            form, lambda: tokens.update_group(group, form.cleaned_data, by=request.actor)
        ):
            messages.success(request, _("Saved."))
            return go(request, address(request, "token_group", pk))
    group = load(TokenGroup.objects.visible_to(request.actor).live(), pk)
    context = {
        "section": "tokens",
        "group": group,
        "form": form,
        "save_at": address(request, "token_group_sites", pk),
        **permissions.context(request, group),
    }
    return render_page(request, "dashboard/token_group.html", context, status=422 if form.errors else 200)


def _page(request: OperatorRequest, form: TokenGroupForm, policy_form: PolicyForm) -> HttpResponse:
    page = page_by_name(TokenGroup.objects.visible_to(request.actor).live(), request.GET.dict())
    members = count_of(IdToken.objects.live().filter(group__in=page.rows), "group")
    for group in page.rows:
        group.members = members.get(group.pk, 0)
    context = {
        "section": "tokens", "rows": page.rows, "page": page, "form": form, "policy_form": policy_form,
    }  # fmt: skip
    refused = form.errors or policy_form.errors
    return render_page(request, "dashboard/token_groups.html", context, status=422 if refused else 200)


def _policy(request: OperatorRequest) -> dict[str, Any]:
    policy = policies.of(request.actor.home)
    return {"sessions_at_once": policy.sessions_at_once, "any_card": policy.any_card}
