"""OCPI tariffs and records from JSON, both versions; every fault with its pointer (tariffs T-04, T-55, T-56)."""

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs import parsing, pointers
from tariffs.pointers import InvalidDocument
from tariffs.structure import PriceLimit, TaxIncluded
from tests.tariffs.building import component, document, element

ENERGY = element(component("ENERGY", "0.5", "19"))
CDR = {
    "start_date_time": "2026-03-02T10:00:00Z",
    "end_date_time": "2026-03-02T11:00:00Z",
    "charging_periods": [
        {"start_date_time": "2026-03-02T10:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1}]}
    ],
}


def faults(read: Any, value: Any) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        read(value)
    return [one.pointer for one in caught.value.problems]


def test_numbers_are_decimals_of_their_text() -> None:
    parsed = pointers.loads('{"price": 0.10, "big": 12345678901234567890.123456789}')
    assert str(parsed["price"]) == "0.10"
    assert parsed["big"] == Decimal("12345678901234567890.123456789")


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "[" * 100_000, "\x00", b"\xff\xfe"])
def test_what_is_not_json_is_refused_in_words(text: Any) -> None:
    with pytest.raises(InvalidDocument, match="not JSON"):
        pointers.loads(text)


def test_t04_unknown_fields_are_kept_verbatim() -> None:
    given_document = document(ENERGY, x_extra={"colour": "green"})
    assert parsing.parse_tariff(given_document, complete=True).document == given_document


def test_t04_unknown_words_are_errors() -> None:
    of = document(
        element(component("SESSION_TIME", "1"), reservation="MAYBE", day_of_week=["FUNDAY"]), type="BARGAIN"
    )
    assert set(faults(parsing.parse_tariff, of)) == {
        "/elements/0/price_components/0/type",
        "/elements/0/restrictions/day_of_week/0",
        "/elements/0/restrictions/reservation",
        "/type",
    }


def test_t56_the_versions_are_told_apart_by_their_words_for_taxes() -> None:
    old = parsing.parse_tariff(document(ENERGY, min_price={"excl_vat": 1, "incl_vat": 2}))
    new = parsing.parse_tariff(
        document(ENERGY, min_price={"before_taxes": 1, "after_taxes": 2}, tax_included="YES")
    )
    assert (old.min_price, old.tax_included) == (PriceLimit(Decimal(1), Decimal(2)), None)
    assert (new.min_price, new.tax_included) == (PriceLimit(Decimal(1), Decimal(2)), TaxIncluded.YES)
    halfway = document(ENERGY, max_price={"before_taxes": 1})
    assert faults(parsing.parse_tariff, halfway) == ["/tax_included"]


@pytest.mark.parametrize(
    ("price", "ok"),
    [(1, True), (0.55, True), (Decimal("0.55"), True), (-1, True), ("0.55", False), (True, False),
     ([], False), (Decimal("1e999999"), False), (Decimal("1e-999999"), False), (float("nan"), False), (10**13, False)],
)  # fmt: skip
def test_a_price_is_a_number_of_a_sane_size(price: Any, ok: bool) -> None:
    of = document({"price_components": [{"type": "ENERGY", "price": price, "step_size": 1}]})
    if ok:
        assert parsing.parse_tariff(of).elements[0].components[0].price == Decimal(str(price))
    else:
        assert faults(parsing.parse_tariff, of) == ["/elements/0/price_components/0/price"]


@pytest.mark.parametrize("value", [None, [], "tariff", 7, {}, {"currency": "EUR", "elements": {}}])
def test_what_is_no_tariff_is_refused(value: Any) -> None:
    assert faults(parsing.parse_tariff, value)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"start_date_time": None}, "/start_date_time"),
        ({"end_date_time": "tomorrow"}, "/end_date_time"),
        ({"end_date_time": "2026-03-02T09:00:00Z"}, "/end_date_time"),
        ({"end_date_time": "2999-03-02T09:00:00Z"}, "/end_date_time"),
        ({"start_date_time": "0001-01-01T00:00:00+14:00"}, "/start_date_time"),
        ({"charging_periods": []}, "/charging_periods"),
        ({"charging_periods": [{"dimensions": []}]}, "/charging_periods/0/start_date_time"),
    ],
)
def test_what_a_record_lacks_is_told_with_its_pointer(change: dict[str, Any], pointer: str) -> None:
    assert pointer in faults(parsing.parse_cdr, {**CDR, **change})


@pytest.mark.parametrize(
    ("dimensions", "pointer"),
    [
        ([{"type": "ENERGY", "volume": "1"}], "/0/volume"),
        ([{"type": "WARMTH", "volume": 1}], "/0/type"),
        ([{"type": "TIME", "volume": -1}], "/0/volume"),
        ([{"type": "TIME", "volume": 1}, {"type": "TIME", "volume": 1}], "/1/type"),
        ([{"type": "ENERGY"}], "/0/volume"),
        ({}, ""),
    ],
)
def test_dimensions_of_a_record_are_checked(dimensions: Any, pointer: str) -> None:
    period = {"start_date_time": "2026-03-02T10:00:00Z", "dimensions": dimensions}
    found = faults(parsing.parse_cdr, {**CDR, "charging_periods": [period]})
    assert found == [f"/charging_periods/0/dimensions{pointer}"]


def test_t55_costs_and_unknown_fields_of_a_record_are_not_looked_at() -> None:
    record = parsing.parse_cdr({**CDR, "total_cost": "nonsense", "x": 1})
    assert record.periods[0].energy_kwh == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*document(), *CDR, "price_components", "restrictions", "dimensions"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_json_whatsoever_raises_anything_else(value: Any) -> None:
    for read in (parsing.parse_tariff, parsing.parse_cdr):
        with contextlib.suppress(InvalidDocument):
            read(value)
