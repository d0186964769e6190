"""Quirks of makes: a table of the organization, with examples to copy."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, page_by_id, render_page
from stations.domain.treatment import TOLERANCES
from stations.models import Quirk
from stations.services import quirks

TOLERANCE_NAMES = {
    "no_subprotocol": gettext_lazy("Offers no sub-protocol"),
    "hex_password": gettext_lazy("Sends its password as text of digits"),
    "integer_ids": gettext_lazy("Numbers messages with integers"),
    "binary_frames": gettext_lazy("Sends binary frames"),
    "no_pong": gettext_lazy("Does not answer pings"),
}
ONE_BY_ONE = (
    "vendor",
    "model",
    "firmware",
    "reason",
    "enabled",
    "lenient",
    "call_timeout_s",
    "ping_interval_s",
    "energy_factor",
)


class QuirkForm(forms.Form):
    """A make, and how its stations are to be treated."""

    vendor = forms.CharField(
        label=gettext_lazy("Vendor"),
        max_length=50,
        required=False,
        help_text=gettext_lazy("* stands for anything"),
    )
    model = forms.CharField(label=gettext_lazy("Model"), max_length=50, required=False)
    firmware = forms.CharField(
        label=gettext_lazy("Firmware"),
        max_length=50,
        required=False,
        help_text=gettext_lazy("Empty: any. Such as 1.2.*"),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )
    lenient = forms.TypedChoiceField(
        label=gettext_lazy("Small mistakes in messages"),
        required=False,
        coerce=lambda text: text == "yes",
        empty_value=None,
        choices=[
            ("", gettext_lazy("As set at the station")),
            ("yes", gettext_lazy("Repair them")),
            ("no", gettext_lazy("Refuse them")),
        ],
    )
    tolerances = forms.MultipleChoiceField(
        label=gettext_lazy("Also taken"),
        required=False,
        choices=[(word, TOLERANCE_NAMES[word]) for word in TOLERANCES],
        widget=forms.CheckboxSelectMultiple,
    )
    call_timeout_s = forms.IntegerField(
        label=gettext_lazy("Response time-out (s)"), min_value=5, max_value=300, required=False
    )
    ping_interval_s = forms.IntegerField(
        label=gettext_lazy("Ping interval (s)"), min_value=0, max_value=3600, required=False
    )
    energy_factor = forms.DecimalField(
        label=gettext_lazy("Energy factor"), max_digits=12, decimal_places=6, min_value=0, required=False
    )
    enabled = forms.BooleanField(label=gettext_lazy("In force"), required=False, initial=True)

    def values(self) -> dict[str, Any]:
        """As the service takes them."""
        tolerances = dict.fromkeys(self.cleaned_data["tolerances"], True)
        return {**self.cleaned_data, "tolerances": tolerances}


@require_safe
@operator(Permission.STATIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    rows = Quirk.objects.visible_to(request.actor)
    page = page_by_id(rows.exclude(organization=None), request.GET.dict())
    context = {
        "section": "quirks",
        "page": page,
        "own": page.rows,
        "examples": rows.filter(organization=None),
        "tolerances": TOLERANCE_NAMES,
    }
    return render_page(request, "dashboard/quirks/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_EDIT)
def new(request: OperatorRequest) -> HttpResponse:
    request.actor.require_everywhere(Permission.STATIONS_EDIT)
    form = QuirkForm(request.POST or None, initial=_copied(request))
    if request.method == "POST" and form.is_valid():
        return _saved(request, form, lambda: quirks.create(form.values(), by=request.actor), None)
    return _form_page(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_EDIT)
def edit(request: OperatorRequest, pk: UUID) -> HttpResponse:
    request.actor.require_everywhere(Permission.STATIONS_EDIT)
    quirk = load(Quirk.objects.visible_to(request.actor).filter(organization_id=request.actor.home), pk)
    form = QuirkForm(request.POST or None, initial=_initial(quirk))
    if request.method == "POST" and form.is_valid():
        return _saved(request, form, lambda: quirks.update(quirk, form.values(), by=request.actor), quirk)
    return _form_page(request, form, quirk)


@require_POST
@operator(Permission.STATIONS_EDIT)
def delete(request: OperatorRequest, pk: UUID) -> HttpResponse:
    quirk = load(Quirk.objects.visible_to(request.actor).filter(organization_id=request.actor.home), pk)
    quirks.delete(quirk, by=request.actor)
    messages.success(request, _("Deleted. Stations are treated as usual from their next connection on."))
    return go(request, address(request, "quirks"))


def _copied(request: OperatorRequest) -> dict[str, Any]:
    """The values of an example that is copied."""
    try:
        source = UUID(request.GET.get("copy", ""))
    except ValueError:
        return {}
    quirk = Quirk.objects.visible_to(request.actor).filter(pk=source).first()
    return {**_initial(quirk), "enabled": True} if quirk else {}


def _initial(quirk: Quirk) -> dict[str, Any]:
    values = {name: getattr(quirk, name) for name in ONE_BY_ONE}
    lenient = {True: "yes", False: "no"}.get(quirk.lenient, "")  # type: ignore[arg-type]
    return {**values, "lenient": lenient, "tolerances": [word for word, on in quirk.tolerances.items() if on]}


def _saved(
    request: OperatorRequest, form: QuirkForm, save: Callable[[], object], quirk: Quirk | None
) -> HttpResponse:
    try:
        save()
    except DomainError as error:
        refuse(form, error)
        return _form_page(request, form, quirk)
    messages.success(request, _("Saved. It holds for stations from their next connection on."))
    return go(request, address(request, "quirks"))


def _form_page(request: OperatorRequest, form: QuirkForm, quirk: Quirk | None) -> HttpResponse:
    context = {"section": "quirks", "form": form, "quirk": quirk}
    return render_page(request, "dashboard/quirks/form.html", context, status=422 if form.errors else 200)
