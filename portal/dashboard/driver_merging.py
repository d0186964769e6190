"""Two drivers who are one person: the other is looked for, looked at, and becomes this one (dashboard 4.11)."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from billing.services import merging
from core.access import Actor, Permission
from core.errors import Invalid
from drivers.models import Driver
from portal.dashboard.entry import OperatorRequest, go, id_of, load, operator
from portal.dashboard.pages import address, render_page

SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_MANAGE)
def page(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Who may be the same person; with ``?duplicate=`` what merging them would do."""
    request.actor.require_everywhere(Permission.DRIVERS_MANAGE)
    kept: Driver = load(_drivers(request.actor), pk)
    if request.method == "POST":
        return _merged(request, kept)
    words = request.GET.get("q", "").strip()
    context = {"section": "drivers", "driver": kept, "query": {"q": words}}
    if chosen := request.GET.get("duplicate", ""):
        duplicate: Driver = load(_drivers(request.actor).exclude(pk=pk), id_of(chosen))
        context.update(duplicate=duplicate, merging=merging.look(kept, duplicate))
    else:
        context["candidates"] = list(_alike(kept, words, request.actor)[:SHOWN])
    return render_page(request, "dashboard/drivers/merge.html", context)


def _merged(request: OperatorRequest, kept: Driver) -> HttpResponse:
    """Cannot be undone, so the name of the one that ends is typed."""
    others = _drivers(request.actor).exclude(pk=kept.pk)
    duplicate: Driver = load(others, id_of(request.POST.get("duplicate", "")))
    if " ".join(request.POST.get("typed", "").split()) != duplicate.name:
        raise Invalid(_("Type the duplicate's name to confirm. Nothing was merged."), field="typed")
    merging.merge(kept, duplicate, by=request.actor)
    messages.success(request, _("The two are one driver now."))
    return go(request, address(request, "driver", kept.pk))


def _drivers(actor: Actor) -> QuerySet[Driver]:
    return Driver.objects.visible_to(actor).live().select_related("group")


def _alike(kept: Driver, words: str, actor: Actor) -> QuerySet[Driver]:
    """Those with the words, or where none are given with the same name or e-mail address."""
    others = _drivers(actor).exclude(pk=kept.pk).order_by("name", "id")
    if words:
        named = Q(name__icontains=words) | Q(email__icontains=words) | Q(reference__icontains=words)
        return others.filter(named)
    same = Q(name__iexact=kept.name)
    return others.filter(same | Q(email__iexact=kept.email) if kept.email else same)
