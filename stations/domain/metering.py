"""Sampled values of every version made into typed figures: Wh, W, A, V, percent, degrees Celsius.

Nothing here raises over what a station measured: what cannot be used is flagged, and the sampled values
stay verbatim beside the figures (ocpp.md P170 to P178). On the hot path: dictionaries decide, not patterns.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from stations.domain.events import Json, MeterSample

DEFAULT_CONTEXT = "Sample.Periodic"
BEGIN = "Transaction.Begin"
END = "Transaction.End"
CONTEXT_MAX = 30
NUMBER_TEXT_MAX = 64
POWER_MAX = 1000
MAX_REGISTER_WH = Decimal("9999999999999.999")


Phases = tuple[Decimal | None, Decimal | None, Decimal | None]


class SampleFlag(StrEnum):
    """Why a person should look at a meter value."""

    NOT_A_NUMBER = "not_a_number"
    OUT_OF_RANGE = "out_of_range"
    UNIT_MISMATCH = "unit_mismatch"
    UNKNOWN_MEASURAND = "unknown_measurand"
    PHASES_SUMMED = "phases_summed"
    OTHER_LOCATION = "other_location"
    POWER_ELSEWHERE = "power_elsewhere"
    SIGNED = "signed"


class Quantity(NamedTuple):
    """Where a measurand goes: its figure by phase, and the power of ten of each unit that fits."""

    figures: Mapping[Any, str]
    powers: Mapping[Any, int]


class Target(NamedTuple):
    """The figure that a sample becomes, its power of ten, and what fits: any number of fewer digits before the
    point than ``digits``, else up to ``limit``, rounded to ``step``."""

    figure: str
    shift: int
    digits: int
    limit: Decimal
    step: Decimal


def _phased(name: str) -> dict[str | None, str]:
    figures: dict[str | None, str] = {None: name}
    for number in ("1", "2", "3"):
        figures[f"L{number}"] = figures[f"L{number}-N"] = f"{name}.{number}"
    return figures


CELSIUS = 0
KELVIN = 1001
FAHRENHEIT = 1002
_ENERGY: Mapping[Any, int] = {None: 0, "Wh": 0, "kWh": 3, "MWh": 6}
_POWER: Mapping[Any, int] = {None: 0, "W": 0, "kW": 3, "MW": 6}
_CURRENT: Mapping[Any, int] = {None: 0, "A": 0, "mA": -3, "kA": 3}
_VOLTAGE: Mapping[Any, int] = {None: 0, "V": 0, "mV": -3, "kV": 3}
_PERCENT: Mapping[Any, int] = {None: 0, "Percent": 0, "%": 0}
_TEMPERATURE: Mapping[Any, int] = {
    None: CELSIUS, "Celsius": CELSIUS, "Celcius": CELSIUS, "C": CELSIUS, "°C": CELSIUS,
    "K": KELVIN, "Kelvin": KELVIN, "Fahrenheit": FAHRENHEIT, "F": FAHRENHEIT,
}  # fmt: skip

REGISTER = "Energy.Active.Import.Register"
EXPORT_REGISTER = "Energy.Active.Export.Register"
QUANTITIES: Mapping[Any, Quantity] = {
    REGISTER: Quantity(_phased("energy"), _ENERGY),
    None: Quantity(_phased("energy"), _ENERGY),
    "Power.Active.Import": Quantity(_phased("power"), _POWER),
    "Power.Offered": Quantity({None: "offered_power"}, _POWER),
    "Current.Import": Quantity(_phased("current"), _CURRENT),
    "Current.Offered": Quantity({None: "offered_current"}, _CURRENT),
    "Voltage": Quantity(_phased("voltage"), _VOLTAGE),
    "SoC": Quantity({None: "soc"}, _PERCENT),
    "Temperature": Quantity({None: "temperature"}, _TEMPERATURE),
}
VERBATIM_ONLY = frozenset(
    {
        "Current.Export", "Current.Export.Offered", "Current.Export.Minimum", "Current.Import.Offered",
        "Current.Import.Minimum", "Display.PresentSOC", "Display.MinimumSOC", "Display.TargetSOC",
        "Display.MaximumSOC", "Display.RemainingTimeToMinimumSOC", "Display.RemainingTimeToTargetSOC",
        "Display.RemainingTimeToMaximumSOC", "Display.ChargingComplete", "Display.BatteryEnergyCapacity",
        "Display.InletHot", "Energy.Active.Export.Interval", "Energy.Active.Export.Register",
        "Energy.Active.Import.Interval", "Energy.Active.Import.CableLoss",
        "Energy.Active.Import.LocalGeneration.Register", "Energy.Active.Net", "Energy.Active.Setpoint.Interval",
        "Energy.Apparent.Export", "Energy.Apparent.Import", "Energy.Apparent.Net", "Energy.Reactive.Export",
        "Energy.Reactive.Export.Interval", "Energy.Reactive.Export.Register", "Energy.Reactive.Import",
        "Energy.Reactive.Import.Interval", "Energy.Reactive.Import.Register", "Energy.Reactive.Net",
        "EnergyRequest.Target", "EnergyRequest.Minimum", "EnergyRequest.Maximum",
        "EnergyRequest.Minimum.V2X", "EnergyRequest.Maximum.V2X", "EnergyRequest.Bulk", "Frequency",
        "Power.Active.Export", "Power.Active.Setpoint", "Power.Active.Residual", "Power.Export.Minimum",
        "Power.Export.Offered", "Power.Factor", "Power.Import.Offered", "Power.Import.Minimum",
        "Power.Reactive.Export", "Power.Reactive.Import", "RPM", "Voltage.Minimum", "Voltage.Maximum",
    }
)  # fmt: skip
_MEASURAND_BY_LOWER = {name.lower(): name for name in QUANTITIES if name}
_VERBATIM_BY_LOWER = frozenset(name.lower() for name in VERBATIM_ONLY)

_ANY_LOCATION = frozenset({"soc", "temperature"})
_OUTLET = frozenset({None, "", "Outlet"})
_CURRENTS = ("current.1", "current.2", "current.3")
_VOLTAGES = ("voltage.1", "voltage.2", "voltage.3")
_WH = Decimal("0.001")
_TENTH = Decimal("0.1")
_HUNDREDTH = Decimal("0.01")
_LIMITS: Mapping[str, tuple[Decimal, Decimal]] = {
    "energy": (MAX_REGISTER_WH, _WH),
    "power": (Decimal("99999999999.9"), _TENTH),
    "current": (Decimal("999999.99"), _HUNDREDTH),
    "voltage": (Decimal("999999.99"), _HUNDREDTH),
    "soc": (Decimal("9999.9"), _TENTH),
    "temperature": (Decimal("99999.9"), _TENTH),
    "offered_power": (Decimal("99999999999.9"), _TENTH),
    "offered_current": (Decimal("999999.99"), _HUNDREDTH),
}


def _target(quantity: Quantity, phase: Any, shift: int) -> Target | None:
    figure = quantity.figures.get(phase or None)
    if figure is None:
        return None
    limit, step = _LIMITS[figure.partition(".")[0]]
    return Target(figure, shift, limit.adjusted(), limit, step)


# What most stations say word for word, found by one look.
_TARGETS: Mapping[Any, Target] = {
    (measurand, unit, phase): target
    for measurand, quantity in QUANTITIES.items()
    for unit, shift in quantity.powers.items()
    for phase in quantity.figures
    if (target := _target(quantity, phase, shift))
}


def from_v16(
    sampled: Sequence[Json],
    *,
    occurred_at: datetime,
    factor: Decimal | None = None,
    flags: Iterable[str] = (),
) -> MeterSample:
    """One 1.6 meter value, whose values are texts. ``factor`` corrects the registers (P171)."""
    tally = _Tally(flags)
    for sample in sampled:
        get = sample.get
        context = get("context")
        if get("format") == "SignedData":
            tally.flags.append(SampleFlag.SIGNED)
            continue
        tally.add(get("measurand"), get("unit"), 0, get("phase"), get("location"), context, get("value"))
    return tally.sample(sampled, occurred_at, factor)


def from_v2x(
    sampled: Sequence[Json],
    *,
    occurred_at: datetime,
    factor: Decimal | None = None,
    flags: Iterable[str] = (),
) -> MeterSample:
    """One 2.x meter value: numbers with a unit and a power of ten (P178), signed values beside them."""
    tally = _Tally(flags)
    for sample in sampled:
        get = sample.get
        unit = get("unitOfMeasure")
        if get("signedMeterValue"):
            tally.flags.append(SampleFlag.SIGNED)
        tally.add(
            get("measurand"),
            unit.get("unit") if unit else None,
            _multiplier(unit) if unit else 0,
            get("phase"),
            get("location"),
            get("context"),
            get("value"),
        )
    return tally.sample(sampled, occurred_at, factor)


def register_wh(value: Any, factor: Decimal | None = None) -> tuple[Decimal, tuple[str, ...]]:
    """A register of a 1.6 start or stop in Wh, with flags; never wider than a column can hold."""
    number = _number(value)
    if number is None:
        return Decimal(0), (SampleFlag.NOT_A_NUMBER.value,)
    if number.adjusted() > 20:
        number = MAX_REGISTER_WH.copy_sign(number) * 10
    if factor is not None:
        number *= factor
    if abs(number) > MAX_REGISTER_WH:
        return MAX_REGISTER_WH.copy_sign(number), (SampleFlag.OUT_OF_RANGE.value,)
    return number.quantize(_WH), ()


def exported_wh(samples: Iterable[Json]) -> Decimal | None:
    """The register of what the car gave back (V2G) among sampled values; ``None`` where none tells it, or badly."""
    for sample in samples:
        place = sample.get("phase"), sample.get("location") in _OUTLET
        if sample.get("measurand") != EXPORT_REGISTER or place != (None, True):
            continue
        told = sample.get("unitOfMeasure") or {}
        shift = _ENERGY.get(told.get("unit") or sample.get("unit"))
        number = _number(sample.get("value"))
        if shift is None or number is None or number.adjusted() > 20:
            return None
        found = _scaled(number, shift, _multiplier(told) if told else 0)
        return found.quantize(_WH) if abs(found) <= MAX_REGISTER_WH else None
    return None


def packed(samples: Sequence[Json]) -> bytes:
    """The sampled values as JSON text, decimals with the digits that were sent."""
    return orjson.dumps(samples, default=_as_sent)


def digest(samples: Sequence[Json]) -> int:
    """What a repeated meter value is known by (M-02): 64 bits, signed as the column is."""
    return digest_of(packed(samples))


def digest_of(text: bytes) -> int:
    """The :func:`digest` of sampled values that are packed already."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


