"""The editor of a tariff: its common prices as fields, everything as JSON, and what they mean while one types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.money import CURRENCIES
from tariffs import documents, linter, parsing, text
from tariffs.linter import NOWHERE, Context, Finding, Level
from tariffs.local_time import find_zone
from tariffs.pointers import InvalidDocument
from tariffs.structure import Tariff
from tariffs.week import Band, bands_of

PRICES, JSON = "prices", "json"
TEMPLATES: Mapping[str, tuple[str | Promise, Mapping[str, Any]]] = {
    "energy": (gettext_lazy("Per kWh"), {"energy": Decimal("0.45"), "vat": Decimal(19)}),
    "occupancy": (
        gettext_lazy("Per kWh and occupancy"),
        {"energy": Decimal("0.45"), "parking": Decimal("3.00"), "vat": Decimal(19), "most": Decimal("30.00")},
    ),
    "free": (gettext_lazy("Free of charge"), {"energy": Decimal(0)}),
}
_SINGLE = {"energy": "ENERGY", "time": "TIME", "parking": "PARKING_TIME", "flat": "FLAT"}
_PRICE = {"max_digits": 12, "decimal_places": 6, "min_value": 0, "required": False}


class TariffForm(forms.Form):
    """Prices without VAT; the JSON counts where it is chosen."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    mode = forms.ChoiceField(
        label=gettext_lazy("Write it as"),
        choices=[(PRICES, gettext_lazy("Common prices")), (JSON, gettext_lazy("OCPI tariff (JSON)"))],
        widget=forms.RadioSelect,
    )
    currency = forms.CharField(label=gettext_lazy("Currency"), max_length=3, required=False)
    energy = forms.DecimalField(label=gettext_lazy("Energy, per kWh"), **_PRICE)
    night = forms.DecimalField(
        label=gettext_lazy("Energy at other hours, per kWh"),
        help_text=gettext_lazy("Between the two times below, in the time zone of the site"),
        **_PRICE,
    )
    night_from = forms.TimeField(
        label=gettext_lazy("Begins at"), required=False, widget=forms.TimeInput({"type": "time"})
    )
    night_to = forms.TimeField(
        label=gettext_lazy("Ends at"), required=False, widget=forms.TimeInput({"type": "time"})
    )
    time = forms.DecimalField(label=gettext_lazy("Charging time, per hour"), **_PRICE)
    parking = forms.DecimalField(label=gettext_lazy("Occupancy after charging, per hour"), **_PRICE)
    flat = forms.DecimalField(label=gettext_lazy("Fee per session"), **_PRICE)
    vat = forms.DecimalField(
        label=gettext_lazy("VAT (%)"),
        max_digits=6,
        decimal_places=3,
        min_value=0,
        max_value=100,
        required=False,
        help_text=gettext_lazy("Prices are given without it. Empty: no VAT applies"),
    )
    most = forms.DecimalField(label=gettext_lazy("At most per session, without VAT"), **_PRICE)
    document = forms.CharField(
        label=gettext_lazy("OCPI tariff"),
        required=False,
        strip=False,
        max_length=documents.LONGEST,
        widget=forms.Textarea(attrs={"rows": 18, "class": "mono", "spellcheck": "false"}),
    )

    def clean_currency(self) -> str:
        code = str(self.cleaned_data["currency"]).upper()
        if code and code not in CURRENCIES:
            raise forms.ValidationError(_("Give its ISO 4217 code, such as EUR."))
        return code

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("night") is not None and not (values.get("night_from") and values.get("night_to")):
            self.add_error("night_from", _("Name both times."))
        if values.get("mode") == JSON and not self.errors.get("document"):
            self._read_document(values)
        return values

    def content(self) -> dict[str, Any]:
        """The OCPI object that was written, by fields or as JSON."""
        values = self.cleaned_data
        return dict(values["parsed"]) if values["mode"] == JSON else compiled(values, self.kept)

    kept: Mapping[str, Any] = {}
    """What the tariff says beside its prices: owner, id, texts and dates stay."""

    def _read_document(self, values: dict[str, Any]) -> None:
        try:
            values["parsed"] = documents.loads(values.get("document", ""))
        except InvalidDocument as error:
            self.add_error("document", str(error))


@dataclass(frozen=True, slots=True)
class Preview:
    """What drivers will read in each language, what the linter finds, and the object itself."""

    texts: Sequence[tuple[str, str]]
    findings: Sequence[Finding]
    document: str
    week: Sequence[Band] = ()
    currency: str = ""

    @property
    def errors(self) -> list[Finding]:
        return [one for one in self.findings if one.level is Level.ERROR]

    @property
    def warnings(self) -> list[Finding]:
        return [one for one in self.findings if one.level is Level.WARNING]


