"""The fields of a tariff: what holds for all of it, and for each element its prices and when they count."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tariffs import documents
from tariffs.structure import WEEKDAYS, Dimension, ReservationKind, TariffType, TaxIncluded

MOST_ELEMENTS = 24
"""More of them are written as a document: a request has at most 1,000 fields."""
PRICES, JSON = "prices", "json"
_FIGURE = {"max_digits": 18, "decimal_places": 6, "required": False, "localize": True}
_DAYS = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))


class Part(NamedTuple):
    """One row of an element: a dimension, and the beginning of its fields' names."""

    dimension: Dimension
    name: str
    label: str | Promise
    step: str | Promise
    """What a step is counted in; empty where it has no meaning."""


PARTS = (
    Part(Dimension.ENERGY, "energy", _("Energy, per kWh"), _("Steps (Wh)")),
    Part(Dimension.TIME, "time", _("Charging time, per hour"), _("Steps (s)")),
    Part(Dimension.PARKING_TIME, "parking", _("Occupancy after charging, per hour"), _("Steps (s)")),
    Part(Dimension.FLAT, "flat", _("Fee per session"), ""),
)
RANGES = ("kwh", "power", "minutes", "current")


def figure(label: str | Promise, **more: Any) -> forms.DecimalField:
    """A figure that may be left out; its bounds are told by the linter, which never stands in a draft's way."""
    field = forms.DecimalField(label=label, **{**_FIGURE, **more})
    field.widget.attrs.update({"inputmode": "decimal", "autocomplete": "off"})
    return field


def whole(label: str | Promise, **more: Any) -> forms.IntegerField:
    """A whole number that may be left out."""
    field = forms.IntegerField(label=label, required=False, localize=True, **more)
    field.widget.attrs.update({"inputmode": "numeric", "autocomplete": "off"})
    return field


def _time(label: str | Promise) -> forms.TimeField:
    return forms.TimeField(label=label, required=False, widget=forms.TimeInput({"type": "time"}, "%H:%M"))


def _date(label: str | Promise) -> forms.DateField:
    return forms.DateField(label=label, required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))


class HeadForm(forms.Form):
    """What holds for the whole tariff."""

    name = forms.CharField(label=_("Name"), max_length=100)
    currency = forms.CharField(label=_("Currency"), max_length=3, required=False)
    type = forms.ChoiceField(
        label=_("For whom"),
        required=False,
        choices=[
            ("", _("Every session")),
            (TariffType.REGULAR.value, _("Drivers with a contract")),
            (TariffType.AD_HOC_PAYMENT.value, _("Persons who pay ad hoc")),
            (TariffType.PROFILE_CHEAP.value, _("Who chose to charge cheaply")),
            (TariffType.PROFILE_FAST.value, _("Who chose to charge fast")),
            (TariffType.PROFILE_GREEN.value, _("Who chose to charge green")),
        ],
    )
    tax_included = forms.ChoiceField(
        label=_("Prices are given"),
        required=False,
        choices=[
            ("", _("Without VAT")),
            (TaxIncluded.NO.value, _("Without VAT (OCPI 2.3.0)")),
            (TaxIncluded.YES.value, _("With VAT (OCPI 2.3.0)")),
            (TaxIncluded.NOT_APPLICABLE.value, _("No VAT applies (OCPI 2.3.0)")),
        ],
    )
    min_excl = figure(_("At least, without VAT"))
    min_incl = figure(_("At least, with VAT"))
    max_excl = figure(_("At most, without VAT"))
    max_incl = figure(_("At most, with VAT"))

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    @property
    def limits(self) -> list[forms.BoundField]:
        return [self[name] for name in ("min_excl", "min_incl", "max_excl", "max_incl")]


