"""``/tools/price/``: what a charge detail record costs by a tariff (tariffs section 14)."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.portal.api.test_tariffs import BODY, pointers_of

PRICE = "/api/v1/tools/price/"


def priced(api: APIClient, **changes: Any) -> Any:
    cdr = {
        "start_date_time": "2026-03-02T19:50:00Z",
        "end_date_time": "2026-03-02T21:05:00Z",
        "charging_periods": [
            {"start_date_time": "2026-03-02T19:50:00Z", "dimensions": [
                {"type": "ENERGY", "volume": 8.125}, {"type": "TIME", "volume": Decimal("0.416666")}]},
            {"start_date_time": "2026-03-02T20:15:00Z", "dimensions": [
                {"type": "ENERGY", "volume": 13.4}, {"type": "TIME", "volume": Decimal("0.833333")}]},
        ],
    }  # fmt: skip
    tariff = {
        "currency": "EUR",
        "elements": [
            {"price_components": [{"type": "ENERGY", "price": 0.61, "vat": 21}],
             "restrictions": {"start_time": "06:30", "end_time": "21:15"}},
            {"price_components": [{"type": "ENERGY", "price": 0.43, "vat": 21},
                                  {"type": "TIME", "price": 0.9, "vat": 21}]},
            {"price_components": [{"type": "FLAT", "price": 0.85, "vat": 21}]},
        ],
    }  # fmt: skip
    body = {"tariff": tariff, "cdr": cdr, "time_zone": "Europe/Amsterdam", **changes}
    return api.post(PRICE, {name: value for name, value in body.items() if value is not None}, format="json")


def test_the_example_of_section_3_has_its_price(api: APIClient) -> None:
    answer = priced(api).json()

    assert answer["total_cost"] == {"excl_vat": "12.6933", "incl_vat": "15.3588"}
    assert answer["total_energy_cost"] == {"excl_vat": "10.7183", "incl_vat": "12.9691"}
    assert answer["payable"] == {"excl_vat": "12.69", "incl_vat": "15.36", "vat": "2.67"}
    assert answer["policy"] == "session-vat-group/1"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"tariff": None}, "/tariff"),
        ({"cdr": []}, "/cdr"),
        ({"tariff": {"currency": "EUR", "elements": [{"price_components": [{"type": "X", "price": 1}]}]}},
         "/tariff/elements/0/price_components/0/type"),
        ({"cdr": {"start_date_time": "soon"}}, "/cdr/start_date_time"),
        ({"time_zone": None}, "/time_zone"),
        ({"time_zone": "Mars"}, "/time_zone"),
        ({"basis": "both"}, "/basis"),
        ({"policy": "mine"}, "/policy"),
        ({"reservation_expired": "yes"}, "/reservation_expired"),
        ({"tax_rates": 20}, "/tax_rates"),
        ({"tax_rates": {"ENERGY": 101}}, "/tax_rates/ENERGY"),
        ({"tax_rates": {"HEAT": 20}}, "/tax_rates/HEAT"),
        ({"colour": 1}, "/colour"),
    ],
)  # fmt: skip
def test_t56_what_cannot_be_priced_is_refused_with_pointers(
    api: APIClient, changes: Any, pointer: str
) -> None:
    assert pointer in pointers_of(priced(api, **changes))


INCLUSIVE = {
    "currency": "EUR", "tax_included": "YES",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.66}]}],
}  # fmt: skip
NINE_KWH = {
    "start_date_time": "2026-03-02T19:50:00Z", "end_date_time": "2026-03-02T20:50:00Z",
    "charging_periods": [
        {"start_date_time": "2026-03-02T19:50:00Z", "dimensions": [{"type": "ENERGY", "volume": 9.4}]}],
}  # fmt: skip


def test_t32_a_rate_that_the_tariff_does_not_name_is_named_beside_it(api: APIClient) -> None:
    known = priced(api, tariff=INCLUSIVE, cdr=NINE_KWH, tax_rates={"ENERGY": 20, "FLAT": None}).json()

    assert known["total_cost"] == {"excl_vat": "5.1700", "incl_vat": "6.2040"}
    assert (known["lines"][0]["vat"], known["warnings"]) == ("20", [])


@pytest.mark.parametrize(("word", "why"), [(None, "states its VAT itself"), ("N/A", "no tax applies")])
def test_t32_a_rate_beside_a_tariff_that_leaves_none_open_is_refused_and_not_passed_over(
    api: APIClient, word: str | None, why: str
) -> None:
    tariff = {name: value for name, value in {**INCLUSIVE, "tax_included": word}.items() if value is not None}
    answer = priced(api, tariff=tariff, cdr=NINE_KWH, tax_rates={"ENERGY": 20})
    without = priced(api, tariff=tariff, cdr=NINE_KWH, tax_rates={"ENERGY": None})

    assert (answer.status_code, pointers_of(answer)) == (400, ["/tax_rates"])
    assert why in answer.content.decode()
    assert without.json()["total_cost"] == {"excl_vat": "6.2040", "incl_vat": "6.2040"}


def test_t32_without_any_rate_the_other_side_is_not_guessed(api: APIClient) -> None:
    unknown = priced(api, tariff=INCLUSIVE, cdr=NINE_KWH).json()
    exclusive = priced(api, tariff={**INCLUSIVE, "tax_included": "NO"}, cdr=NINE_KWH).json()

    assert unknown["total_cost"] == {"excl_vat": None, "incl_vat": "6.2040"}
    assert exclusive["total_cost"] == {"excl_vat": "6.2040", "incl_vat": None}
    assert unknown["warnings"] == exclusive["warnings"] == ["tax_unknown"]


def test_t55_unknown_fields_of_the_foreign_objects_are_tolerated(api: APIClient) -> None:
    tariff = {**BODY, "x": {"y": 1}}
    cdr = {
        "start_date_time": "2026-03-02T19:50:00Z", "end_date_time": "2026-03-02T20:50:00Z", "total_cost": "nonsense",
        "charging_periods": [
            {"start_date_time": "2026-03-02T19:50:00Z", "dimensions": [{"type": "ENERGY", "volume": 10}]}],
    }  # fmt: skip
    answer = priced(api, tariff=tariff, cdr=cdr, time_zone=None)

    assert answer.status_code == 200
    assert answer.json()["payable"]["incl_vat"] == "5.45"


LONG = {
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.61, "vat": 21}]}] * 101,
}
CHARGE = {
    "started_at": "2026-03-02T19:50:00Z",
    "energy_kwh": 22,
    "charging_minutes": 120,
    "parked_minutes": 60,
}


def test_d17_an_imagined_session_is_cut_where_a_price_changes(api: APIClient) -> None:
    """The price changes at 21:15 in Amsterdam, after 25 of 120 minutes."""
    told = priced(api, cdr=None, charge=CHARGE).json()
    energy = [line["measured"] for line in told["lines"] if line["dimension"] == "ENERGY"]

    assert told["total_energy"] == "22"
    assert (told["total_time"], told["total_parking_time"]) == ("3", "1")
    assert len(energy) == 2


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"charge": CHARGE}, "/charge"),
        ({"cdr": None, "charge": {**CHARGE, "energy_kwh": -1}}, "/charge/energy_kwh"),
        ({"cdr": None, "charge": {**CHARGE, "charging_minutes": 0}}, "/charge/charging_minutes"),
        ({"cdr": None, "charge": {"energy_kwh": 1, "charging_minutes": 1}}, "/charge/started_at"),
        ({"cdr": None, "charge": {**CHARGE, "colour": "red"}}, "/charge/colour"),
        ({"cdr": None, "charge": []}, "/charge"),
        ({"cdr": None, "charge": {**CHARGE, "started_at": "9999-12-31T23:00:00Z"}}, "/charge/started_at"),
        ({"cdr": None, "charge": {**CHARGE, "started_at": "0001-01-01T00:00:00Z"}}, "/charge/started_at"),
        ({"cdr": None, "charge": CHARGE, "tariff": LONG}, "/tariff/elements"),
    ],
)
def test_d17_a_wrong_imagined_session_is_named(api: APIClient, changes: dict[str, Any], pointer: str) -> None:
    answer = priced(api, **changes)

    assert answer.status_code == 400
    assert pointers_of(answer)[0].startswith(pointer)
