"""Objects that are handed on as OCPP 2.1 has them, described by its own schemas with nothing left to look up."""

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from stations.domain.grid_support import FIELD_OF
from stations.domain.words import Version
from stations.ocpp import schemas

LEFT_OUT = frozenset({"javaType", "$id", "$schema", "comment"})
VENDOR_DATA = "CustomDataType"


@cache
def _definitions(action: str) -> dict[str, Any]:
    return schemas.document(Version.V21, action)


def ocpp_type(action: str, name: str, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The type of that name from the request's schema, as OpenAPI takes it."""
    whole = _definitions(action)
    described: dict[str, Any] = _inlined(whole["definitions"][name], whole)
    return {**described, "required": []} if may_be_empty else described


def ocpp_parts(action: str, names: tuple[str, ...]) -> dict[str, Any]:
    """One of several properties of the request."""
    whole = _definitions(action)
    return {"oneOf": [_inlined(whole["properties"][name], whole) for name in names]}


def _inlined(part: Any, whole: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(one, whole) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        part = {**whole["definitions"][part["$ref"].rpartition("/")[2]], **part}
    kept = {name: value for name, value in part.items() if name not in LEFT_OUT | {"$ref"}}
    if "properties" in kept:
        kept["properties"] = {
            name: _inlined(value, whole)
            for name, value in kept["properties"].items()
            if not value.get("$ref", "").endswith(VENDOR_DATA)
        }
    return {name: value if name == "properties" else _inlined(value, whole) for name, value in kept.items()}


@extend_schema_field(ocpp_type("SetDefaultTariff", "TariffType"))
class OcppTariff(serializers.DictField):
    """A ``TariffType`` of OCPP 2.1."""


@extend_schema_field(ocpp_type("SetChargingProfile", "SalesTariffType"))
class SalesTariff(serializers.DictField):
    """A ``SalesTariffType``, for cars of ISO 15118-2."""


@extend_schema_field(ocpp_type("SetChargingProfile", "AbsolutePriceScheduleType"))
class AbsolutePrices(serializers.DictField):
    """An ``AbsolutePriceScheduleType``, for cars of ISO 15118-20."""


@extend_schema_field(ocpp_type("SetChargingProfile", "PriceLevelScheduleType"))
class PriceLevels(serializers.DictField):
    """A ``PriceLevelScheduleType``, for cars of ISO 15118-20."""


@extend_schema_field(ocpp_type("SetDefaultTariff", "TariffType", may_be_empty=True))
class ShownTariff(serializers.DictField):
    """A ``TariffType`` of OCPP 2.1; empty where it is not known."""


@extend_schema_field(ocpp_type("NotifySettlement", "AddressType", may_be_empty=True))
class ShownAddress(serializers.DictField):
    """An ``AddressType`` of OCPP 2.1; empty where none was told."""


@extend_schema_field(ocpp_parts("SetDERControl", tuple(sorted(set(FIELD_OF.values())))))
class DerSettings(serializers.DictField):
    """The object of ``SetDERControl`` that belongs to the type of the control."""
