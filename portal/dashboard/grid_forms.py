"""The form of each type of grid control: its fields, and how what is filled in becomes settings (2.1 R04)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.formats import localize
from django.utils.translation import gettext as _

from core import clock
from core.errors import Invalid
from portal.dashboard.grid_words import SETTING, UNIT
from portal.dashboard.templatetags.chargeyard import moment, span
from portal.dashboard.words import Text
from stations.domain import intents
from stations.domain.grid_support import CURVES, FIELD_OF

POINTS_MAX = 10
LARGEST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Field:
    """A number of a form, by OCPP's name."""

    name: str
    required: bool = True
    least: int | None = None
    most: int | None = None

    @property
    def text(self) -> Text:
        return SETTING[self.name]


@dataclass(frozen=True, slots=True)
class ControlForm:
    """What is asked for one type. ``units`` are offered where the type has one; ``timed`` ones may end."""

    control_type: str
    fields: tuple[Field, ...]
    units: tuple[str, ...] = ()
    curve: bool = False
    timed: bool = True

    @property
    def unit_texts(self) -> list[tuple[str, Text]]:
        return [(unit, UNIT[unit]) for unit in self.units]


RESPONSE = Field("responseTime", required=False, least=0)
FIELDS: Mapping[str, tuple[Field, ...]] = {
    "enterService": (
        Field("highVoltage"),
        Field("lowVoltage"),
        Field("highFreq"),
        Field("lowFreq"),
        Field("delay", required=False, least=0),
        Field("randomDelay", required=False, least=0),
        Field("rampRate", required=False, least=0),
    ),
    "fixedPFAbsorb": (Field("displacement", least=0, most=1),),
    "fixedPFInject": (Field("displacement", least=0, most=1),),
    "fixedVar": (Field("setpoint", least=-100, most=100),),
    "freqDroop": (
        Field("overFreq"),
        Field("underFreq"),
        Field("overDroop"),
        Field("underDroop"),
        Field("responseTime", least=0),
    ),
    "gradient": (Field("gradient", least=0), Field("softGradient", least=0)),
    "limitMaxDischarge": (Field("pctMaxDischargePower", least=0, most=100),),
    "curve": (RESPONSE,),
}
UNITS: Mapping[str, tuple[str, ...]] = {
    "fixedVar": ("PctMaxVar", "PctVarAvail", "PctMaxW"),
    "curve": tuple(UNIT),
}
ORDER: Mapping[str, int] = {
    name: place
    for place, name in enumerate([*SETTING, "curveData", "yUnit", "unit", "startTime", "duration"])
}
UNTIMED = frozenset({"enterService", "gradient"})
EXCITED: Mapping[str, bool] = {"fixedPFAbsorb": True, "fixedPFInject": False}


def form_of(control_type: str) -> ControlForm:
    """Raises :class:`Invalid` for a type that OCPP does not list."""
    if control_type not in FIELD_OF:
        raise Invalid(_("Choose a type of control."), field="control_type")
    place = FIELD_OF[control_type]
    return ControlForm(
        control_type=control_type,
        fields=FIELDS[place],
        units=UNITS.get(place, ()),
        curve=control_type in CURVES,
        timed=place not in UNTIMED,
    )


def control(values: QueryDict, zone: ZoneInfo) -> intents.SetDerControl:
    """The filled-in form. Raises :class:`Invalid` with the field that is wrong."""
    form = form_of(values.get("control_type", ""))
    lasting = not form.timed or values.get("lasts") != "while"
    settings: dict[str, Any] = {"priority": _whole(values, "priority")}
    settings.update(_numbers(form, values))
    if form.units:
        settings["yUnit" if form.curve else "unit"] = _unit(form, values)
    if form.curve:
        settings["curveData"] = _points(values.get("points", ""))
    if FIELD_OF[form.control_type] in EXCITED:
        settings["excitation"] = EXCITED[FIELD_OF[form.control_type]]
    if not lasting:
        settings.update(_while(values, zone))
    return intents.SetDerControl(control_type=form.control_type, settings=settings, is_default=lasting)


def summary(settings: Mapping[str, Any], zone: str) -> list[str]:
    """The settings of a control that a station told, in words; what is not known here by OCPP's name."""
    known = sorted(settings, key=lambda name: ORDER.get(name, len(ORDER)))
    return [line for name in known if (line := _line(name, settings, zone))]


def _line(name: str, settings: Mapping[str, Any], zone: str) -> str:
    value = settings[name]
    if name == "curveData" and isinstance(value, list):
        return ", ".join(_point(point) for point in value if isinstance(point, dict))
    if name in ("unit", "yUnit"):
        return str(UNIT.get(value, value))
    if name == "startTime" and (start := _moment(value)):
        return _("from %s") % moment(start, zone)
    if name == "duration" and isinstance(value, int | float):
        return _("for %s") % span(value)
    plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    return f"{SETTING.get(name, name)} {_shown(value)}" if plain else ""


def _point(point: Mapping[str, Any]) -> str:
    return f"{_shown(point.get('x'))} → {_shown(point.get('y'))}"


def _shown(value: Any) -> str:
    """A number in the reader's language, as exact as it was told."""
    return localize(Decimal(str(value))) if isinstance(value, float) else str(value)


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _numbers(form: ControlForm, values: QueryDict) -> Iterator[tuple[str, float]]:
    for field in form.fields:
        text = values.get(field.name, "").strip()
        if text or field.required:
            yield field.name, float(_number(text, field))


def _number(text: str, field: Field) -> Decimal:
    try:
        value = Decimal(text.replace(",", "."))
    except InvalidOperation as error:
        raise Invalid(_("“%(name)s” is to be a number.") % {"name": field.text}, field=field.name) from error
    low = -LARGEST if field.least is None else field.least
    high = LARGEST if field.most is None else field.most
    if not value.is_finite() or not low <= value <= high:
        raise Invalid(_("“%(name)s” is out of its range.") % {"name": field.text}, field=field.name)
    return value


def _whole(values: QueryDict, name: str) -> int:
    text = values.get(name, "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid(_("A whole number is expected."), field=name)
    return int(text)


def _unit(form: ControlForm, values: QueryDict) -> str:
    chosen = values.get("unit", "")
    if chosen not in form.units:
        raise Invalid(_("Choose a unit."), field="unit")
    return chosen


def _points(text: str) -> list[dict[str, float]]:
    """One point a line: what is measured, then what follows from it."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not 1 <= len(lines) <= POINTS_MAX or any(len(line) != 2 for line in lines):
        raise Invalid(
            _("Write one to %d points, one a line: two numbers with a blank between them.") % POINTS_MAX,
            field="points",
        )
    try:
        pairs = [[Decimal(number.replace(",", ".")) for number in line] for line in lines]
    except InvalidOperation as error:
        raise Invalid(_("A point is two numbers."), field="points") from error
    if not all(number.is_finite() and abs(number) <= LARGEST for pair in pairs for number in pair):
        raise Invalid(_("A point is two numbers."), field="points")
    return [{"x": float(x), "y": float(y)} for x, y in pairs]


def _while(values: QueryDict, zone: ZoneInfo) -> dict[str, Any]:
    minutes = _whole(values, "duration")
    if minutes == 0:
        raise Invalid(_("Say for how many minutes it holds."), field="duration")
    text = values.get("starts", "").strip()
    try:
        start = datetime.fromisoformat(text).replace(tzinfo=zone) if text else clock.now()
    except ValueError as error:
        raise Invalid(_("Enter the start as a date with time."), field="starts") from error
    return {"startTime": clock.to_wire(start), "duration": minutes * 60}
