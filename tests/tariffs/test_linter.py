"""The linter, code by code (tariffs section 13), and what cannot be told to OCPP 2.1 (T-47)."""

from decimal import Decimal
from typing import Any

import pytest

from tariffs.linter import NOWHERE, Context, Level, errors, lint
from tests.tariffs.building import component, document, element, tariff

ENERGY = component("ENERGY", "0.50", "19")
PARKING = component("PARKING_TIME", "6", "19")
FLAT = component("FLAT", "1", "19")
TIME = component("TIME", "1.80", "19")
FAST = Context(power_kw=Decimal(50))


def codes(of: dict[str, Any], context: Context = NOWHERE) -> list[str]:
    return [finding.code for finding in lint(of, context)]


def found(code: str, of: dict[str, Any], context: Context = NOWHERE) -> list[str]:
    return [finding.pointer for finding in lint(of, context) if finding.code == code]


def test_an_ordinary_tariff_has_no_finding() -> None:
    assert lint(document(element(ENERGY))) == []
    capped = {"excl_vat": Decimal(10), "incl_vat": Decimal("11.90")}
    assert lint(document(element(ENERGY, PARKING), max_price=capped), FAST) == []


@pytest.mark.parametrize(
    ("of", "pointer"),
    [
        (document(element({**ENERGY, "type": "SESSION_TIME"})), "/elements/0/price_components/0/type"),
        (document(element(ENERGY, start_time="25:00")), "/elements/0/restrictions/start_time"),
        (document(element(ENERGY, start_date="2026-02-30")), "/elements/0/restrictions/start_date"),
        (document(element({**ENERGY, "step_size": -1})), "/elements/0/price_components/0/step_size"),
        (document(element(ENERGY), currency="EURO"), "/currency"),
        (document(element(ENERGY), currency="XXX"), "/currency"),
        (document(element(ENERGY), id=None), "/id"),
        (document(element(ENERGY, component("ENERGY", "1", "19"))), "/elements/0/price_components/1"),
        (document(), "/elements"),
    ],
)
def test_l01_what_the_schema_forbids_is_an_error_with_its_pointer(of: dict[str, Any], pointer: str) -> None:
    assert pointer in found("L01", of)
    assert {finding.level for finding in lint(of) if finding.code == "L01"} == {Level.ERROR}


@pytest.mark.parametrize(
    ("restrictions", "name"),
    [
        ({"min_kwh": 12, "max_kwh": 12}, "max_kwh"),
        ({"max_kwh": 0}, "max_kwh"),
        ({"min_power": 20, "max_power": 11}, "max_power"),
        ({"min_current": 32, "max_current": 16}, "max_current"),
        ({"min_duration": 60, "max_duration": 60}, "max_duration"),
        ({"start_date": "2026-03-02", "end_date": "2026-03-02"}, "end_date"),
    ],
)
def test_l02_an_empty_or_inverted_range_is_an_error(restrictions: dict[str, Any], name: str) -> None:
    of = document(element(ENERGY, **restrictions), element(ENERGY))
    assert found("L02", of) == [f"/elements/0/restrictions/{name}"]


def test_l02_a_tariff_that_ends_before_it_starts_is_an_error() -> None:
    same = "2026-03-02T00:00:00Z"
    assert found("L02", document(element(ENERGY), start_date_time=same, end_date_time=same)) == [
        "/end_date_time"
    ]


def test_l03_a_reservation_has_neither_energy_nor_parking() -> None:
    of = document(element(ENERGY), element(FLAT, ENERGY, PARKING, reservation="RESERVATION"))
    assert found("L03", of) == ["/elements/1/price_components/1", "/elements/1/price_components/2"]


def test_l04_t50_fast_ad_hoc_charging_has_neither_a_fee_nor_a_price_of_time() -> None:
    of = document(element(ENERGY, FLAT, TIME))
    both = ["/elements/0/price_components/1", "/elements/0/price_components/2"]
    assert found("L04", of, FAST) == both
    assert found("L04", {**of, "type": "AD_HOC_PAYMENT"}, FAST) == both
    assert found("L04", {**of, "type": "REGULAR"}, FAST) == []
    assert found("L04", of, Context(power_kw=Decimal("49.9"))) == []
    assert found("L04", of) == []


@pytest.mark.parametrize(("least", "most"), [(("5", "6"), ("4", "7")), (("3", "8"), ("4", "7"))])
def test_l05_a_minimum_above_the_maximum_on_either_side_is_an_error(least: Any, most: Any) -> None:
    limits = {
        name: {"excl_vat": Decimal(excl), "incl_vat": Decimal(incl)}
        for name, (excl, incl) in (("min_price", least), ("max_price", most))
    }
    assert found("L05", document(element(ENERGY), **limits)) == ["/min_price"]


def test_l06_an_element_that_can_never_win_is_told() -> None:
    covered = element(ENERGY, start_time="10:00", end_time="12:00")
    assert found("L06", document(element(ENERGY), covered)) == ["/elements/1"]
    assert found("L06", document(element(ENERGY), element(ENERGY, FLAT))) == []
    halves = [element(ENERGY, max_kwh=10), element(ENERGY, min_kwh=10)]
    assert found("L06", document(*halves, element(ENERGY))) == ["/elements/2"]
    assert found("L06", document(element(ENERGY), element(TIME, reservation="RESERVATION_EXPIRES"))) == []


