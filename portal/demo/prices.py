"""The demo's prices: one tariff for everybody, cheaper at night, with a fee for a car that stays."""

from decimal import Decimal
from typing import Any

from core.access import Actor
from core.models import Organization
from stations.services import tariff_assignments
from tariffs import publishing
from tariffs.models import Tariff

NAME = "Day and night"
VAT = Decimal(19)


def ensure(organization: Organization, *, by: Actor) -> None:
    """Published and in force everywhere; a second call changes nothing."""
    if Tariff.objects.filter(organization=organization).exists():
        return
    draft = publishing.create(_content(), name=NAME, by=by)
    version = publishing.publish(draft, by=by)
    tariff_assignments.assign(version.tariff, place=None, by=by)


def _content() -> dict[str, Any]:
    night = {"start_time": "22:00", "end_time": "06:00"}
    return {
        "country_code": "DE",
        "party_id": "CHY",
        "id": "DAY-AND-NIGHT",
        "currency": "EUR",
        "elements": [
            {"price_components": [_price("ENERGY", "0.35")], "restrictions": night},
            {"price_components": [_price("ENERGY", "0.45"), _price("PARKING_TIME", "3.00")]},
        ],
        "max_price": {"excl_vat": Decimal("60.00"), "incl_vat": Decimal("71.40")},
    }


def _price(kind: str, price: str) -> dict[str, Any]:
    return {"type": kind, "price": Decimal(price), "vat": VAT}
