"""New figures of a dynamic charging profile, as a person writes them."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from portal.dashboard.words import Text
from stations.domain import intents

LARGEST = 10**9
FIGURES: Mapping[str, Text] = {
    "limit": gettext_lazy("Limit"),
    "discharge_limit": gettext_lazy("Limit of discharging, 0 or less"),
    "setpoint": gettext_lazy("Setpoint"),
}
"""What the page asks for, in the unit of the profile; the API takes the figures of each phase as well."""


def update(values: QueryDict) -> intents.UpdateDynamicSchedule:
    """What is left empty stays as it is. Raises :class:`Invalid`."""
    number = values.get("charging_profile_id", "")
    if not (number.isascii() and number.isdecimal() and len(number) <= 10):
        raise Invalid(_("Choose a profile."), field="charging_profile_id")
    given = {name: _figure(values, name) for name in FIGURES if values.get(name, "").strip()}
    return intents.UpdateDynamicSchedule(charging_profile_id=int(number), update=given)


def _figure(values: QueryDict, name: str) -> Decimal:
    try:
        figure = Decimal(values[name].strip().replace(",", "."))
    except InvalidOperation as error:
        raise Invalid(_("This is a number."), field=name) from error
    if not figure.is_finite() or abs(figure) > LARGEST:
        raise Invalid(_("This is a number."), field=name)
    return figure
