"""A driver's own sessions and cards, and nobody else's."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import clock
from core.access import Actor
from core.models import AuditEntry
from drivers.models import Driver, IdToken
from portal.driver.sessions import AT_ONCE
from stations.models import ChargingStation, Evse, Transaction
from tests import factories
from tests.factories import sessions
from tests.portal.driver.conftest import CARD, text_of
from tests.stations.ocpp.charging import priced


@pytest.fixture
def running(actor: Actor, station: ChargingStation, card: IdToken) -> Transaction:
    priced(actor)
    session = sessions.begin(station, token=CARD)
    sessions.read(session, "2000")
    Transaction.objects.filter(pk=session.pk).update(energy_wh=2000, power_w=7360, soc_percent=41)
    return Transaction.objects.get(pk=session.pk)


def test_home_leads_a_driver_who_is_no_member_to_the_sessions(phone: Client) -> None:
    assert phone.get("/")["Location"] == "/me/"
    assert "Your first charge appears here." in text_of(phone.get("/me/"))


def test_who_is_not_signed_in_signs_in_first(db: None) -> None:
    assert Client().get("/me/")["Location"] == "/accounts/login/?next=%2Fme%2F"


def test_a_member_who_is_no_driver_finds_nothing(actor: Actor) -> None:
    client = Client()
    client.force_login(factories.make_member(factories.make_organization(demo=True)).user)
    assert client.get("/me/").status_code == 404


def test_the_running_session_stands_on_top_with_its_cost(phone: Client, running: Transaction) -> None:
    shown = text_of(phone.get("/me/"))

    assert shown.index("Running now") < shown.index(f"/me/sessions/{running.pk}/")
    assert "2.00 kWh" in shown
    assert "1.19 €" in shown


def test_kwh_come_first_then_cost_time_power_and_the_battery(phone: Client, running: Transaction) -> None:
    shown = text_of(phone.get(f"/me/sessions/{running.pk}/"))
    order = ["2.00 <small>kWh", "Cost so far", "1.19 €", "Time", "Power", "7.4 kW", "Battery", "41 %"]

    assert sorted(order, key=shown.index) == order
    Transaction.objects.update(soc_percent=None, power_w=None)
    without = text_of(phone.get(f"/me/sessions/{running.pk}/"))
    assert "Battery" not in without
    assert "Power" not in without


def test_past_sessions_stand_by_month_with_their_price_lines_on_their_page(
    phone: Client, running: Transaction
) -> None:
    ended = sessions.end(running, 12_345)
    listed, shown = text_of(phone.get("/me/")), text_of(phone.get(f"/me/sessions/{ended.pk}/"))

    assert "Running now" not in listed
    assert f"<h2>{ended.started_at:%B %Y}</h2>" in listed
    for words in ("12.35", "12.345 kWh × 0.595 €/kWh", "Total", "7.35 €", "The session has ended."):
        assert words in shown, words
    assert "Stop charging" not in shown


def test_no_page_tells_the_identity_of_the_station(
    phone: Client, running: Transaction, station: ChargingStation
) -> None:
    for path in ("/me/", f"/me/sessions/{running.pk}/", f"/me/sessions/{running.pk}/stop/", "/me/cards/"):
        assert station.identity not in text_of(phone.get(path)), path


def test_pages_are_told_in_german_and_the_choice_is_kept(phone: Client, running: Transaction) -> None:
    first = text_of(phone.get(f"/me/sessions/{running.pk}/?lang=de"))
    again = text_of(phone.get(f"/me/sessions/{running.pk}/"))

    for words in ('<html lang="de">', "Kosten bisher", "Laden beenden", "1,19 €"):
        assert words in first, words
        assert words in again, words


def test_a_running_page_refreshes_itself_without_script(phone: Client, running: Transaction) -> None:
    refresh = '<noscript><meta http-equiv="refresh" content="10"></noscript>'

    assert refresh in text_of(phone.get(f"/me/sessions/{running.pk}/"))
    assert refresh not in text_of(phone.get("/me/"))


def test_stop_asks_once_and_goes_the_one_command_path(
    phone: Client, running: Transaction, dora: Driver, connected: ChargingStation
) -> None:
    asked = phone.get(f"/me/sessions/{running.pk}/stop/")
    assert "Stop now?" in text_of(asked)
    assert "2.00" in text_of(asked)
    assert not running.commands.exists()

    for _ in range(2):  # pressed twice is asked once
        phone.post(f"/me/sessions/{running.pk}/stop/")
    command = running.commands.get()
    page = text_of(phone.get(f"/me/sessions/{running.pk}/"))

    assert (command.command, command.transaction_id) == ("request_stop_transaction", running.pk)
    assert command.issued_by == f"driver:{dora.pk}"
    assert AuditEntry.objects.filter(action="command.issued", actor=f"driver:{dora.pk}").count() == 1
    assert "The charger was asked to stop." in page


def test_a_station_out_of_reach_is_told_and_the_stop_can_be_tried_again(
    phone: Client, running: Transaction
) -> None:
    phone.post(f"/me/sessions/{running.pk}/stop/")
    shown = text_of(phone.get(f"/me/sessions/{running.pk}/"))

    assert "The charger did not stop." in shown
    assert f"/me/sessions/{running.pk}/stop/" in shown


def test_own_cards_are_shown_and_blocked_at_once(phone: Client, card: IdToken, dora: Driver) -> None:
    assert "Blue card" in text_of(phone.get("/me/cards/"))
    assert "Only the operator can unblock it." in text_of(phone.get(f"/me/cards/{card.pk}/block/"))
    phone.post(f"/me/cards/{card.pk}/block/")
    card.refresh_from_db()

    assert card.status == "blocked"
    assert "Blocked" in text_of(phone.get("/me/cards/"))
    assert AuditEntry.objects.filter(action="token.blocked", actor=f"driver:{dora.pk}").count() == 1


@pytest.mark.parametrize("who", ["charlie", "colleague"])
def test_a_strangers_sessions_and_cards_do_not_exist(
    who: str, request: pytest.FixtureRequest, running: Transaction, card: IdToken
) -> None:
    stranger = request.getfixturevalue(who)
    for path in (f"sessions/{running.pk}/", f"sessions/{running.pk}/stop/", f"cards/{card.pk}/block/"):
        assert stranger.get(f"/me/{path}").status_code == 404, path
        assert stranger.post(f"/me/{path}").status_code in (404, 405), path
    card.refresh_from_db()

    assert card.status == "accepted"
    assert not running.commands.exists()
    assert str(running.pk) not in text_of(stranger.get("/me/"))
    assert "Blue card" not in text_of(stranger.get("/me/cards/"))


def test_who_was_idle_for_long_is_signed_out_on_the_chargers_page_too(
    phone: Client, card: IdToken, connected: ChargingStation, evse: Evse
) -> None:
    assert "Blue card" in text_of(phone.get(f"/c/{evse.code}"))
    with time_machine.travel(clock.now() + timedelta(minutes=31)):
        assert "Blue card" not in text_of(phone.get(f"/c/{evse.code}"))


def test_pages_are_small_and_ask_few_questions(
    phone: Client, running: Transaction, evse: Evse, card: IdToken
) -> None:
    files = ("css/driver.css", "js/driver.js", "img/logo.svg")
    shared = sum((settings.BASE_DIR / "static" / name).stat().st_size for name in files)
    for path in ("/me/", f"/me/sessions/{running.pk}/", f"/c/{evse.code}", "/me/cards/"):
        phone.get(path)
        with CaptureQueriesContext(connection) as seen:
            answer = phone.get(path)
        asked = [one["sql"] for one in seen if "SAVEPOINT" not in one["sql"]]
        assert shared + len(answer.content) < 25_000, path
        assert len(asked) <= 12, (path, asked)


def test_earlier_sessions_are_reached_by_key_each_once(
    phone: Client, station: ChargingStation, card: IdToken, actor: Actor
) -> None:
    made = set()
    for number in range(AT_ONCE + 3):
        session = sessions.begin(station, token=CARD, minutes=200 + number // 2)
        sessions.end(session, 1000)
        made.add(str(session.pk))
    first = text_of(phone.get("/me/"))
    earlier = re.search(r'href="(\?before=[^"]+)"', first)
    assert earlier is not None
    second = text_of(phone.get(f"/me/{earlier[1]}"))

    told = [set(re.findall(r"/me/sessions/([0-9a-f-]{36})/", page)) for page in (first, second)]
    assert told[0] | told[1] == made
    assert not told[0] & told[1]
    assert "?before=" not in second
    odd = text_of(phone.get("/me/?before=nothing"))
    assert set(re.findall(r"/me/sessions/([0-9a-f-]{36})/", odd)) == told[0]
