"""Tariffs at a station and the cost of a session there, as a person asks for them on the tab Display."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import orjson
from django.http import QueryDict
from django.utils.translation import gettext as _

from core.errors import Invalid
from portal.dashboard.entry import OperatorRequest, load
from stations.domain import intents
from stations.domain.intents import Intent
from stations.models import ChargingStation, StationTariff

EXAMPLE = orjson.dumps(
    {"tariffId": "DAY-1", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.45}]}},
    option=orjson.OPT_INDENT_2,
).decode()
DECIMALS = 4


def _read(request: OperatorRequest, station: ChargingStation) -> Intent:
    return intents.GetTariffs()


def _clear(request: OperatorRequest, station: ChargingStation) -> Intent:
    """The named tariff at its EVSE, or every one."""
    named = request.POST.get("station_tariff", "")
    if not named:
        return intents.ClearTariffs()
    rows = StationTariff.objects.visible_to(request.actor).filter(station=station)
    row: StationTariff = load(rows, _id(named, "station_tariff", _("Choose a tariff.")))
    return intents.ClearTariffs(tariff_ids=(row.tariff_id,), evse_id=row.evse_id or None)


def _default(request: OperatorRequest, station: ChargingStation) -> Intent:
    return intents.SetDefaultTariff(tariff=_tariff(request.POST), evse_id=_evse(request.POST))


def _change(request: OperatorRequest, station: ChargingStation) -> Intent:
    own = not request.POST.get("tariff", "").strip()
    tariff = {} if own else _tariff(request.POST)
    return intents.ChangeTransactionTariff(transaction=_session(request.POST), tariff=tariff)


def _cost(request: OperatorRequest, station: ChargingStation) -> Intent:
    return intents.CostUpdated(transaction=_session(request.POST), total_cost=_money(request.POST))


def _tariff(values: QueryDict) -> Mapping[str, Any]:
    try:
        content = orjson.loads(values.get("tariff", ""))
    except orjson.JSONDecodeError as error:
        raise Invalid(_("The tariff is not JSON: %s.") % error, field="tariff") from error
    if not isinstance(content, dict):
        raise Invalid(_("The tariff is a JSON object."), field="tariff")
    return content


def _evse(values: QueryDict) -> int:
    text = values.get("evse_id", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Invalid(_("Choose an EVSE."), field="evse_id")
    return int(text) if text else 0


def _session(values: QueryDict) -> UUID:
    return _id(values.get("transaction", ""), "transaction", _("Choose a session."))


def _id(text: str, field: str, otherwise: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid(otherwise, field=field) from error


def _money(values: QueryDict) -> Decimal:
    try:
        amount = Decimal(values.get("total_cost", "").strip().replace(",", "."))
    except InvalidOperation as error:
        raise Invalid(_("Enter the cost as a number."), field="total_cost") from error
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DECIMALS:
        raise Invalid(_("Enter the cost as a number with at most four decimals."), field="total_cost")
    return amount


FORMS: Mapping[type[Intent], Callable[[OperatorRequest, ChargingStation], Intent]] = {
    intents.GetTariffs: _read,
    intents.ClearTariffs: _clear,
    intents.SetDefaultTariff: _default,
    intents.ChangeTransactionTariff: _change,
    intents.CostUpdated: _cost,
}
"""How the form of each kind of command is read."""
BY_NAME: Mapping[str, type[Intent]] = {kind.name: kind for kind in FORMS}
