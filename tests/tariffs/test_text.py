"""Prices in plain words, English and German (tariffs T-46, T-50 to T-54)."""

import ast
import gettext
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import translation

from tariffs import text
from tariffs.pricing import Counted
from tests.tariffs.building import (
    AMSTERDAM,
    BERLIN,
    at,
    charging,
    component,
    element,
    period,
    price,
    recorded,
    tariff,
)

NIGHT = tariff(
    element(component("FLAT", "0.85", "21")),
    element(component("ENERGY", "0.61", "21"), start_time="06:30", end_time="21:15"),
    element(component("ENERGY", "0.43", "21"), component("TIME", "0.90", "21")),
)


def told(of: Any, when: str = "20:50", language: str = "en") -> tuple[str, ...]:
    with translation.override(language):
        return text.describe(of, zone=AMSTERDAM, at=at(when, AMSTERDAM))


def why(of: Any, session: Any, counted: Counted, language: str = "en") -> list[str]:
    result = price(of, session, AMSTERDAM)
    with translation.override(language):
        return [text.sentence(of, line) for line in result.lines if line.counted is counted]


def test_t51_t52_the_text_is_in_order_with_taxes_the_present_price_first_and_its_change() -> None:
    assert told(NIGHT) == (
        "Energy: 0.7381 € per kWh incl. 21 % VAT (06:30–21:15).",
        "Energy: 0.5203 € per kWh incl. 21 % VAT (otherwise).",
        "Charging time: 0.0182 € per minute (1.089 € per hour) incl. 21 % VAT.",
        "Per session: 1.0285 € incl. 21 % VAT.",
        "The price changes at 21:15.",
    )
    assert told(NIGHT, "21:15")[0] == "Energy: 0.5203 € per kWh incl. 21 % VAT (otherwise)."
    assert told(NIGHT, "21:15")[-1] == "The price changes at Tue 06:30."


def test_t52_the_text_is_german_for_german_readers() -> None:
    assert told(NIGHT, language="de") == (
        "Energie: 0,7381 € je kWh inkl. 21 % MwSt (06:30–21:15).",
        "Energie: 0,5203 € je kWh inkl. 21 % MwSt (sonst).",
        "Ladezeit: 0,0182 € je Minute (1,089 € je Stunde) inkl. 21 % MwSt.",
        "Je Ladevorgang: 1,0285 € inkl. 21 % MwSt.",
        "Der Preis ändert sich um 21:15.",
    )


def test_t52_free_is_said_in_words() -> None:
    assert told(tariff(element(component("ENERGY", "0")))) == ("Charging is free.",)
    assert told(tariff(element(component("ENERGY", "0"), component("FLAT", "1"))))[0] == "Energy: free."


def test_t52_conditions_limits_reservations_and_unknown_taxes_are_said() -> None:
    of = tariff(
        element(component("ENERGY", "0.5"), max_kwh=20, day_of_week=["SATURDAY", "SUNDAY"]),
        element(component("PARKING_TIME", "6"), min_duration=14400),
        element(component("FLAT", "2"), reservation="RESERVATION"),
        max_price={"before_taxes": Decimal(50), "after_taxes": Decimal(60)},
        min_price={"before_taxes": Decimal(1)},
        tax_included="NO",
    )
    assert told(of) == (
        "Energy: 0.50 € per kWh plus tax (Sat, Sun, up to 20 kWh).",
        "Occupancy after charging: 0.10 € per minute plus tax (after 240 min).",
        "Reservation: 2.00 € plus tax.",
        "At least 1.00 € plus tax per session.",
        "At most 60.00 € per session.",
        "The price changes at Sat 00:00.",
    )


@pytest.mark.parametrize(
    ("currency", "words"), [("JPY", "55 JPY"), ("KWD", "55.000 KWD"), ("GBP", "55.00 £")]
)
def test_t52_amounts_have_their_currency_and_at_least_its_minor_units(currency: str, words: str) -> None:
    of = tariff(element(component("ENERGY", "55")), currency=currency)
    assert told(of) == (f"Energy: {words} per kWh.",)


def test_t46_whole_sentences_are_dropped_and_no_number_is_cut() -> None:
    sentences = told(NIGHT)
    short = text.fitted(sentences, more_at="https://portal.example.org/c/K7", most=100)
    assert short == f"{sentences[0]} more: https://portal.example.org/c/K7"
    assert text.fitted(sentences) == " ".join(sentences)
    assert text.fitted(sentences, more_at="https://portal.example.org/c/K7", most=20) == ""


def test_t54_each_line_says_why_in_one_sentence() -> None:
    session = recorded(
        at("22:05", AMSTERDAM),
        period(at("20:50", AMSTERDAM), energy_kwh="8.125", time_h="0.4167"),
        period(at("21:15", AMSTERDAM), energy_kwh="13.4", time_h="0.8333"),
    )
    assert why(NIGHT, session, Counted.ENERGY) == [
        "8.125 kWh at 0.61 € per kWh: 06:30–21:15",
        "13.4 kWh at 0.43 € per kWh: otherwise, not: 06:30–21:15",
    ]
    assert why(NIGHT, session, Counted.TIME, "de") == ["75 min zu 0,015 € je Minute: jederzeit"]
    assert why(NIGHT, session, Counted.FLAT) == ["0.85 € once: at all times"]


def test_t54_steps_limits_and_free_stretches_are_explained() -> None:
    of = tariff(
        element(component("ENERGY", "1", step=400)),
        element(component("PARKING_TIME", "3"), end_time="19:00"),
        max_price={"excl_vat": Decimal(1)},
    )
    session = recorded(
        at("21:00", AMSTERDAM),
        period(at("18:00", AMSTERDAM), energy_kwh="5.7", time_h="0.5"),
        period(at("20:00", AMSTERDAM), parking_h="1"),
    )
    assert why(of, session, Counted.ENERGY) == [
        "6 kWh at 1.00 € per kWh: at all times; 0.3 kWh added to reach a multiple of 0.4 kWh"
    ]
    assert why(of, session, Counted.PARKING_TIME) == ["free: priced only 00:00–19:00"]
    assert why(of, session, Counted.TIME) == ["free: the tariff has no price for it"]
    assert why(of, session, Counted.LIMIT) == ["difference to the maximum price"]


def test_the_doubled_hour_is_no_change_of_a_price_that_has_none() -> None:
    of = tariff(element(component("ENERGY", "1")))
    with translation.override("en"):
        assert text.describe(of, zone=BERLIN, at=at("2026-10-24 12:00")) == ("Energy: 1.00 € per kWh.",)
    assert price(of, charging(at("2026-10-24 23:00"), 180, "3"), BERLIN).total.excl == 3


def test_every_text_of_tariffs_is_translated() -> None:
    sources = Path(settings.BASE_DIR, "tariffs").glob("*.py")
    texts = {
        node.args[0].value
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"
        if isinstance(node.args[0], ast.Constant)
    }
    with (Path(settings.BASE_DIR) / "locale/de/LC_MESSAGES/django.mo").open("rb") as file:
        german = gettext.GNUTranslations(file)
    assert len(texts) > 50
    assert {words for words in texts if words not in german._catalog} == set()  # type: ignore[attr-defined]
