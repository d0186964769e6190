"""Keys of meters, and how much a site's bills depend on signed values (billing B-61, B-63)."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.models import MeterKey, SigningRule, SitePolicy
from billing.services import signed_values
from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, page_by_id, page_by_name, render_page
from stations.models import Site


class KeyForm(forms.Form):
    """The key that came with a meter: on its housing, or in a list of its maker."""

    serial = forms.CharField(
        label=gettext_lazy("Serial number of the meter"), max_length=50,
        help_text=gettext_lazy("As its signed values name it (MS)"),
    )  # fmt: skip
    public_key = forms.CharField(
        label=gettext_lazy("Public key"), max_length=signed_values.LONGEST_KEY,
        help_text=gettext_lazy("Hex, base64 or PEM. It comes with the meter, not with its values."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_SETTINGS)
def keys(request: OperatorRequest) -> HttpResponse:
    """The keys in use, or with ``?tab=retired`` those of meters that were taken out; POST registers one."""
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = signed_values.register_key(
                request.place.organization, **form.cleaned_data, by=request.actor
            )
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(
                request, _("The key of meter %(serial)s is registered.") % {"serial": made.serial}
            )
            return go(request, address(request, "meter_keys"))
    query = {name: request.GET.get(name, "").strip() for name in ("tab", "q", "before")}
    rows = MeterKey.objects.visible_to(request.actor).filter(retired_at__isnull=query["tab"] != "retired")
    if query["q"]:
        rows = rows.filter(serial__icontains=query["q"])
    context = {"section": "meter_keys", "form": form, "page": page_by_id(rows, query), "query": query}
    status = 422 if form.errors else 200
    return render_page(request, "dashboard/signing/keys.html", context, status=status)


@require_POST
@operator(Permission.ORG_SETTINGS)
def retire(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The meter was taken out."""
    key: MeterKey = load(MeterKey.objects.visible_to(request.actor), pk)
    signed_values.retire_key(key, by=request.actor)
    messages.success(request, _("Retired. Sessions from before are still checked with it."))
    return go(request, address(request, "meter_keys"))


@require_safe
@operator(Permission.ORG_SETTINGS)
def policies(request: OperatorRequest) -> HttpResponse:
    """Each site and how signed values count there."""
    page = page_by_name(Site.objects.visible_to(request.actor).live(), request.GET.dict())
    known = SitePolicy.objects.in_bulk([site.pk for site in page.rows])
    context = {
        "section": "meter_keys",
        "page": page,
        "rows": [(site, known.get(site.pk) or SitePolicy(site=site)) for site in page.rows],
        "rules": SigningRule.choices,
    }
    return render_page(request, "dashboard/signing/sites.html", context)


@require_POST
@operator(Permission.ORG_SETTINGS)
def set_policy(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """How signed values count at a site from its next sealed session on."""
    site: Site = load(Site.objects.visible_to(request.actor).live(), pk)
    signed_values.set_policy(
        site, request.POST.get("rule", ""), synchronized_clock="synchronized_clock" in request.POST,
        by=request.actor,
    )  # fmt: skip
    messages.success(request, _("Saved. It holds for sessions that are sealed from now on."))
    return go(request, address(request, "signing_policies"))
