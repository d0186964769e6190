"""Forms for drivers, their groups and their tokens."""

from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.access import Actor
from core.errors import Invalid
from drivers.models import DriverGroup, TokenGroup, TokenType
from drivers.models.policies import MOST_AT_ONCE
from drivers.services.drivers import LANGUAGES

WHEN = {"type": "datetime-local", "step": "1"}
SECOND = "%Y-%m-%dT%H:%M:%S"


def at_once(*, required: bool = False) -> forms.IntegerField:
    """How many sessions may run at once with one token."""
    return forms.IntegerField(
        label=_("Sessions at once"),
        min_value=0,
        max_value=MOST_AT_ONCE,
        required=required,
        help_text=_("0: any number")
        if required
        else _("Empty: as its group or the organization; 0: any number"),
    )


class DriverForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)
    email = forms.EmailField(label=_("E-mail address"), max_length=254, required=False)
    reference = forms.CharField(
        label=_("Own reference"),
        max_length=64,
        required=False,
        help_text=_("Your number for the driver, such as a customer number"),
    )
    language = forms.ChoiceField(label=_("Language"), required=False)
    group = forms.ModelChoiceField(
        DriverGroup.objects.none(), label=_("Group"), required=False, empty_label=_("none")
    )

    def __init__(self, *args: Any, actor: Actor, **values: Any) -> None:
        super().__init__(*args, **values)
        names = {"de": "Deutsch", "en": "English"}
        self.fields["language"].choices = [
            ("", _("not known")),
            *((code, names.get(code, code)) for code in LANGUAGES),
        ]
        self.fields["group"].queryset = DriverGroup.objects.visible_to(actor).live()
        self.fields["group"].disabled = actor.limited_to is not None


class DriverGroupForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)


class HandOutForm(forms.Form):
    """A token that a driver gets: a known one without a driver, or a new one."""

    value = forms.CharField(
        label=_("Value"),
        max_length=255,
        help_text=_("As the station sends it, such as 04A2B6C8. Case does not count."),
    )
    type = forms.ChoiceField(label=_("Type"), choices=TokenType.choices, initial=TokenType.ISO14443)
    label = forms.CharField(label=_("Label"), max_length=100, required=False)


def end_of_block(request: HttpRequest) -> datetime | None:
    """Until when it was said to be blocked; ``None``: until somebody unblocks it. Raises :class:`Invalid`."""
    try:
        return forms.DateTimeField(required=False).clean(request.POST.get("until", ""))
    except forms.ValidationError:
        raise Invalid(gettext("Write the end of the block as a date with its time."), field="until") from None


class TokenChangeForm(forms.Form):
    """What can be changed of a token that exists."""

    label = forms.CharField(label=_("Label"), max_length=100, required=False)
    group = forms.ModelChoiceField(
        TokenGroup.objects.none(), label=_("Token group"), required=False, empty_label=_("none")
    )
    valid_from = forms.DateTimeField(
        label=_("Valid from"), required=False, widget=forms.DateTimeInput(attrs=WHEN, format=SECOND)
    )
    expires_at = forms.DateTimeField(
        label=_("Expires"), required=False, widget=forms.DateTimeInput(attrs=WHEN, format=SECOND)
    )

    sessions_at_once = at_once()

    def __init__(self, *args: Any, actor: Actor, **values: Any) -> None:
        super().__init__(*args, **values)
        self.fields["group"].queryset = TokenGroup.objects.visible_to(actor).live()
        self.fields["group"].disabled = actor.limited_to is not None


class TokenGroupForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)
    token = forms.CharField(
        label=_("Group token"),
        max_length=36,
        required=False,
        help_text=_("By it stations know the group; up to 20 characters reach OCPP 1.6"),
    )
    master_pass = forms.BooleanField(label=_("may stop every session (master pass)"), required=False)
    sessions_at_once = at_once()


class PolicyForm(forms.Form):
    sessions_at_once = at_once(required=True)
    any_card = forms.BooleanField(
        label=_("drivers may add cards of their own"),
        required=False,
        help_text=_("Else only cards that you made known and that nobody has"),
    )