def test_l07_a_gap_is_told_with_when() -> None:
    of = document(element(ENERGY, start_time="06:00", end_time="22:00"))
    (gap,) = (finding for finding in lint(of) if finding.code == "L07")
    assert "Mon from 00:00" in gap.message
    assert "L07" in codes(document(element(ENERGY, max_kwh=10)))
    assert "L07" not in codes(document(element(ENERGY, max_kwh=10), element(ENERGY, min_kwh=10)))
    whole = [element(ENERGY, end_time="12:00"), element(ENERGY, start_time="12:00")]
    assert "L07" not in codes(document(*whole))


def test_l08_steps_above_one_are_told() -> None:
    assert found("L08", document(element(component("ENERGY", "1", "19", step=2)))) != []
    assert found("L08", document(element(component("ENERGY", "1", "19", step=1)))) == []
    assert found("L08", document(element(ENERGY, component("FLAT", "1", "19", step=5)))) == []


@pytest.mark.parametrize(
    ("limit", "warned"),
    [
        ({"excl_vat": Decimal("4.20"), "incl_vat": Decimal("5.00")}, False),
        ({"excl_vat": Decimal("4.20"), "incl_vat": Decimal("5.01")}, True),
        ({"excl_vat": Decimal("4.20")}, True),
    ],
)
def test_l09_limits_agree_with_vat(limit: Any, warned: bool) -> None:
    assert found("L09", document(element(ENERGY), max_price=limit)) == (["/max_price"] if warned else [])


def test_l10_vat_on_some_prices_only_is_told() -> None:
    assert "L10" in codes(document(element(ENERGY, component("FLAT", "1"))))
    without = element(component("ENERGY", "1"), component("FLAT", "1"))
    assert "L10" not in codes(document(without))
    assert "L10" not in codes(document(without, tax_included="N/A"))
    for taxes in ("YES", "NO"):
        assert "L10" in codes(document(without, tax_included=taxes))


def test_l11_oddities_are_told() -> None:
    assert "L11" in codes(document(element(ENERGY, start_time="08:00", end_time="08:00")))
    for rules in ({"min_kwh": 1}, {"max_power": 11}, {"min_duration": 60}):
        assert "L11" in codes(document(element(ENERGY), element(FLAT, **rules)))
    kinds = [element(FLAT, reservation=kind) for kind in ("RESERVATION", "RESERVATION_EXPIRES")]
    assert "L11" in codes(document(element(ENERGY), *kinds))
    assert "L11" not in codes(document(element(ENERGY), kinds[0]))


def test_l12_extra_texts_are_in_the_sites_languages_and_tell_no_prices() -> None:
    words = [{"language": "en", "text": "Loyalty points are given."}]
    of = document(element(ENERGY), tariff_alt_text=words)
    assert found("L12", of, Context(languages=("en", "de"))) == ["/tariff_alt_text"]
    assert found("L12", of, Context(languages=("en",))) == []
    for repeated in ("only 0.50 EUR/kWh", "nur 0,50 € pro kWh", "€0.50", "45 ct"):
        of = document(element(ENERGY), tariff_alt_text=[{"language": "en", "text": repeated}])
        assert found("L12", of) == ["/tariff_alt_text/0/text"]


@pytest.mark.parametrize(
    ("of", "pointer"),
    [
        (document(element(component("TIME", "1.90", "19"))), "/elements/0/price_components/0/price"),
        (document(element(ENERGY, FLAT, max_kwh=5)), "/elements/0/price_components/1"),
        (document(element(TIME, reservation="RESERVATION_EXPIRES")), "/elements/0/restrictions/reservation"),
        (document(element(ENERGY), element(component("ENERGY", "1", "7"))), "/elements"),
        (document(element(component("ENERGY", "1", step=2))), "/elements/0/price_components/0/step_size"),
        (document(element(ENERGY), end_date_time="2027-01-01T00:00:00Z"), "/end_date_time"),
        (document(element(ENERGY), tax_included="YES"), "/tax_included"),
        (
            document(element(component("ENERGY", "1")), tax_included="NO"),
            "/elements/0/price_components/0/vat",
        ),
    ],
)
def test_l13_t47_what_ocpp_2_1_cannot_say_is_told_with_the_field(of: dict[str, Any], pointer: str) -> None:
    assert found("L13", of) == [pointer]
    assert [finding.level for finding in lint(of) if finding.code == "L13"] == [Level.INFO]


def test_l13_t47_what_it_can_say_is_not_told() -> None:
    assert found("L13", document(element(ENERGY, TIME, FLAT, start_time="08:00", end_time="20:00"))) == []
    assert found("L13", document(element(ENERGY), element(FLAT, TIME, reservation="RESERVATION"))) == []
    assert found("L13", document(element(component("ENERGY", "1")), tax_included="N/A")) == []


def test_l14_an_occupancy_fee_for_ad_hoc_charging_has_a_cap() -> None:
    assert found("L14", document(element(ENERGY, PARKING))) == ["/elements/0/price_components/1"]
    regular = document(element(ENERGY, PARKING), type="REGULAR")
    assert found("L14", regular) == []
    assert found("L14", regular, Context(ad_hoc=True)) == ["/elements/0/price_components/1"]
    cap = {"excl_vat": Decimal(10), "incl_vat": Decimal("11.90")}
    assert found("L14", document(element(ENERGY, PARKING), max_price=cap)) == []


def test_publishing_asks_for_errors_alone() -> None:
    assert errors(tariff(element(component("ENERGY", "1", step=5)))) == []
    assert [one.code for one in errors(tariff(element(ENERGY, max_kwh=0)))] == ["L02"]


def test_a_tariff_with_very_many_situations_is_linted_all_the_same() -> None:
    many = [element(ENERGY, min_kwh=n, min_duration=n * 60, min_power=n) for n in range(1, 40)]
    assert "L08" not in codes(document(*many))