def compiled(values: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as an OCPI tariff: one element for the hours of their own, one for all else."""
    beside = {
        name: value for name, value in kept.items() if name not in ("elements", "max_price", "last_updated")
    }
    components = [
        _component(kind, values[name], values.get("vat"))
        for name, kind in _SINGLE.items()
        if values.get(name) is not None
    ]
    elements: list[dict[str, Any]] = [{"price_components": components}] if components else []
    if values.get("night") is not None:
        window = {"start_time": f"{values['night_from']:%H:%M}", "end_time": f"{values['night_to']:%H:%M}"}
        night = _component("ENERGY", values["night"], values.get("vat"))
        elements.insert(0, {"price_components": [night], "restrictions": window})
    whole = {**beside, "elements": elements}
    if values.get("currency"):
        whole["currency"] = values["currency"]
    if values.get("most") is not None:
        whole["max_price"] = _limit(values["most"], values.get("vat"))
    return whole


def fields_of(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields that say the same as the object; ``None`` where they cannot."""
    try:
        values = _fields(content)
        again = compiled({**_cleaned(values)}, content)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None
    same = {name: value for name, value in content.items() if name != "last_updated"}
    return values if _plain(again) == _plain(same) else None


def preview(content: Mapping[str, Any], zone: str, context: Context = NOWHERE) -> Preview:
    """All about an object, whether or not it is a tariff already."""
    whole = {
        "country_code": "ZZ",
        "party_id": "XXX",
        "id": "NEW",
        "last_updated": clock.to_wire(clock.now()),
        **content,
    }
    texts, findings = tuple(texts_of(whole, zone)), linter.lint(whole, context)
    if not texts:
        return Preview(texts, findings, pretty(content))
    tariff = parsing.parse_tariff(whole)
    return Preview(texts, findings, pretty(content), _week(tariff, zone), tariff.currency)


def _week(tariff: Tariff, zone: str) -> Sequence[Band]:
    """The grid of a week that is to come, where the hour or the day matters at all."""
    there = find_zone(zone)
    today = clock.now().astimezone(there).date()
    bands = bands_of(tariff, there, today + timedelta(days=-today.weekday() % 7))
    return bands if len({prices for band in bands for prices in band.prices}) > 1 else ()


def texts_of(content: Mapping[str, Any], zone: str) -> list[tuple[str, str]]:
    """The price text in each language, by the language's own name; none for what cannot be read."""
    try:
        tariff = parsing.parse_tariff(content)
    except InvalidDocument:
        return []
    told = []
    for code, name in settings.LANGUAGES:
        with translation.override(code):
            words = text.describe(tariff, zone=find_zone(zone), at=clock.now())
            told.append((str(name), " ".join(words)))
    return told


def pretty(content: Mapping[str, Any]) -> str:
    """JSON with indents, every digit kept."""
    return _indented(dict(content), 0)


def initial_of(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of a tariff."""
    fields = fields_of(content)
    shown = {"name": name, "document": pretty(content), "mode": JSON if fields is None else PRICES}
    return {**(fields or {"currency": content.get("currency", "")}), **shown}


def _component(kind: str, price: Decimal, vat: Decimal | None) -> dict[str, Any]:
    return {"type": kind, "price": price} if vat is None else {"type": kind, "price": price, "vat": vat}


def _limit(excl: Decimal | int, vat: Decimal | int | None) -> dict[str, Decimal]:
    """Whole numbers of JSON are no decimals yet; of money nothing is ever a float."""
    exact = Decimal(excl)
    return {"excl_vat": exact, "incl_vat": exact * (100 + Decimal(vat or 0)) / 100}


def _fields(content: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"currency": content["currency"]}
    *night, whole = content["elements"]
    if night:
        (only,) = night
        (component,) = only["price_components"]
        rules = only["restrictions"]
        values |= {
            "night": component["price"],
            "night_from": rules["start_time"],
            "night_to": rules["end_time"],
        }
    names = {kind: name for name, kind in _SINGLE.items()}
    for component in whole["price_components"]:
        values[names[component["type"]]] = component["price"]
        values["vat"] = component.get("vat")
    if "max_price" in content:
        values["most"] = content["max_price"]["excl_vat"]
    return values


def _cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """As the form would hand them on."""
    form = forms.TimeField()
    times = {name: form.clean(values[name]) for name in ("night_from", "night_to") if name in values}
    return {**values, **times}


def _plain(value: Any) -> Any:
    """Without the order and the zeros that mean nothing."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items() if (name, inner) != ("step_size", 0)}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def _indented(value: Any, depth: int) -> str:
    inside, outside = "  " * (depth + 1), "  " * depth
    if isinstance(value, Mapping) and value:
        rows = [
            f"{inside}{documents.dumps_any(name)}: {_indented(one, depth + 1)}" for name, one in value.items()
        ]
        return "{\n" + ",\n".join(rows) + f"\n{outside}}}"
    if isinstance(value, list) and value and any(isinstance(one, Mapping | list) for one in value):
        rows = [f"{inside}{_indented(one, depth + 1)}" for one in value]
        return "[\n" + ",\n".join(rows) + f"\n{outside}]"
    return documents.dumps_any(value)
