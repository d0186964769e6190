"""Sites: places with an address and a time zone."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from core.access import Permission
from core.errors import DomainError
from portal.dashboard import place_tariffs
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import SiteForm, refuse
from portal.dashboard.pages import address, count_of, page_by_name, render_page
from stations.models import ChargingStation, Site
from stations.services import sites


@require_safe
@operator(Permission.STATIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    page = page_by_name(Site.objects.visible_to(request.actor).live(), request.GET.dict())
    standing = ChargingStation.objects.live().filter(site__in=page.rows)
    total = count_of(standing, "site")
    online = count_of(standing.filter(presence__connected=True), "site")
    for site in page.rows:
        site.total, site.online = total.get(site.pk, 0), online.get(site.pk, 0)
    return render_page(
        request, "dashboard/sites/list.html", {"section": "sites", "rows": page.rows, "page": page}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_EDIT)
def new(request: OperatorRequest) -> HttpResponse:
    zone = request.place.organization.time_zone
    form = SiteForm(request.POST or None, initial={"time_zone": zone})
    if request.method == "POST" and form.is_valid():
        return _saved(request, form, lambda: sites.create(form.cleaned_data, by=request.actor))
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_EDIT)
def edit(request: OperatorRequest, pk: UUID) -> HttpResponse:
    site = load(Site.objects.visible_to(request.actor).live(), pk)
    form = SiteForm(request.POST or None, instance=site)
    if request.method == "POST" and form.is_valid():
        return _saved(request, form, lambda: sites.update(site, form.cleaned_data, by=request.actor), site)
    return _form_page(request, form, site)


def _saved(request: OperatorRequest, form: SiteForm, save: Any, site: Site | None = None) -> HttpResponse:
    try:
        save()
    except DomainError as error:
        refuse(form, error)
        return _form_page(request, form, site)
    messages.success(request, _("Saved."))
    return go(request, address(request, "sites"))


def _form_page(request: OperatorRequest, form: SiteForm, site: Site | None) -> HttpResponse:
    context = {"section": "sites", "form": form, "site": site}
    if site is not None:
        context.update(place_tariffs.of_site(request, site))
    return render_page(request, "dashboard/sites/form.html", context, status=422 if form.errors else 200)