def signed_values(samples: Iterable[Json]) -> list[tuple[Json, str]]:
    """The signed values among sampled ones, each with its context, as the station wrote them (P174)."""
    found: list[tuple[Json, str]] = []
    for sample in samples:
        context = str(sample.get("context") or DEFAULT_CONTEXT)
        if isinstance(sample.get("signedMeterValue"), Mapping):
            found.append((sample["signedMeterValue"], context))
        elif sample.get("format") == "SignedData":
            found.append(({"signedMeterData": sample.get("value", "")}, context))
    return found


class _Tally:
    """The figures of one meter value while its sampled values are gone through."""

    __slots__ = ("context", "elsewhere", "figures", "flags", "with_register")

    def __init__(self, flags: Iterable[str]) -> None:
        self.figures: dict[str, Decimal] = {}
        self.elsewhere: dict[str, Decimal] = {}
        self.flags: list[str] = list(flags)
        self.context: str | None = None
        self.with_register = False

    def add(
        self, measurand: Any, unit: Any, power: int, phase: Any, location: Any, context: Any, value: Any
    ) -> None:
        target = _TARGETS.get((measurand, unit, phase)) or self._loosely_meant(measurand, unit, phase)
        if target is None:
            return
        number = _number(value)
        if number is None:
            self.flags.append(SampleFlag.NOT_A_NUMBER)
            return
        figure, shift, digits, limit, step = target
        if shift or power:
            number = _scaled(number, shift, power)
        if (size := number.adjusted()) >= digits and (size > 20 or abs(number) > limit):
            self.flags.append(SampleFlag.OUT_OF_RANGE)
            return
        self._keep(figure, number.quantize(step), location, context)

    def _loosely_meant(self, measurand: Any, unit: Any, phase: Any) -> Target | None:
        quantity = QUANTITIES.get(measurand) or self._loosely_known(measurand)
        if quantity is None or (phase or None) not in quantity.figures:
            return None
        shift = quantity.powers.get(unit)
        if shift is None and (shift := _loose_power(quantity, unit)) is None:
            self.flags.append(SampleFlag.UNIT_MISMATCH)
            return None
        return _target(quantity, phase, shift)

    def _keep(self, figure: str, number: Decimal, location: Any, context: Any) -> None:
        register = figure[:6] == "energy"
        if self.context is None or (register and not self.with_register) or (register and context == END):
            self.context = context or DEFAULT_CONTEXT
            self.with_register = self.with_register or register
        target = self.figures if location in _OUTLET or figure in _ANY_LOCATION else self.elsewhere
        if figure not in target or context == END:
            target[figure] = number

    def _loosely_known(self, measurand: Any) -> Quantity | None:
        if measurand in VERBATIM_ONLY:
            return None
        name = str(measurand).strip().lower()
        if name in _MEASURAND_BY_LOWER:
            return QUANTITIES[_MEASURAND_BY_LOWER[name]]
        if not name:
            return QUANTITIES[None]
        if name not in _VERBATIM_BY_LOWER:
            self.flags.append(SampleFlag.UNKNOWN_MEASURAND)
        return None

    def sample(self, sampled: Sequence[Json], occurred_at: datetime, factor: Decimal | None) -> MeterSample:
        figure = self.figures.get
        energy = self._total("energy")
        if energy is not None and factor is not None:
            energy = self._fitting(energy * factor)
        return MeterSample(
            occurred_at,
            sampled,
            (self.context or DEFAULT_CONTEXT)[:CONTEXT_MAX],
            energy,
            self._total("power"),
            *self._phases("current", _CURRENTS),
            *self._phases("voltage", _VOLTAGES),
            figure("soc"),
            figure("temperature"),
            figure("offered_power"),
            figure("offered_current"),
            tuple(dict.fromkeys(str(flag) for flag in self.flags)) if self.flags else (),
        )

    def _phases(self, whole: str, names: Sequence[str]) -> Phases:
        """L1, L2 and L3; what was told of no phase counts as the first's."""
        figure = self.figures.get
        l1, l2, l3 = figure(names[0]), figure(names[1]), figure(names[2])
        return (figure(whole), None, None) if l1 is l2 is l3 is None else (l1, l2, l3)

    def _total(self, name: str) -> Decimal | None:
        """The total, else the sum of the phases (P173), else what was measured elsewhere than at the outlet."""
        total = self._sum(self.figures, name)
        if total is None and self.elsewhere:
            total = self._sum(self.elsewhere, name)
            if total is not None:
                self.flags.append(
                    SampleFlag.OTHER_LOCATION if name == "energy" else SampleFlag.POWER_ELSEWHERE
                )
        return total

    def _sum(self, figures: Mapping[str, Decimal], name: str) -> Decimal | None:
        total = figures.get(name)
        if total is not None:
            return total
        phases = [figures[key] for key in (f"{name}.1", f"{name}.2", f"{name}.3") if key in figures]
        if not phases:
            return None
        summed = sum(phases, Decimal(0))
        if abs(summed) > _LIMITS[name][0]:
            self.flags.append(SampleFlag.OUT_OF_RANGE)
            return None
        self.flags.append(SampleFlag.PHASES_SUMMED)
        return summed

    def _fitting(self, energy: Decimal) -> Decimal | None:
        if abs(energy) <= MAX_REGISTER_WH:
            return energy.quantize(_WH)
        self.flags.append(SampleFlag.OUT_OF_RANGE)
        return None


