"""How much a token or a driver may charge: the card *Budgets* of their pages."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from core.access import Permission
from core.errors import Invalid
from drivers.models import Driver, IdToken
from drivers.services import budgets
from portal.dashboard.entry import OperatorRequest, View, go, load, operator
from portal.dashboard.pages import address

PAGE: Mapping[type, str] = {IdToken: "token", Driver: "driver"}
# The field, its kind, its period, and how many units of the budget are one of what people write.
FIELDS: tuple[tuple[str, str, str, int], ...] = (
    ("kwh_session", "energy_wh", "session", 1000),
    ("kwh_day", "energy_wh", "day", 1000),
    ("kwh_month", "energy_wh", "month", 1000),
    ("minutes_session", "duration_s", "session", 60),
    ("minutes_day", "duration_s", "day", 60),
    ("minutes_month", "duration_s", "month", 60),
    ("soc_session", "soc_percent", "session", 1),
    ("money_session", "money", "session", 1),
    ("money_day", "money", "day", 1),
    ("money_month", "money", "month", 1),
)


def _number(label: Any, most: int) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, min_value=Decimal("0.001"), max_value=most, decimal_places=3
    )


class BudgetForm(forms.Form):
    kwh_session = _number(gettext_lazy("kWh a session"), 1_000_000)
    kwh_day = _number(gettext_lazy("kWh a day"), 1_000_000)
    kwh_month = _number(gettext_lazy("kWh a month"), 1_000_000)
    minutes_session = _number(gettext_lazy("Minutes a session"), 1_000_000)
    minutes_day = _number(gettext_lazy("Minutes a day"), 1_000_000)
    minutes_month = _number(gettext_lazy("Minutes a month"), 1_000_000)
    soc_session = _number(gettext_lazy("Charge of the battery in %, as told by the car"), 100)
    money_session = _number(gettext_lazy("Cost of a session, taxes included"), 1_000_000)
    money_day = _number(gettext_lazy("Cost of a day, taxes included"), 1_000_000)
    money_month = _number(gettext_lazy("Cost of a month, taxes included"), 1_000_000)


def form_of(holder: IdToken | Driver) -> BudgetForm:
    """The card as it stands."""
    known = {(one.kind, one.per): one.limit for one in holder.budgets.all()}
    initial = {
        name: (known[kind, per] / unit).quantize(Decimal("0.001")).normalize().__format__("f")
        for name, kind, per, unit in FIELDS
        if (kind, per) in known
    }
    form = BudgetForm(initial=initial)
    for name, kind, _per, _unit in FIELDS:
        if kind == "money":
            form.fields[name].help_text = holder.organization.currency
    return form


def saving(model: type[Any]) -> Callable[..., HttpResponse]:
    """The view that keeps the card of a token or driver."""

    def save(request: OperatorRequest, pk: UUID) -> HttpResponse:
        holder = load(model.objects.visible_to(request.actor).live(), pk)
        form = BudgetForm(request.POST)
        if not form.is_valid():
            raise Invalid(_("A budget is a number above 0, with at most three places."))
        wishes = [
            (kind, form.cleaned_data[name] * unit, per)
            for name, kind, per, unit in FIELDS
            if form.cleaned_data[name] is not None
        ]
        budgets.set_(holder, wishes, by=request.actor)
        messages.success(request, _("Saved."))
        return go(request, address(request, PAGE[model], pk))

    view: View = require_POST(operator(Permission.DRIVERS_MANAGE)(save))
    view.permission = Permission.DRIVERS_MANAGE  # type: ignore[attr-defined]
    return view
