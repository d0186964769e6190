"""Security of one station: profile, password, certificates, requests to sign, refused tries, events."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef, Subquery
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from core.errors import DomainError
from portal.dashboard import contracts
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.fresh import confirmed_first
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import find, frame
from portal.dashboard.words import CERTIFICATE_USE, SECURITY_PROFILE
from stations.domain import intents
from stations.domain.certificates import INSTALLABLE
from stations.domain.intents import Intent
from stations.models import (
    ChargingStation,
    Connection,
    InstalledCertificate,
    SecurityEvent,
    SigningRequest,
    StationCredential,
    Variable,
)
from stations.services import commands
from stations.services.certificates import sending, signing

TEMPLATE = "dashboard/stations/security.html"
REQUESTS_SHOWN = 10
EVENTS_SHOWN = 20


class PasswordForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=400,
        required=False,
        help_text=gettext_lazy("Needed where the station is reached without TLS"),
    )

    def intent(self) -> Intent:
        return intents.RotatePassword(reason=self.cleaned_data["reason"])


class RenewalForm(forms.Form):
    def intent(self) -> Intent:
        return intents.RenewCertificate()


class ListingForm(forms.Form):
    def intent(self) -> Intent:
        return intents.GetInstalledCertificates()


class RootForm(forms.Form):
    certificate_type = forms.ChoiceField(
        label=gettext_lazy("What for"), choices=[(use.value, CERTIFICATE_USE[use]) for use in INSTALLABLE]
    )
    certificate = forms.CharField(
        label=gettext_lazy("Certificate (PEM)"),
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "-----BEGIN CERTIFICATE-----"}),
    )

    def intent(self) -> Intent:
        return intents.InstallCertificate(**self.cleaned_data)


class DeletionForm(forms.Form):
    certificate = forms.UUIDField(widget=forms.HiddenInput)

    def intent(self) -> Intent:
        return intents.DeleteCertificate(**self.cleaned_data)


class ChainForm(forms.Form):
    chain = forms.CharField(
        label=gettext_lazy("Chain (PEM)"),
        max_length=20_000,
        help_text=gettext_lazy("The station's own certificate first, then the one that signed it, and so on"),
        widget=forms.Textarea(attrs={"rows": 8, "placeholder": "-----BEGIN CERTIFICATE-----"}),
    )


FORMS: Mapping[str, type[forms.Form]] = {
    "rotate_password": PasswordForm,
    "renew_certificate": RenewalForm,
    "get_installed_certificates": ListingForm,
    "install_certificate": RootForm,
    "delete_certificate": DeletionForm,
}


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    name = request.POST.get("command", "")
    bound = FORMS[name](request.POST, auto_id=f"{name}_%s") if name in FORMS else None
    if bound is not None:
        request.actor.require(Permission(intents.INTENTS[name].permission), station)
        here = address(request, "station_security", pk)
        if (first := confirmed_first(request, here)) is not None:
            return first
        if bound.is_valid() and _issued(request, station, bound):
            messages.success(request, _("Sent. What the station answers appears here by itself."))
            return go(request, here)
    return _page(request, station, name, bound)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.SECURITY_MANAGE)
def sign(request: OperatorRequest, pk: UUID, request_pk: UUID) -> HttpResponse:
    """One request to sign: hand in the certificate for it."""
    station, asked = find(request, pk), _asked(request, pk, request_pk)
    form = ChainForm(request.POST or None)
    if request.method == "POST":
        first = confirmed_first(request, address(request, "station_sign", pk, request_pk))
        if first is not None:
            return first
        if form.is_valid() and _handed_in(request, asked, form):
            messages.success(request, _("The certificate fits and is on its way."))
            return go(request, address(request, "station_security", pk))
    context = {**frame(request, station, "station_security"), "asked": asked, "form": form}
    return render_page(
        request, "dashboard/stations/signing.html", context, status=422 if form.errors else 200
    )


@require_POST
@operator(Permission.SECURITY_MANAGE)
def refuse_request(request: OperatorRequest, pk: UUID, request_pk: UUID) -> HttpResponse:
    asked = _asked(request, pk, request_pk)
    signing.refuse(asked, request.POST.get("reason", ""), by=request.actor)
    messages.success(request, _("The request was refused."))
    return go(request, address(request, "station_security", pk))


def _asked(request: OperatorRequest, pk: UUID, request_pk: UUID) -> SigningRequest:
    rows = SigningRequest.objects.visible_to(request.actor).select_related("station")
    found: SigningRequest = load(rows.filter(station_id=pk), request_pk)
    return found


def _handed_in(request: OperatorRequest, asked: SigningRequest, form: ChainForm) -> bool:
    try:
        sending.sign_and_send(asked, form.cleaned_data["chain"], by=request.actor)
    except DomainError as error:
        refuse(form, error)
    return not form.errors


def _issued(request: OperatorRequest, station: ChargingStation, form: Any) -> bool:
    try:
        commands.issue(station, form.intent(), by=request.actor, reason=form.cleaned_data.get("reason", ""))
    except DomainError as error:
        if error.field not in form.fields:
            raise
        refuse(form, error)
    return not form.errors


def _page(
    request: OperatorRequest, station: ChargingStation, name: str, bound: forms.Form | None
) -> HttpResponse:
    context = frame(request, station, "station_security")
    certificates = InstalledCertificate.objects.visible_to(request.actor).filter(station=station)
    context.update(
        profile=SECURITY_PROFILE[station.security_profile],
        access=_access(station),
        requests=station.signing_requests.order_by("-id")[:REQUESTS_SHOWN],
        certificates=certificates.present().order_by("use", "-id"),
        contract_requests=contracts.requests(station),
        standings=contracts.standings(station),
        refused=station.connections.filter(outcome=Connection.Outcome.REFUSED).order_by("-opened_at")[:5],
        events=SecurityEvent.objects.filter(station=station).order_by("-occurred_at")[:EVENTS_SHOWN],
        forms={key: form(auto_id=f"{key}_%s") for key, form in FORMS.items()},
    )
    if bound is not None:
        context["forms"][name] = bound
    status = 422 if bound is not None and bound.errors else 200
    return render_page(request, TEMPLATE, context, partial="state", status=status)


def _access(station: ChargingStation) -> dict[str, Any]:
    """The profile that the station itself says it uses, and its password that is not used yet."""
    told = Variable.objects.filter(station=OuterRef("pk"), variable="SecurityProfile", attribute="Actual")
    following = StationCredential.objects.filter(station=OuterRef("pk"), state=StationCredential.State.NEXT)
    return ChargingStation.objects.values(
        told_profile=Subquery(told.exclude(value=None).values("value")[:1]),
        changing=Exists(following),
        until=Subquery(following.values("valid_until")[:1]),
    ).get(pk=station.pk)