class ElementForm(forms.Form):
    """Prices that count together, and the conditions under which they do."""

    days = forms.MultipleChoiceField(
        label=_("Weekdays"),
        required=False,
        choices=[*zip(WEEKDAYS, _DAYS, strict=True)],
        widget=forms.CheckboxSelectMultiple,
    )
    start_time, end_time = _time(_("From (time of day)")), _time(_("To (time of day)"))
    min_kwh, max_kwh = figure(_("From kWh")), figure(_("Up to kWh"))
    min_power, max_power = figure(_("From kW")), figure(_("Below kW"))
    min_minutes, max_minutes = figure(_("After minutes")), figure(_("In the first minutes"))
    start_date, end_date = _date(_("From (date)")), _date(_("Before (date)"))
    min_current, max_current = figure(_("From ampere")), figure(_("Below ampere"))
    reservation = forms.ChoiceField(
        label=_("Reservation"),
        required=False,
        choices=[
            ("", _("Prices of charging")),
            (ReservationKind.RESERVATION.value, _("Prices of a reservation")),
            (ReservationKind.RESERVATION_EXPIRES.value, _("Prices of a reservation that expires")),
        ],
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for part in PARTS:
            row: dict[str, forms.Field] = {
                "price": figure(_("Price"), min_value=0),
                "vat": figure(_("VAT (%)")),
            }
            if part.step:
                row["step"] = whole(part.step)
            for name, field in row.items():
                field.widget.attrs["aria-label"] = _Joined(part.label, field.label)
                self.fields[f"{part.name}_{name}"] = field

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for part in PARTS:
            if values.get(f"{part.name}_step") and not self.has_price(part) and not self.errors:
                self.add_error(f"{part.name}_price", _("Give the price, or leave the steps out."))
        return values

    def has_price(self, part: Part) -> bool:
        return self.cleaned_data.get(f"{part.name}_price") is not None

    @property
    def rows(self) -> Iterator[tuple[Part, list[forms.BoundField]]]:
        """Each dimension with its fields."""
        for part in PARTS:
            yield (
                part,
                [self[f"{part.name}_{name}"] for name in ("price", "vat", "step")[: 3 if part.step else 2]],
            )

    @property
    def often(self) -> list[forms.BoundField]:
        """The conditions that most tariffs need, but the weekdays."""
        names = ("start_time", "end_time", "min_kwh", "max_kwh", "min_power", "max_power")
        return [self[name] for name in (*names, "min_minutes", "max_minutes")]

    @property
    def seldom(self) -> list[forms.BoundField]:
        names = ("start_date", "end_date", "min_current", "max_current", "reservation")
        return [self[name] for name in names]

    @property
    def is_conditional(self) -> bool:
        """Whether a condition is written, so that it is not folded away."""
        return any(field.value() or field.errors for field in [self["days"], *self.often, *self.seldom])

    @property
    def is_special(self) -> bool:
        return any(field.value() or field.errors for field in self.seldom)


class DocumentForm(forms.Form):
    """The tariff as a text of JSON."""

    document = forms.CharField(
        label=_("OCPI tariff"),
        required=False,
        strip=False,
        max_length=documents.LONGEST,
        widget=forms.Textarea(attrs={"rows": 24, "class": "mono", "spellcheck": "false"}),
    )


class _Joined:
    """“Energy, per kWh: Price” in the language of whoever reads it."""

    def __init__(self, *words: str | Promise) -> None:
        self.words = words

    def __str__(self) -> str:
        return ": ".join(map(str, self.words))


def written(form: forms.Form, data: QueryDict | Mapping[str, Any]) -> dict[str, Any]:
    """What was typed into the form, whether or not it can be read."""
    return {
        name: field.widget.value_from_datadict(data, {}, form.add_prefix(name))  # type: ignore[arg-type]
        for name, field in form.fields.items()
    }


def minutes_of(seconds: Any) -> Any:
    """Seconds as the form's minutes, to four decimals; what is no number stays."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | Decimal):
        return seconds
    minutes = round(Decimal(seconds) / 60, 4)
    return minutes.quantize(Decimal(1)) if minutes == minutes.to_integral_value() else minutes.normalize()
