"""Amounts of money on the wire: text with the decimals that their currency has."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.fields import get_attribute

from core.money import minor_units


class Amount(serializers.CharField):
    """Payable: whole minor units of the currency that stands at ``currency`` of the same object."""

    def __init__(self, *, currency: str = "currency", **options: Any) -> None:
        super().__init__(read_only=True, **options)
        self.currency = currency.split(".")

    def get_attribute(self, instance: Any) -> Any:
        value = super().get_attribute(instance)
        if value is None:
            return None
        return f"{Decimal(value):.{minor_units(get_attribute(instance, self.currency))}f}"


class Sum(serializers.DecimalField):
    """A sum in a body; the service refuses more decimals than the currency has."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=19, decimal_places=4, **options)


class Rate(serializers.CharField):
    """A rate of VAT in percent, as text without zeros that say nothing."""

    def to_representation(self, value: Any) -> str:
        text = f"{Decimal(value):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
