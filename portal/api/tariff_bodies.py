"""The OCPI tariff as the documentation tells it. Bodies are read by :mod:`tariffs.parsing`, which names every fault."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from portal.api.parsers import JsonParser
from tariffs import documents, pointers
from tariffs.structure import WEEKDAYS, Dimension, ReservationKind, TariffType, TaxIncluded

OCPI_EXAMPLE: Mapping[str, Any] = {
    "currency": "EUR",
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 0.35, "vat": 19}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00"},
        },
        {"price_components": [{"type": "ENERGY", "price": 0.45, "vat": 19}]},
    ],
}


class ExactJsonParser(JsonParser):
    """JSON whose figures keep their digits: decimals, never floats."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        text = stream.read()
        super().parse(BytesIO(text), media_type, parser_context)
        return pointers.loads(text)


class Figure(serializers.DecimalField):
    """A JSON number with the digits that were given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=32, decimal_places=20, coerce_to_string=False, **options)


class PriceComponent(serializers.Serializer):
    type = serializers.ChoiceField([word.value for word in Dimension])
    price = Figure(help_text="Per kWh, per hour, or once; without VAT unless `tax_included` says otherwise")
    vat = Figure(required=False, help_text="Percent; absent: no VAT applies")
    step_size = serializers.IntegerField(required=False, min_value=0, help_text="Wh or seconds")


class Restrictions(serializers.Serializer):
    start_time = serializers.CharField(required=False, help_text="Local, `HH:MM`")
    end_time = serializers.CharField(required=False)
    start_date = serializers.CharField(required=False)
    end_date = serializers.CharField(required=False, help_text="Exclusive")
    day_of_week = serializers.ListField(child=serializers.ChoiceField(WEEKDAYS), required=False)
    min_kwh = Figure(required=False)
    max_kwh = Figure(required=False)
    min_current = Figure(required=False)
    max_current = Figure(required=False)
    min_power = Figure(required=False)
    max_power = Figure(required=False)
    min_duration = serializers.IntegerField(required=False, help_text="Seconds")
    max_duration = serializers.IntegerField(required=False)
    reservation = serializers.ChoiceField([word.value for word in ReservationKind], required=False)


class Element(serializers.Serializer):
    price_components = PriceComponent(many=True)
    restrictions = Restrictions(required=False)


class PriceLimit(serializers.Serializer):
    excl_vat = Figure(required=False)
    incl_vat = Figure(required=False)
    before_taxes = Figure(required=False, help_text="OCPI 2.3.0")
    after_taxes = Figure(required=False)


class DisplayText(serializers.Serializer):
    language = serializers.CharField(max_length=2)
    text = serializers.CharField(max_length=512)


class OcpiTariff(serializers.Serializer):
    """A tariff of OCPI 2.2.1 or 2.3.0. Owner, id and currency are made up where they are left out."""

    country_code = serializers.CharField(max_length=2, required=False)
    party_id = serializers.CharField(max_length=3, required=False)
    id = serializers.CharField(max_length=36, required=False)
    currency = serializers.CharField(max_length=3, required=False)
    type = serializers.ChoiceField([word.value for word in TariffType], required=False)
    tariff_alt_text = DisplayText(many=True, required=False)
    tariff_alt_url = serializers.CharField(max_length=255, required=False)
    min_price = PriceLimit(required=False)
    max_price = PriceLimit(required=False)
    elements = Element(many=True)
    start_date_time = serializers.DateTimeField(required=False)
    end_date_time = serializers.DateTimeField(required=False)
    tax_included = serializers.ChoiceField([word.value for word in TaxIncluded], required=False)
    last_updated = serializers.DateTimeField(required=False)


class CdrDimensionBody(serializers.Serializer):
    type = serializers.CharField(
        help_text="`ENERGY`, `TIME`, `PARKING_TIME`, `RESERVATION_TIME`, `MIN_POWER`, …"
    )
    volume = Figure()


class ChargingPeriodBody(serializers.Serializer):
    start_date_time = serializers.DateTimeField()
    dimensions = CdrDimensionBody(many=True)


class CdrBody(serializers.Serializer):
    """What a price needs of an OCPI CDR; its own costs are not looked at."""

    start_date_time = serializers.DateTimeField()
    end_date_time = serializers.DateTimeField()
    charging_periods = ChargingPeriodBody(many=True)


def mapping_of(data: Any) -> dict[str, Any]:
    """The body, which has to be an object."""
    if not isinstance(data, Mapping):
        raise ValidationError({"non_field_errors": "An object is expected here."})
    return dict(data)


def shown(text: str) -> dict[str, Any]:
    """The stored text as it goes into an answer."""
    return documents.loads(text)
