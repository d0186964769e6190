"""T-48: tariffs of OCPP 2.1 back to OCPI, every figure the same, nothing approximated in silence."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tariffs import ocpp21_read, ocpp21_told, parsing
from tariffs.pointers import InvalidDocument
from tests.tariffs.building import at, charging, component, element, metered, price, sample, tariff

TOLD: dict[str, Any] = {"tariffId": "T1", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.5}]}}


def test_t48_a_price_per_minute_is_sixty_times_as_much_an_hour_exactly() -> None:
    back = ocpp21_read.convert({**TOLD, "idleTime": {"prices": [{"priceMinute": 0.031667}]}})
    parking = back["elements"][1]["price_components"][0]

    assert (parking["type"], parking["price"]) == ("PARKING_TIME", Decimal("1.900020"))


def test_t48_what_was_told_comes_back_and_costs_the_same() -> None:
    start = at("21:30")
    of = tariff(
        element(
            component("ENERGY", "0.61", "19"), start_time="06:30", end_time="22:00", max_kwh=Decimal("12.5")
        ),
        element(component("ENERGY", "0.43", "19"), component("TIME", "1.80", "19"), min_power=Decimal(2)),
        element(component("TIME", "2.40", "19"), reservation="RESERVATION"),
        element(component("FLAT", "0.85", "7"), day_of_week=["MONDAY", "SUNDAY"], start_date="2026-01-01"),
        max_price={"excl_vat": Decimal("50"), "incl_vat": Decimal("60")},
        min_price={"excl_vat": Decimal("0.1")},
    )
    back = parsing.parse_tariff(ocpp21_read.convert(ocpp21_told.convert(of, tariff_id="T1")))
    begin = sample(start, "0", charging(start, 1).samples[0].state, power="11")
    session = metered(begin, sample(start + timedelta(hours=2), "22", power="11"))
    ours, theirs = price(of, session), price(back, session)

    assert (ours.total, ours.payable) == (theirs.total, theirs.payable)
    assert (back.max_price, back.min_price) == (of.max_price, of.min_price)
    assert {one.restrictions for one in back.elements} == {one.restrictions for one in of.elements}


def test_t48_a_name_longer_than_an_id_of_ocpi_keeps_no_tariff_from_its_price() -> None:
    told = {**TOLD, "tariffId": "default-0192f3a4-5b6c-7d8e-9f01-23456789abcd-2"}
    assert parsing.parse_tariff(ocpp21_read.convert(told)).id == ""
    assert parsing.parse_tariff(ocpp21_read.convert(TOLD)).id == "T1"


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("minChargingTime", 60), ("maxChargingTime", 60), ("minIdleTime", 60), ("maxIdleTime", 60),
        ("evseKind", "DC"), ("paymentBrand", "X"), ("paymentRecognition", "Y"),
    ],
)  # fmt: skip
def test_t48_a_condition_without_a_word_in_ocpi_is_refused_by_name(condition: str, value: Any) -> None:
    told = {**TOLD, "energy": {"prices": [{"priceKwh": 0.5, "conditions": {condition: value}}]}}
    with pytest.raises(InvalidDocument) as refused:
        ocpp21_read.convert(told)

    assert [one.pointer for one in refused.value.problems] == [f"/energy/prices/0/conditions/{condition}"]


@pytest.mark.parametrize(
    "taxes",
    [[{"type": "VAT", "tax": 19, "stack": 1}], [{"type": "VAT", "tax": 19}, {"type": "City", "tax": 1}]],
)
def test_t48_stacked_taxes_are_refused(taxes: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidDocument) as refused:
        ocpp21_read.convert({**TOLD, "energy": {**TOLD["energy"], "taxRates": taxes}})

    assert [one.pointer for one in refused.value.problems] == ["/energy/taxRates"]


def test_t47_a_tax_that_does_not_apply_is_not_told_to_a_station() -> None:
    told = ocpp21_told.convert(
        tariff(element(component("ENERGY", "0.66", "20")), tax_included="N/A"), tariff_id="T1"
    )
    assert told["energy"] == {"prices": [{"priceKwh": 0.66}]}


@pytest.mark.parametrize(
    ("taxes", "vat", "pointer"),
    [("YES", "19", "/tax_included"), ("NO", None, "/elements/0/price_components/0/vat")],
)
def test_t47_prices_with_taxes_or_of_an_unknown_rate_are_refused(
    taxes: str, vat: str | None, pointer: str
) -> None:
    with pytest.raises(InvalidDocument) as refused:
        ocpp21_told.convert(
            tariff(element(component("ENERGY", "0.66", vat)), tax_included=taxes), tariff_id="T1"
        )
    assert [one.pointer for one in refused.value.problems] == [pointer]