def _number(value: Any) -> Decimal | None:
    """A finite number from text or number; decimal commas are read, other texts are ``None`` (P172)."""
    if value.__class__ is not str:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return None
        value = str(value)
    if len(value) > NUMBER_TEXT_MAX:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        try:
            number = Decimal(value.replace(",", ".", 1))
        except InvalidOperation:
            return None
    return number if number.is_finite() else None


def _as_sent(number: Decimal) -> orjson.Fragment:
    return orjson.Fragment(str(number).encode())


def _multiplier(unit: Json) -> int:
    """The power of ten; one beyond all reason is cut, since what it is applied to is out of range anyway."""
    multiplier = unit.get("multiplier")
    if multiplier.__class__ is int and -POWER_MAX <= multiplier <= POWER_MAX:
        return int(multiplier)
    if isinstance(multiplier, bool) or not isinstance(multiplier, int | float | Decimal):
        return 0
    return int(max(-POWER_MAX, min(multiplier, POWER_MAX)))


def _scaled(number: Decimal, shift: int, power: int) -> Decimal:
    if shift < KELVIN:
        exponent = shift + power
        return (
            number.scaleb(exponent)
            if -60 <= exponent <= 60 and abs(number.adjusted()) < 60
            else Decimal("1E+30")
        )
    number = number.scaleb(power) if -60 <= power <= 60 and abs(number.adjusted()) < 60 else Decimal("1E+30")
    return number - Decimal("273.15") if shift == KELVIN else (number - 32) * 5 / 9


def _loose_power(quantity: Quantity, unit: Any) -> int | None:
    """The power of ten of a unit in another case or with blanks around it (P083, P084)."""
    name = str(unit).strip().lower()
    if not name:
        return 0
    return next((power for key, power in quantity.powers.items() if key and key.lower() == name), None)
