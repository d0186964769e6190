"""The editor of tariffs: fields and document, elements that come and go, preview and simulator (dashboard 4.10)."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Organization, User
from portal.dashboard import tariff_simulator, tariff_writing
from portal.dashboard.tariff_objects import differences
from portal.pace import AtOnce
from stations.models import ChargingStation, Connector, SessionCost
from stations.services import tariff_assignments
from tariffs import documents, publishing
from tariffs.models import Tariff, TariffVersion
from tests import factories
from tests.factories.sessions import begin, end
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, document, element

NIGHT = {
    "e1-energy_price": "0.35", "e1-energy_vat": "19", "e1-start_time": "22:00", "e1-end_time": "06:00",
    "e1-days": ["MONDAY", "SUNDAY"],
}  # fmt: skip
DAY = {
    "e0-energy_price": "0.45", "e0-energy_vat": "19", "e0-energy_step": "", "e0-parking_price": "3",
    "e0-parking_vat": "7", "e0-flat_vat": "19",
}  # fmt: skip
FIELDS = {
    "name": "Day and night", "mode": "prices", "currency": "eur", "elements": ["1", "0"], **NIGHT, **DAY,
    "max_excl": "40", "max_incl": "47.6",
}  # fmt: skip
HTMX = {"HX-Request": "true"}
WHOLE = element(
    component("ENERGY", "0.3000", "19", step=5), component("TIME", "1.2", "7", step=60), component("PARKING_TIME", "6"),
    component("FLAT", "1", "0"),
    start_time="22:00", end_time="06:00", day_of_week=["MONDAY"], min_kwh=Decimal("1.5"), max_kwh=10, min_power=11,
    max_power=22, min_duration=1800, max_duration=7200, start_date="2026-01-01", end_date="2027-01-01",
    min_current=6, max_current=32,
)  # fmt: skip


@pytest.fixture
def page(home: str) -> str:
    return f"{home}tariffs/"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def plain(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def only() -> Tariff:
    return Tariff.objects.latest("created_at")


def draft_of(by: Actor, *elements: Any, **fields: Any) -> TariffVersion:
    return publishing.create(document(*elements, **fields), by=by)


def posted(answer: Any) -> dict[str, Any]:
    """What a browser would send of the form that is shown."""
    editor = answer.context["editor"]
    return {name: values for name, values in editor.data.lists()} | {"mode": editor.mode}


def test_without_a_tariff_three_templates_are_offered(browser: Client, page: str) -> None:
    shown = text_of(browser.get(page))

    for words in ("No tariff yet", "Per kWh and occupancy", "Free of charge"):
        assert words in shown
    for template in ("energy", "occupancy", "free"):
        begun = browser.get(f"{page}new/?template={template}")
        assert (begun.status_code, begun.context["editor"].mode) == (200, "prices")


def test_elements_are_written_as_fields_and_become_an_ocpi_tariff(browser: Client, page: str) -> None:
    answer = browser.post(f"{page}new/", FIELDS, follow=True)
    content = only().versions.get().content

    assert "The draft was saved." in text_of(answer)
    assert only().name == "Day and night"
    assert content["currency"] == "EUR"
    assert content["elements"] == [
        {"price_components": [{"type": "ENERGY", "price": Decimal("0.35"), "vat": Decimal(19)}],
         "restrictions": {"start_time": "22:00", "end_time": "06:00", "day_of_week": ["MONDAY", "SUNDAY"]}},
        {"price_components": [{"type": "ENERGY", "price": Decimal("0.45"), "vat": Decimal(19)},
                              {"type": "PARKING_TIME", "price": Decimal(3), "vat": Decimal(7)}]},
    ]  # fmt: skip
    assert content["max_price"] == {"excl_vat": Decimal(40), "incl_vat": Decimal("47.6")}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_condition_has_a_field_and_comes_back_as_it_was(
    browser: Client, actor: Actor, page: str, language: str
) -> None:
    browser.post(page.replace("tariffs/", "preferences/"), {"language": language})
    reserved = element(component("FLAT", "2"), reservation="RESERVATION_EXPIRES")
    texts = [{"language": "de", "text": "Kaffee gratis"}]
    draft = draft_of(
        actor, WHOLE, reserved, type="REGULAR", tax_included="NO", tariff_alt_text=texts,
        min_price={"before_taxes": Decimal("0.5"), "after_taxes": Decimal("0.6")},
    )  # fmt: skip
    shown = browser.get(f"{page}{draft.tariff_id}/edit/")
    before = draft.content
    browser.post(f"{page}{draft.tariff_id}/edit/", posted(shown))

    assert shown.context["editor"].mode == "prices"
    assert [*differences(TariffVersion.objects.get(pk=draft.pk).content, before)] == []
    assert f'value="{"0,3000" if language == "de" else "0.3000"}"' in shown.content.decode()


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (
            {"elements": [element({"type": "ENERGY", "price": 1, "colour": "blue"})]},
            "/elements/0/price_components",
        ),
        (
            {"elements": [element(component("FLAT", "1"), min_duration=100)]},
            "/elements/0/restrictions/min_duration",
        ),
        ({"elements": "many"}, ""),
        ({"elements": [element(component("FLAT", "1"))] * 25}, ""),
        ({"elements": [element({"type": "FLAT", "price": -1})]}, ""),
    ],
)
def test_what_the_fields_cannot_show_stays_a_document_and_says_why(
    browser: Client, actor: Actor, page: str, wrong: dict[str, Any], place: str
) -> None:
    draft = publishing.create({**document(), **wrong}, by=actor)
    shown = browser.get(f"{page}{draft.tariff_id}/edit/")
    before = draft.content
    browser.post(f"{page}{draft.tariff_id}/edit/", {**posted(shown), "name": "X"})

    assert shown.context["editor"].mode == "json"
    assert "The fields cannot show all that this tariff says" in text_of(shown)
    assert place in text_of(shown)
    assert TariffVersion.objects.get(pk=draft.pk).content == before
    assert only().name == "X"


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_elements_come_go_and_change_places_without_losing_what_was_typed(
    browser: Client, page: str, headers: dict[str, str]
) -> None:
    typed = {**FIELDS, "name": "", "e0-max_kwh": "ten"}
    more = browser.post(f"{page}new/", {**typed, "act": "add"}, headers=headers)
    moved = browser.post(f"{page}new/", {**posted(more), "act": "up:2"}, headers=headers)
    fewer = browser.post(f"{page}new/", {**posted(moved), "act": "remove:1"}, headers=headers)

    assert [key for key, _form in more.context["editor"].elements] == ["1", "0", "2"]
    assert 'name="e2-energy_vat" value="19"' in text_of(more)
    assert [key for key, _form in moved.context["editor"].elements] == ["1", "2", "0"]
    assert [key for key, _form in fewer.context["editor"].elements] == ["2", "0"]
    for answer in (more, moved, fewer):
        assert answer.status_code == 200
        assert 'name="e0-max_kwh" value="ten"' in text_of(answer)
        assert 'class="errorlist"' not in text_of(answer)
        assert text_of(answer).startswith("<form") is bool(headers)
    assert not Tariff.objects.exists()


def test_fields_become_a_document_and_the_document_fields_again(browser: Client, page: str) -> None:
    text = browser.post(f"{page}new/", {**FIELDS, "act": "document"})
    back = browser.post(f"{page}new/", {**posted(text), "act": "fields"})
    broken = browser.post(f"{page}new/", {"name": "X", "mode": "json", "document": "{", "act": "fields"})

    assert text.context["editor"].mode == "json"
    assert documents.loads(text.context["editor"].data["document"])["elements"][1]["price_components"][1] == {
        "type": "PARKING_TIME", "price": 3, "vat": 7,
    }  # fmt: skip
    assert back.context["editor"].mode == "prices"
    assert back.context["editor"].data["e0-energy_price"] == "0.35"
    assert "This is not JSON" in text_of(broken)


def test_a_field_that_cannot_be_read_is_marked_and_nothing_is_lost(browser: Client, page: str) -> None:
    answer = browser.post(f"{page}new/", {**FIELDS, "e1-energy_price": "cheap"})

    assert answer.status_code == 422
    assert "Enter a number." in text_of(answer)
    assert 'value="cheap"' in text_of(answer)
    assert not Tariff.objects.exists()


@pytest.mark.parametrize(
    "fault",
    [
        {"currency": "XYZ"},
        {"e0-energy_step": "-1"},
        {"e0-min_kwh": "9", "e0-max_kwh": "1"},
        {"e0-energy_vat": "900"},
        {"elements": []},
    ],
)
def test_an_error_of_the_linter_does_not_stand_in_a_drafts_way_and_blocks_publishing(
    browser: Client, page: str, fault: dict[str, Any]
) -> None:
    saved = browser.post(f"{page}new/", {**FIELDS, **fault}, follow=True)
    answer = browser.post(f"{page}{only().pk}/publish/", {"confirmed": "on"}, follow=True)

    assert "The draft was saved." in text_of(saved)
    assert "L0" in text_of(answer)
    assert only().versions.get().state == "draft"


def test_the_preview_changes_while_typing_and_stores_nothing(browser: Client, page: str) -> None:
    shown = browser.post(f"{page}preview/", FIELDS, headers=HTMX)
    empty = element({"type": "ENERGY", "price": 1}, min_kwh=2, max_kwh=2)
    json_text = json.dumps({"currency": "EUR", "elements": [empty]})
    wrong = text_of(browser.post(f"{page}preview/", {"mode": "json", "document": json_text}, headers=HTMX))
    broken = text_of(browser.post(f"{page}preview/", {**FIELDS, "e1-energy_price": "x"}, headers=HTMX))

    assert text_of(shown).startswith('<section class="card" id="preview"')
    assert "Energy: 0.5355 € per kWh incl. 19 % VAT (otherwise)." in text_of(shown)
    assert "Energie: 0,4165 € je kWh inkl. 19 % MwSt (Mo, So, 22:00–06:00)." in text_of(shown)
    assert "22:00 0.4165 € 0.5355 € 0.5355 € 0.5355 € 0.5355 € 0.5355 € 0.4165 €" in plain(shown)
    assert "L02 /elements/0/restrictions/max_kwh" in wrong
    assert "Correct the fields to see what they mean." in broken
    assert "Element 1 · Energy, per kWh: Price: Enter a number." in broken
    assert not Tariff.objects.exists()


def test_sample_sessions_and_own_figures_are_priced_by_what_is_typed(browser: Client, page: str) -> None:
    own = {"own-kwh": "10", "own-minutes": "60", "own-parked": "30", "own-begins": "2099-06-01T12:00"}
    shown = plain(browser.post(f"{page}preview/", {**FIELDS, **own}, headers=HTMX))
    senseless = plain(browser.post(f"{page}preview/", {**FIELDS, "own-minutes": "-5"}, headers=HTMX))

    assert "Your figures 6.97 €" in shown  # 5.355 and 1.605, each rounded (T-36)
    assert "10 kWh at 0.5355 € per kWh incl. 19 % VAT" in shown
    assert "22 kWh in 2 hours from 10:00, then an hour parked 14.99 €" in shown
    assert "40 kWh in 25 minutes from 13:00 21.42 €" in shown
    assert "Your figures" not in senseless
    assert "Minutes of charging: Ensure this value is greater than or equal to 1." in senseless


@pytest.mark.parametrize("begins", ["9999-12-31T23:59", "0001-01-01T00:00", "soon"])
def test_own_figures_of_no_sensible_day_are_told_so(browser: Client, page: str, begins: str) -> None:
    own = {"own-kwh": "10", "own-minutes": "60", "own-begins": begins}
    answer = browser.post(f"{page}preview/", {**FIELDS, **own}, headers=HTMX)

    assert answer.status_code == 200
    assert "Begins: " in plain(answer)
    assert "Your figures" not in plain(answer)


def test_the_preview_of_a_new_tariff_asks_for_extra_words_in_every_language(
    browser: Client, page: str
) -> None:
    texts = json.dumps({"tariff_alt_text": [{"language": "en", "text": "Free coffee"}]})
    shown = plain(browser.post(f"{page}preview/", {**FIELDS, "kept": texts}, headers=HTMX))

    assert "L12 /tariff_alt_text" in shown


def test_own_figures_never_stand_in_a_drafts_way(browser: Client, page: str) -> None:
    browser.post(f"{page}new/", {**FIELDS, "own-minutes": "soon"})

    assert only().versions.get().state == "draft"


@pytest.fixture
def charged(actor: Actor, station: ChargingStation) -> None:
    """Two sessions of 10 kWh at 0.50."""
    priced(actor)
    for evse_id in (1, 2):
        end(begin(station, token=f"04A{evse_id}", evse_id=evse_id), 10_000)


@pytest.mark.usefixtures("charged")
def test_past_sessions_are_repriced_by_what_is_typed_and_nothing_is_stored(
    browser: Client, page: str, organization: Organization
) -> None:
    dearer = {
        **FIELDS,
        "elements": "0",
        "e0-parking_price": "",
        "e0-energy_price": "0.515",
        "max_excl": "",
        "max_incl": "",
    }
    little = plain(browser.post(f"{page}reprice/", dearer, headers=HTMX))
    much = plain(browser.post(f"{page}new/", {**dearer, "e0-energy_price": "0.9", "act": "try"}))
    unread = plain(browser.post(f"{page}reprice/", {**dearer, "e0-energy_price": "?"}, headers=HTMX))
    costs = SessionCost.objects.filter(transaction__organization=organization)

    assert "Last 30 days repriced: +3.0 %, 0 sessions dearer than 20 %." in little
    assert "Last 30 days repriced: +80.0 %, 2 sessions dearer than 20 %." in much
    assert "11.90 € became 21.42 € in 2 sessions." in much
    assert "were not priced by it yet" in unread
    assert [cost.incl_vat for cost in costs] == [Decimal("5.9500")] * 2


@pytest.mark.usefixtures("charged")
@pytest.mark.parametrize(
    ("bound", "value"), [("MOST_SESSIONS", 1), ("LONGEST", tariff_simulator.LONGEST * 0)]
)
def test_repricing_is_bounded_in_sessions_and_in_time(
    browser: Client, page: str, monkeypatch: pytest.MonkeyPatch, bound: str, value: Any
) -> None:
    monkeypatch.setattr(tariff_simulator, bound, value)
    shown = plain(browser.post(f"{page}reprice/", FIELDS, headers=HTMX))

    assert "There are more sessions in this time: the newest were taken." in shown
    assert "in 2 sessions" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "[" * 400 + "]" * 400,
        '{"elements": ' + "[" * 400 + "]" * 400 + "}",
        '{"elements": [{"price_components": [], "restrictions": {"min_duration": 1E+999999}}]}',
        '{"currency": "EUR", "elements": [{"price_components": [{"type": "ENERGY", "price": 1E+999999}]}]}',
        '{"elements": [1], "min_price": [], "currency": {}}',
    ],
)
def test_no_text_whatever_breaks_preview_or_editor(browser: Client, page: str, text: str) -> None:
    hostile = {"name": "X", "mode": "json", "document": text}

    for path, act in (
        ("preview/", ""),
        ("reprice/", ""),
        ("new/", "fields"),
        ("new/", "add"),
        ("new/", "try"),
    ):
        assert browser.post(f"{page}{path}", {**hostile, "act": act}).status_code == 200
        assert browser.post(f"{page}{path}", {**FIELDS, "kept": text, "act": act}).status_code == 200


def test_a_document_of_very_many_elements_is_told_and_not_tried(browser: Client, page: str) -> None:
    many = json.dumps({"currency": "EUR", "elements": [element({"type": "ENERGY", "price": 1})] * 101})
    shown = plain(browser.post(f"{page}preview/", {"mode": "json", "document": many}, headers=HTMX))

    assert "Energy: 1.00 € per kWh" in shown
    assert "It cannot be tried yet." in shown


def test_t50_the_preview_knows_how_strong_the_charger_is_where_it_holds(
    browser: Client, actor: Actor, page: str, station: ChargingStation
) -> None:
    version = priced(actor)
    tariff_assignments.assign(version.tariff, place=station, by=actor)
    Connector.objects.filter(evse__station=station).update(max_power_w=150_000)
    fee = {**FIELDS, "e0-flat_price": "1", "of": str(version.tariff_id)}
    shown = plain(browser.post(f"{page}preview/", fee, headers=HTMX))

    assert "From 50 kW, ad hoc charging is priced per kWh" in shown


def test_a_copy_takes_everything_over_but_the_id(browser: Client, actor: Actor, page: str) -> None:
    texts = [{"language": "de", "text": "Kaffee gratis"}]
    draft = draft_of(actor, WHOLE, tariff_alt_text=texts)
    copy = browser.get(f"{page}new/?copy={draft.tariff_id}")
    browser.post(f"{page}new/", {**posted(copy), "name": "Copy"})
    made = only().versions.get().content

    assert made["tariff_alt_text"] == texts
    assert made["id"] != draft.content["id"]
    assert [*differences({**made, "id": draft.content["id"]}, draft.content)] == []


def test_german_fields_are_read_and_shown_with_a_comma(browser: Client, page: str) -> None:
    User.objects.filter(email__startswith="alice").update(language="de")
    german = {"headers": {"Accept-Language": "de"}}
    browser.post(f"{page}new/", {**FIELDS, "e0-energy_price": "0,455", "max_incl": "47,60"}, **german)  # type: ignore[arg-type]
    shown = text_of(browser.get(f"{page}{only().pk}/edit/", **german))  # type: ignore[arg-type]

    assert only().versions.get().content["elements"][1]["price_components"][0]["price"] == Decimal("0.455")
    assert 'value="0,455"' in shown
    assert "Bedingungen" in shown


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT, Role.TECHNICIAN])
def test_who_does_not_keep_tariffs_previews_and_reprices_none(
    organization: Organization, page: str, browser_of: Callable[..., Client], role: Role
) -> None:
    bob = browser_of(factories.make_member(organization, role, "bob"))

    for path in ("preview/", "reprice/", "new/"):
        assert bob.post(f"{page}{path}", FIELDS).status_code == 403


def test_a_stranger_previews_nothing_of_another_organizations_tariff(
    charlie: Client, actor: Actor, page: str
) -> None:
    draft = draft_of(actor, WHOLE)
    own = f"{charlie.get('/')['Location']}tariffs/"

    for path in ("preview/", "reprice/"):
        assert charlie.post(f"{page}{path}", FIELDS).status_code == 404
        assert charlie.post(f"{own}{path}", {**FIELDS, "of": str(draft.tariff_id)}).status_code == 404
    assert charlie.get(f"{own}new/?copy={draft.tariff_id}").status_code == 404
    assert charlie.post(f"{own}{draft.tariff_id}/edit/", {**FIELDS, "act": "add"}).status_code == 404


def test_what_no_field_shows_is_not_lost_where_it_comes_back_broken(browser: Client, page: str) -> None:
    answer = browser.post(f"{page}new/", {**FIELDS, "kept": "{"})

    assert answer.status_code == 422
    assert "What no field shows did not come back. Open the tariff again." in plain(answer)
    assert not TariffVersion.objects.filter(tariff__name="Day and night").exists()


def test_who_is_repricing_already_keeps_the_former_answer(
    browser: Client, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tariff_writing, "under_way", AtOnce(each=0, in_all=0))

    answer = browser.post(f"{page}reprice/", FIELDS, headers=HTMX)

    assert (answer.status_code, answer.content) == (204, b"")
