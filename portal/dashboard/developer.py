"""API keys and OAuth2 clients: a secret is shown in the answer to the form and nowhere again."""

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch
from django.db.transaction import atomic
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from core.errors import DomainError, Invalid
from core.models import ApiKey
from core.services import keys as services
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import KeyForm, refuse
from portal.dashboard.pages import address, page_by_id, render_page
from stations.models import Site, SiteLimit
from stations.services import access

OVERLAPS_H = (0, 1, 24, 168)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_API)
def keys(request: OperatorRequest) -> HttpResponse:
    form = KeyForm(request.POST or None, sites=_sites(request))
    secret = ""
    if request.method == "POST" and form.is_valid():
        secret = _created(request, form)
        form = form if form.errors else KeyForm(sites=_sites(request))
    return _page(request, form, secret)


@require_POST
@operator(Permission.ORG_API)
def revoke(request: OperatorRequest, pk: UUID) -> HttpResponse:
    services.revoke(load(ApiKey.objects.visible_to(request.actor), pk), by=request.actor)
    messages.success(request, _("The key is refused from now on."))
    return go(request, address(request, "developer"))


@require_POST
@operator(Permission.ORG_API)
def rotate(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """A new secret, shown in this answer; the present one works on for as long as was chosen."""
    key = load(ApiKey.objects.visible_to(request.actor), pk)
    hours = request.POST.get("overlap_h", "")
    if hours not in {str(hours) for hours in OVERLAPS_H}:
        raise Invalid(_("Choose how long both secrets work."), field="overlap_h")
    secret = services.rotate(key, by=request.actor, overlap=timedelta(hours=int(hours)))
    return _page(request, KeyForm(sites=_sites(request)), secret)


def _page(request: OperatorRequest, form: KeyForm, secret: str) -> HttpResponse:
    limits = Prefetch("site_limits", SiteLimit.objects.select_related("site").order_by("site__name"))
    rows = ApiKey.objects.visible_to(request.actor).prefetch_related(limits)
    page = page_by_id(rows, request.GET.dict())
    context = {
        "section": "developer",
        "rows": page.rows,
        "page": page,
        "form": form,
        "secret": secret,
        "overlaps_h": OVERLAPS_H,
    }
    return render_page(request, "dashboard/developer.html", context, status=422 if form.errors else 200)


def _sites(request: OperatorRequest) -> list[Site]:
    return list(Site.objects.live().visible_to(request.actor).order_by("name"))


def _created(request: OperatorRequest, form: KeyForm) -> str:
    values = form.cleaned_data
    try:
        with atomic():
            key, secret = services.create(
                request.place.organization,
                name=values["name"],
                kind=values["kind"],
                scopes=values["scopes"],
                expires_at=values["expires_at"],
                by=request.actor,
            )
            if values["sites"]:
                access.limit_key(key, values["sites"], by=request.actor)
    except DomainError as error:
        refuse(form, error)
        return ""
    return secret
