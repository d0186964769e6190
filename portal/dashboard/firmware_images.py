"""Firmware images: the list, bringing one in by upload or address, one image, taking it back."""

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
from portal.dashboard.fresh import confirmed_first
from portal.dashboard.pages import address, page_by_id, render_page
from stations.models import FirmwareImage
from stations.services import firmware_fetching, firmware_images

LIST = "dashboard/firmware/images.html"
FORM = "dashboard/firmware/image_new.html"
DETAIL = "dashboard/firmware/image.html"


class ImageForm(forms.Form):
    """What an image is for; the file itself has to be chosen again after a mistake, the browser forgets it."""

    file = forms.FileField(label=gettext_lazy("File"), required=False, allow_empty_file=True)
    url = forms.CharField(
        label=gettext_lazy("Or its address"),
        max_length=2000,
        required=False,
        help_text=gettext_lazy("https://…; the portal fetches the file and keeps it"),
    )
    version = forms.CharField(
        label=gettext_lazy("Version"),
        max_length=50,
        help_text=gettext_lazy("Exactly as stations report it once they run the image"),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, required=False)
    vendor = forms.CharField(
        label=gettext_lazy("Vendor"),
        max_length=50,
        required=False,
        help_text=gettext_lazy("As stations report it; empty: any"),
    )
    model = forms.CharField(label=gettext_lazy("Model"), max_length=50, required=False)
    from_versions = forms.CharField(
        label=gettext_lazy("Only for stations that run"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Versions, one a line; empty: any"),
    )
    signature = forms.CharField(
        label=gettext_lazy("Signature (base64)"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Of the maker, for stations that check it"),
    )
    signing_certificate = forms.CharField(
        label=gettext_lazy("Signing certificate (PEM)"),
        required=False,
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if bool(values.get("file") is not None) == bool(values.get("url")) and "file" not in self.errors:
            self.add_error("file", _("Choose a file, or give its address."))
        return values

    def values(self) -> dict[str, Any]:
        """As the service takes them."""
        given = {name: self.cleaned_data[name] for name in firmware_images.GIVEN}
        return {**given, "from_versions": given["from_versions"].splitlines()}


@require_safe
@operator(Permission.STATIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    images = FirmwareImage.objects.visible_to(request.actor)
    page = page_by_id(images, {"before": request.GET.get("before", "")})
    return render_page(request, LIST, {"section": "rollouts", "page": page}, partial="rows")


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.FIRMWARE_UPLOAD)
def new(request: OperatorRequest) -> HttpResponse:
    request.actor.require_everywhere(Permission.FIRMWARE_UPLOAD)
    if (first := confirmed_first(request, address(request, "firmware_image_new"))) is not None:
        return first
    bound = request.method == "POST"
    form = ImageForm(request.POST, request.FILES) if bound else ImageForm()
    if bound and form.is_valid() and (image := _brought(request, form)) is not None:
        messages.success(
            request,
            _("The file is here and was checked.") if image.ready else _("The file is being fetched."),
        )
        return go(request, address(request, "firmware_image", image.pk))
    context = {"section": "rollouts", "form": form}
    return render_page(request, FORM, context, status=422 if form.errors else 200)


@require_safe
@operator(Permission.STATIONS_VIEW)
def show(request: OperatorRequest, pk: UUID) -> HttpResponse:
    image = load(FirmwareImage.objects.visible_to(request.actor), pk)
    return render_page(request, DETAIL, {"section": "rollouts", "image": image}, partial="facts")


@require_POST
@operator(Permission.FIRMWARE_UPLOAD)
def retire(request: OperatorRequest, pk: UUID) -> HttpResponse:
    image = load(FirmwareImage.objects.visible_to(request.actor), pk)
    here = address(request, "firmware_image", pk)
    if (first := confirmed_first(request, here)) is not None:
        return first
    firmware_images.retire(image, by=request.actor)
    messages.success(request, _("Retired. No station gets this image any more."))
    return go(request, here)


def _brought(request: OperatorRequest, form: ImageForm) -> FirmwareImage | None:
    file, url = form.cleaned_data["file"], form.cleaned_data["url"]
    try:
        if url:
            return firmware_fetching.request(url, form.values(), by=request.actor)
        return firmware_images.add(file, file.name, form.values(), by=request.actor)
    except DomainError as error:
        refuse(form, error)
        return None
