"""``kind``, ``address`` and ``vat_id`` of a driver: what documents say of who pays for the driver's sessions."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.models import AccountKind, BillingAccount, Buyer
from billing.services import parties
from core.access import Actor
from core.errors import Invalid
from drivers.models import Driver
from portal.api.resource import StrictSerializer

KINDS = ["person", "company"]
FIELDS = ("kind", "address", "vat_id")
IN_ADDRESS = ("street", "postal_code", "city", "country")


class AddressBody(StrictSerializer):
    """As it stands on invoices; what is left out is empty."""

    street = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True, default="")
    city = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    country = serializers.CharField(
        max_length=3, required=False, allow_blank=True, default="", help_text="ISO 3166-1"
    )


class WithPayer(serializers.Serializer):
    """Written."""

    kind = serializers.ChoiceField(
        KINDS, required=False, help_text="Whom invoices are made out to; PUT leaves it where it is left out"
    )
    address = AddressBody(required=False, help_text="PUT leaves it where it is left out")
    vat_id = serializers.CharField(
        max_length=30, required=False, allow_blank=True, help_text="Its check digits are looked at"
    )


class AddressView(AddressBody):
    """The same, read."""


class OfPayer(serializers.Field):
    """Read of a driver; lists select ``billing_account__buyer``."""

    def __init__(self) -> None:
        super().__init__(source="*", read_only=True)


@extend_schema_field(serializers.ChoiceField(KINDS))
class KindShown(OfPayer):
    def to_representation(self, driver: Driver) -> str:
        account = _account_of(driver)
        return "company" if account and account.kind == AccountKind.COMPANY else "person"


@extend_schema_field(AddressView)
class AddressShown(OfPayer):
    def to_representation(self, driver: Driver) -> Any:
        return AddressView(_buyer_of(driver)).data


@extend_schema_field(serializers.CharField())
class VatIdShown(OfPayer):
    def to_representation(self, driver: Driver) -> str:
        return _buyer_of(driver).vat_id


def keep_payer(driver: Driver, wanted: dict[str, Any], *, by: Actor) -> None:
    """Store what was given. What is left out stays, of PUT as well: who bills may have entered it."""
    says_nothing = all(_is_nothing(value) for value in wanted.values())
    if not wanted or (says_nothing and _account_of(driver) is None):
        return
    address = wanted.get("address")
    details = {} if address is None else {name: address.get(name, "") for name in IN_ADDRESS}
    if "vat_id" in wanted:
        details["vat_id"] = wanted["vat_id"]
    try:
        parties.save_driver(driver, details, company=_is_company(wanted), by=by)
    except Invalid as error:
        if error.field in IN_ADDRESS:
            raise Invalid(error.message, field=f"address.{error.field}") from error
        raise


def _is_nothing(value: Any) -> bool:
    return value in ("", "person") or (isinstance(value, dict) and not any(value.values()))


def _is_company(wanted: dict[str, Any]) -> bool | None:
    return wanted["kind"] == "company" if "kind" in wanted else None


def _account_of(driver: Driver) -> BillingAccount | None:
    return getattr(driver, "billing_account", None)


def _buyer_of(driver: Driver) -> Buyer:
    return getattr(_account_of(driver), "buyer", None) or Buyer()
