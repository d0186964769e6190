"""Firmware and logs of one station: what runs, what was asked for, how far it came; and asking for more."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.forms import refuse
from portal.dashboard.fresh import confirmed_first
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import find, frame
from stations.domain import intents
from stations.domain.intents import Intent
from stations.models import ChargingStation, FirmwareImage
from stations.services import commands

TEMPLATE = "dashboard/stations/firmware.html"
SHOWN = 20


class MomentField(forms.DateTimeField):
    """A time in the person's zone; empty: at once."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(required=False, widget=widget, **options)


class LocationField(forms.URLField):
    """Where the station fetches or places a file."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=2000, assume_scheme="https", **options)
        self.validators[0].schemes = ["http", "https", "ftp", "ftps", "sftp"]


class ImageChoice(forms.ModelChoiceField):
    """One of the organization's checked images; empty: a file that lies elsewhere."""

    def __init__(self) -> None:
        empty = gettext_lazy("A file that lies elsewhere")
        none = FirmwareImage.objects.none()
        super().__init__(none, label=gettext_lazy("Image"), required=False, empty_label=empty)


class OfImageForm(forms.Form):
    """What is known of an image need not be written."""

    image = ImageChoice()

    def __init__(self, *args: Any, station: ChargingStation, **values: Any) -> None:
        super().__init__(*args, **values)
        images = FirmwareImage.objects.live().filter(organization_id=station.organization_id)
        ready = images.filter(state=FirmwareImage.State.READY).order_by("-id")
        self.fields["image"].queryset = ready  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if not self.errors and bool(values.get("image")) == bool(values.get("location")):
            self.add_error("location", _("Choose an image, or give the address of a file."))
        return values

    def given(self) -> dict[str, Any]:
        """The values; an image by its id."""
        image = self.cleaned_data["image"]
        return {**self.cleaned_data, "image": image and image.pk}


class UpdateForm(OfImageForm):
    location = LocationField(
        label=gettext_lazy("Address of the file"),
        help_text=gettext_lazy("https://… or ftp://…, as the station reaches it"),
        required=False,
    )
    version = forms.CharField(
        label=gettext_lazy("Version"),
        max_length=50,
        required=False,
        help_text=gettext_lazy(
            "What the station should report afterwards; by it the installation is believed"
        ),
    )
    retrieve_at = MomentField(label=gettext_lazy("Download from"), help_text=gettext_lazy("Empty: at once"))
    install_at = MomentField(
        label=gettext_lazy("Install from"), help_text=gettext_lazy("OCPP 1.6: with a signature only")
    )
    signature = forms.CharField(label=gettext_lazy("Signature"), max_length=800, required=False)
    signing_certificate = forms.CharField(
        label=gettext_lazy("Signing certificate (PEM)"),
        max_length=5500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if bool(values.get("signature")) != bool(values.get("signing_certificate")):
            self.add_error("signature", _("Give the signature and the signing certificate together."))
        return values

    def intent(self) -> Intent:
        return intents.UpdateFirmware(**self.given())


class LogForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("Which log"),
        choices=[
            ("diagnostics", gettext_lazy("Diagnostics log")),
            ("security", gettext_lazy("Security log")),
        ],
    )
    location = LocationField(
        label=gettext_lazy("Upload to"),
        required=False,
        help_text=gettext_lazy("Empty: to the portal. Else a directory the station may write to"),
    )
    transfer = forms.ChoiceField(
        label=gettext_lazy("How it uploads to the portal"),
        required=False,
        choices=[
            ("", gettext_lazy("As the station says it can")),
            ("http", "HTTPS"),
            ("ftp", gettext_lazy("FTP, for old stations")),
        ],
    )
    oldest_at = MomentField(label=gettext_lazy("From"))
    latest_at = MomentField(label=gettext_lazy("Until"))

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("location") and values.get("transfer"):
            self.add_error("transfer", _("Give an address or a way to the portal, not both."))
        return values

    def intent(self) -> Intent:
        return intents.GetLog(**self.cleaned_data)


class PublishForm(OfImageForm):
    location = LocationField(label=gettext_lazy("Address of the file"), required=False)
    checksum = forms.RegexField(
        r"^[0-9A-Fa-f]{32}$",
        label=gettext_lazy("MD5 checksum"),
        required=False,
        help_text=gettext_lazy("32 hexadecimal digits"),
    )

    def intent(self) -> Intent:
        return intents.PublishFirmware(**self.given())


class WithdrawForm(forms.Form):
    checksum = forms.CharField(max_length=32, widget=forms.HiddenInput)

    def intent(self) -> Intent:
        return intents.UnpublishFirmware(**self.cleaned_data)


FORMS: Mapping[str, type[forms.Form]] = {
    "update_firmware": UpdateForm,
    "get_log": LogForm,
    "publish_firmware": PublishForm,
    "unpublish_firmware": WithdrawForm,
}


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    station = find(request, pk)
    name = request.POST.get("command", "")
    bound = _form(name, station, request.POST) if name in FORMS else None
    if bound is not None:
        request.actor.require(Permission.FIRMWARE_MANAGE, station)
        here = address(request, "station_firmware", pk)
        if (first := confirmed_first(request, here)) is not None:
            return first
        if bound.is_valid() and _issued(request, station, bound):
            messages.success(request, _("Sent. What the station reports appears here by itself."))
            return go(request, here)
    return _page(request, station, name, bound)


def _form(name: str, station: ChargingStation, data: Any = None) -> Any:
    kind = FORMS[name]
    beside = {"station": station} if issubclass(kind, OfImageForm) else {}
    return kind(data, auto_id=f"{name}_%s", **beside)


def _issued(request: OperatorRequest, station: ChargingStation, form: Any) -> bool:
    wait = "wait" if request.POST.get("if_offline") == "wait" else "fail"
    try:
        commands.issue(station, form.intent(), by=request.actor, if_offline=wait)
    except DomainError as error:
        refuse(form, error)
    return not form.errors


def _page(
    request: OperatorRequest, station: ChargingStation, name: str, bound: forms.Form | None
) -> HttpResponse:
    context = frame(request, station, "station_firmware")
    context["jobs"] = station.firmware_jobs.prefetch_related("steps").order_by("-id")[:SHOWN]
    context["logs"] = (
        station.log_jobs.select_related("upload").prefetch_related("steps").order_by("-id")[:SHOWN]
    )
    context["rollouts"] = station.rollout_rows.select_related("rollout__image", "wave").order_by("-id")[
        :SHOWN
    ]
    context["unsent"] = (
        station.commands.filter(command__in=FORMS)
        .exclude(status__in=["accepted", "sent"])
        .order_by("-id")[:3]
    )
    fresh = {key: _form(key, station) for key in FORMS}
    context["forms"] = {**fresh, **({name: bound} if bound is not None else {})}
    status = 422 if bound is not None and bound.errors else 200
    return render_page(request, TEMPLATE, context, partial="jobs", status=status)
