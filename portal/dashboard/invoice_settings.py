"""What the organization's invoices say of it, and whether this machine can make them (billing B-55, B-57)."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.transaction import atomic
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from billing.documents import pdf
from billing.models import Seller
from billing.services import free_sites, parties
from core.access import Permission
from core.errors import DomainError
from core.models import Organization
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, render_page
from stations.models import Site

TEXTS = ("en", "de")


class SellerForm(forms.Form):
    """The seller's data; the logo stays where none is chosen."""

    name = forms.CharField(label=gettext_lazy("Legal name"), max_length=200)
    street = forms.CharField(label=gettext_lazy("Street and number"), max_length=200)
    postal_code = forms.CharField(label=gettext_lazy("Postal code"), max_length=20)
    city = forms.CharField(label=gettext_lazy("City"), max_length=100)
    country = forms.CharField(
        label=gettext_lazy("Country"), max_length=3, help_text=gettext_lazy("Two letters, such as DE")
    )
    vat_id = forms.CharField(label=gettext_lazy("VAT id"), max_length=30, required=False)
    tax_number = forms.CharField(
        label=gettext_lazy("Tax number"), max_length=30, required=False,
        help_text=gettext_lazy("Needed where there is no VAT id"),
    )  # fmt: skip
    vat_exempt = forms.BooleanField(
        label=gettext_lazy("Exempt from VAT as a small enterprise"), required=False
    )
    email = forms.EmailField(label=gettext_lazy("E-mail address"), required=False)
    contact = forms.CharField(label=gettext_lazy("Contact"), max_length=100, required=False)
    phone = forms.CharField(label=gettext_lazy("Telephone"), max_length=40, required=False)
    languages = forms.MultipleChoiceField(
        label=gettext_lazy("Languages of documents"), widget=forms.CheckboxSelectMultiple,
        choices=[("en", "English"), ("de", "Deutsch")],
    )  # fmt: skip
    text_en = forms.CharField(
        label=gettext_lazy("Closing text, English"), max_length=2000, required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    text_de = forms.CharField(
        label=gettext_lazy("Closing text, German"), max_length=2000, required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    logo = forms.FileField(
        label=gettext_lazy("Logo"), required=False, help_text=gettext_lazy("PNG or JPEG of at most 200 kB")
    )

    free_sites = forms.MultipleChoiceField(
        label=gettext_lazy("Sites whose sessions are not billed"), required=False,
        help_text=gettext_lazy("What is charged there is counted and never invoiced"),
    )  # fmt: skip

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sites = Site.objects.filter(organization=organization).order_by("name")
        self.fields["free_sites"].choices = [(str(site.pk), site.name) for site in sites]  # type: ignore[attr-defined]

    def sites(self) -> list[UUID]:
        return [UUID(key) for key in self.cleaned_data["free_sites"]]

    def values(self) -> dict[str, Any]:
        """As the service takes them."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "free_sites"}
        texts = {code: given.pop(f"text_{code}") for code in TEXTS}
        picture: UploadedFile | None = given.pop("logo")
        told = {**given, "texts": {code: text for code, text in texts.items() if text}}
        return told if picture is None else {**told, "logo": picture.read(parties.LARGEST_LOGO + 1)}


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_SETTINGS)
def seller(request: OperatorRequest) -> HttpResponse:
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    organization = Organization.objects.get(pk=request.actor.home)
    row = Seller.objects.filter(pk=organization.pk).first()
    given = (request.POST or None, request.FILES or None)
    form = SellerForm(*given, initial=_initial(row, organization), organization=organization)
    if request.method == "POST" and form.is_valid():
        try:
            with atomic():
                parties.save_seller(organization, form.values(), by=request.actor)
                free_sites.choose(organization, form.sites(), by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved. Issued invoices stay as they are."))
            return go(request, address(request, "invoice_settings"))
    context = {
        "section": "invoice_settings",
        "form": form,
        "complete": row is not None and row.is_complete,
        "install": pdf.PACKAGES if pdf.missing() else "",
    }
    return render_page(
        request, "dashboard/invoice_settings.html", context, status=422 if form.errors else 200
    )


def _initial(row: Seller | None, organization: Organization) -> dict[str, Any]:
    free = {"free_sites": [str(key) for key in free_sites.chosen(organization)]}
    if row is None:
        return {"name": organization.name, "languages": ["en", "de"], **free}
    names = [name for name in SellerForm.base_fields if hasattr(row, name) and name != "logo"]
    texts = {f"text_{code}": row.texts.get(code, "") for code in TEXTS}
    return {**{name: getattr(row, name) for name in names}, **texts, **free}
