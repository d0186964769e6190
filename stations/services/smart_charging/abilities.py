"""What stations said of their smart charging: 2.x SmartChargingCtrlr, or the keys of 1.6."""

from collections.abc import Mapping
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Lower

from stations.domain.charging_rules import Abilities
from stations.models import Connector, Variable

CONTROLLER = "SmartChargingCtrlr"
UNITS: Mapping[str, str] = {"a": "A", "current": "A", "w": "W", "power": "W"}
STACK_LEVEL = ("profilestacklevel", "chargeprofilemaxstacklevel")
PERIODS = ("periodsperschedule", "chargingschedulemaxperiods")
RATE_UNIT = ("rateunit", "chargingscheduleallowedchargingrateunit")
RESERVED_IDS = ("maxexternalconstraintsid",)
FEATURES = "supportedfeatureprofiles"
NAMES = (*STACK_LEVEL, *PERIODS, *RATE_UNIT, *RESERVED_IDS, FEATURES)


def of(station_id: UUID) -> Abilities:
    """What is known of the station; what it never told is left open."""
    told = _told(station_id)
    features = told.get(FEATURES)
    return Abilities(
        max_stack_level=_number(told, STACK_LEVEL),
        max_periods=_number(told, PERIODS) or None,
        rate_units=_units(told),
        reserved_ids=_number(told, RESERVED_IDS) or 0,
        offered=features is None or "smartcharging" in features.lower().replace(" ", ""),
    )


def rated_w(station_id: UUID, evse_id: int, station_max_w: int | None) -> int | None:
    """The most that the EVSE can give: of its connectors, its device model, else of the whole station."""
    connectors = Connector.objects.filter(evse__station_id=station_id, evse__evse_id=evse_id)
    known = [power for power in connectors.values_list("max_power_w", flat=True) if power]
    told = Variable.objects.filter(
        station_id=station_id, component="EVSE", evse_id=evse_id, variable="Power", attribute="MaxSet"
    ).values_list("value", flat=True)
    known += [int(float(value)) for value in told if value and _is_number(value)]
    known += [station_max_w] if station_max_w else []
    return min((power for power in known if power > 0), default=None)


def _told(station_id: UUID) -> dict[str, str]:
    rows = Variable.objects.annotate(folded=Lower("variable")).filter(
        Q(component__iexact=CONTROLLER) | Q(component=""),
        station_id=station_id,
        attribute="Actual",
        folded__in=NAMES,
    )
    return {row.variable.lower(): row.value for row in rows if row.value}


def _number(told: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    values = [told[name] for name in names if name in told]
    return int(values[0]) if values and values[0].isascii() and values[0].isdigit() else None


def _units(told: Mapping[str, str]) -> tuple[str, ...]:
    words = next((told[name] for name in RATE_UNIT if name in told), "")
    units = [UNITS[word.strip().lower()] for word in words.split(",") if word.strip().lower() in UNITS]
    return tuple(dict.fromkeys(units))


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 12
