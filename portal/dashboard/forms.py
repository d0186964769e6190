"""Forms of the dashboard: only what a person may write. Services check; forms convert and explain."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.access import ROLE_NAMES, Actor
from core.errors import DomainError, Invalid
from core.models import ApiKey
from core.services.keys import known_scopes
from drivers.models import TokenType
from portal.dashboard.sentences import told
from stations.models import Site

PROFILES = (
    (2, _("TLS and password (recommended)")),
    (3, _("TLS and client certificate")),
    (1, _("Password without TLS – trusted network only")),
)


def done(form: forms.Form, act: Callable[[], object]) -> bool:
    """Whether the service did it; what it refused stands at the field."""
    try:
        act()
    except DomainError as error:
        refuse(form, error)
    return not form.errors


def refuse(form: Form, error: DomainError) -> None:
    """Show what a service refused at the field that it names."""
    form.add_error(error.field if error.field in form.fields else None, told(error.message))


def offer(field: forms.Field, rows: QuerySet[Any]) -> None:
    """Let the field be one of the rows, which are read once: Django's own choices are read twice to be shown."""
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = rows
    field.choices = list(iter(field.choices))  # without iter() it would count them first


def amount_of(request: HttpRequest, name: str = "amount") -> Decimal:
    """The sum of money in a form's field, in the reader's form. Raises :class:`Invalid`."""
    field = forms.DecimalField(max_digits=19, localize=True)
    try:
        value: Decimal = field.clean(request.POST.get(name, ""))
    except forms.ValidationError:
        raise Invalid("An amount is above nothing and within reason.", field=name) from None
    return value


class SiteForm(forms.ModelForm):
    class Meta:
        model = Site
        fields = [
            "name",
            "address",
            "postal_code",
            "city",
            "country",
            "latitude",
            "longitude",
            "time_zone",
            "public",
            "free_cancellation",
        ]
        help_texts = {
            "country": _("Two letters, such as DE"),
            "time_zone": _("Sessions, tariffs and windows are told in it"),
            "public": _("Drivers find the site in lists"),
            "free_cancellation": _("Otherwise the reserved time is priced until then"),
        }

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        zones = [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones()) if "/" in zone]
        self.fields["time_zone"].widget = forms.Select(choices=zones)

    def _post_clean(self) -> None:
        """Leaves the check to the service, so that the instance is changed there and nowhere else."""


class StationForm(forms.Form):
    """A new station: as little as is needed to hand out an address and a password."""

    identity = forms.CharField(
        label=_("Identity"),
        max_length=48,
        help_text=_(
            "How the charger calls itself; it becomes the end of its address. Letters, digits, - and _ are safe."
        ),
    )
    name = forms.CharField(label=_("Name for people"), max_length=100, required=False)
    site = forms.ModelChoiceField(Site.objects.none(), label=_("Site"), required=False, empty_label=None)
    security_profile = forms.TypedChoiceField(label=_("Security"), coerce=int, choices=PROFILES)

    def __init__(self, *args: Any, actor: Actor, **values: Any) -> None:
        super().__init__(*args, **values)
        offer(self.fields["site"], Site.objects.visible_to(actor).live())
        if not settings.HTTPS:
            self.fields["security_profile"].initial = 1
            self.fields["security_profile"].help_text = _(
                "This portal is reached without TLS at present, so chargers can only use the last one."
            )


class SettingsForm(forms.Form):
    """What can be changed of a station that exists."""

    name = forms.CharField(label=_("Name for people"), max_length=100, required=False)
    site = forms.ModelChoiceField(Site.objects.none(), label=_("Site"), empty_label=None)
    max_power_w = forms.IntegerField(label=_("Rated power (W)"), min_value=1, required=False)
    tags = forms.CharField(label=_("Tags"), required=False, help_text=_("Separated by commas"))
    notes = forms.CharField(label=_("Notes"), required=False, widget=forms.Textarea(attrs={"rows": 3}))
    security_profile = forms.TypedChoiceField(label=_("Security"), coerce=int, choices=PROFILES)
    call_timeout_s = forms.IntegerField(
        label=_("Response time-out (s)"),
        min_value=5,
        max_value=300,
        required=False,
        help_text=_("Empty: 30 s"),
    )
    lenient = forms.BooleanField(
        label=_("Lenient: repair small mistakes in its messages instead of refusing them"), required=False
    )
    enabled = forms.BooleanField(label=_("Enabled: may connect"), required=False)
    free_vend = forms.BooleanField(
        label=_("Everybody may charge here, with or without a known token"), required=False
    )
    free_evses = forms.CharField(
        label=_("EVSEs at which everybody may charge"),
        required=False,
        max_length=400,
        help_text=_("Their numbers, separated by commas"),
    )

    def __init__(self, *args: Any, actor: Actor, **values: Any) -> None:
        super().__init__(*args, **values)
        offer(self.fields["site"], Site.objects.visible_to(actor).live())

    def clean_free_evses(self) -> list[int]:
        words = [word.strip() for word in self.cleaned_data["free_evses"].split(",") if word.strip()]
        if not all(word.isascii() and word.isdecimal() and 0 < int(word) < 2**31 for word in words):
            raise forms.ValidationError(_("Give numbers of EVSEs, separated by commas."))
        return sorted({int(word) for word in words})

    def clean_tags(self) -> list[str]:
        return [tag.strip()[:40] for tag in self.cleaned_data["tags"].split(",") if tag.strip()]


class TokenForm(forms.Form):
    value = forms.CharField(
        label=_("Value"),
        max_length=255,
        help_text=_("As the station sends it, such as 04A2B6C8. Case does not count."),
    )
    type = forms.ChoiceField(label=_("Type"), choices=TokenType.choices, initial=TokenType.ISO14443)
    label = forms.CharField(
        label=_("Label"), max_length=100, required=False, help_text=_("Whose card it is, for example")
    )
    expires_at = forms.DateTimeField(
        label=_("Expires"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


class MemberForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"))
    role = forms.ChoiceField(
        label=_("Role"), choices=[(role.value, name) for role, name in ROLE_NAMES.items()]
    )
    sites = forms.ModelMultipleChoiceField(
        Site.objects.none(),
        label=_("Only these sites"),
        required=False,
        help_text=_("None chosen: all sites"),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, actor: Actor, **values: Any) -> None:
        super().__init__(*args, **values)
        self.fields["sites"].queryset = Site.objects.visible_to(actor).live()


class KeyForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("What uses it"))
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=ApiKey.Kind.choices,
        required=False,
        help_text=_(
            "A key is sent with each request; a client gets access tokens for an hour at /oauth/token/"
        ),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), help_text=_("Give as few as will do"), widget=forms.CheckboxSelectMultiple
    )
    expires_at = forms.DateTimeField(
        label=_("Expires"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    sites = forms.MultipleChoiceField(
        label=_("Sites"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: all"),
    )

    def __init__(self, *args: Any, sites: Iterable[Site] = (), **values: Any) -> None:
        super().__init__(*args, **values)
        self.fields["scopes"].choices = [(scope, scope) for scope in known_scopes()]
        self.fields["sites"].choices = [(str(site.pk), site.name) for site in sites]

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or ApiKey.Kind.KEY
