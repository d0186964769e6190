"""The page behind a charger's QR code, and a start from it."""

import pytest
from django.test import Client

from core.access import Actor
from drivers.models import Driver, IdToken
from drivers.services import tokens
from portal.driver import entry
from stations.domain.words import CommandStatus
from stations.models import ChargingStation, Command, Evse, Transaction
from stations.services import commands
from tests.factories import sessions
from tests.portal.driver.conftest import CARD, text_of
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

TWO = element(component("ENERGY", "0.50", "19")), element(component("FLAT", "1.00", "19"))


def test_anybody_sees_place_code_state_and_price_and_never_the_identity(
    actor: Actor, connected: ChargingStation, evse: Evse
) -> None:
    priced(actor, *TWO)
    shown = text_of(Client().get(f"/c/{evse.code}"))

    for words in (evse.code, "Yard 1", "Ready.", "0.595 €", "Per minute: none.", "30 kWh in", "19.04 €",
                  "Sign in and start"):  # fmt: skip
        assert words in shown, words
    assert shown.index("per kWh") < shown.index("Per minute: none.") < shown.index("Per session:")
    assert connected.identity not in shown
    assert "<script" not in shown
    assert "csrf" not in shown


def test_the_code_is_read_in_any_case_and_with_stars(connected: ChargingStation, evse: Evse) -> None:
    spelt = f"{evse.code[:2].lower()}*{evse.code[2:].lower()}"

    assert evse.code in text_of(Client().get(f"/c/{spelt}"))
    assert Client().get("/c/", {"code": f" {spelt} "})["Location"] == f"/c/{spelt.replace('*', '')}"


def test_an_unknown_code_says_so_and_keeps_what_was_typed(db: None) -> None:
    answer = Client().get("/c/NOSUCH")

    assert answer.status_code == 404
    assert "We do not know this code" in text_of(answer)
    assert 'value="NOSUCH"' in text_of(answer)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("Preparing", "A cable is plugged in, charging has not begun."),
        ("Finishing", "Charging is over. Please unplug."),
        ("Reserved", "Reserved."),
        ("Unavailable", "Switched off by the operator."),
        ("Faulted", "This connector has a fault. The operator has been told."),
        ("", "The charger has not told its state yet."),
    ],
)
def test_each_state_is_told_in_the_drivers_words(
    connected: ChargingStation, evse: Evse, word: str, sentence: str
) -> None:
    evse.connectors.update(status=word)
    assert sentence in text_of(Client().get(f"/c/{evse.code}"))


def test_a_charger_out_of_reach_offers_no_start(phone: Client, card: IdToken, evse: Evse) -> None:
    shown = text_of(phone.get(f"/c/{evse.code}"))

    assert "We cannot reach this charger now" in shown
    assert "/me/start/" not in shown


def test_somebody_elses_session_shows_since_when_and_nothing_more(
    actor: Actor, phone: Client, colleague: Client, card: IdToken, connected: ChargingStation, evse: Evse
) -> None:
    priced(actor)
    session = sessions.begin(connected, token=CARD)
    sessions.read(session, "2000")
    evse.connectors.update(status="Charging")
    others, own = (text_of(one.get(f"/c/{evse.code}")) for one in (colleague, phone))

    assert "In use since" in others
    assert str(session.pk) not in others
    assert "1.19" not in others
    assert "/me/start/" not in others
    assert f"/me/sessions/{session.pk}/" in own


def test_a_start_is_followed_step_by_step_until_energy_flows(
    phone: Client, card: IdToken, dora: Driver, connected: ChargingStation, evse: Evse
) -> None:
    assert "Blue card" in text_of(phone.get(f"/c/{evse.code}"))
    where = phone.post(f"/me/start/{evse.code}", {"card": card.pk})["Location"]
    again = phone.post(f"/me/start/{evse.code}", {"card": card.pk})["Location"]
    command = connected.commands.get()

    assert where == again == f"/me/starts/{command.pk}/"
    assert command.parameters["token_value"] != ""
    assert command.issued_by == f"driver:{dora.pk}"
    assert 'class="is-now"' in text_of(phone.get(where))

    Command.objects.filter(pk=command.pk).update(status="sent", sent_at=command.issued_at)
    commands.settle(command.pk, CommandStatus.ACCEPTED, response={"status": "Accepted"})
    session = sessions.begin(connected, token=CARD, minutes=0)
    Command.objects.filter(pk=command.pk).update(transaction=session)
    told = text_of(phone.get(where))

    assert told.count('class="is-done"') == 3
    assert told.count('class="is-now"') == 1
    Transaction.objects.filter(pk=session.pk).update(energy_wh=5)
    assert phone.get(where)["Location"] == f"/me/sessions/{session.pk}/"


def test_a_refused_start_says_so_in_words(
    phone: Client, card: IdToken, connected: ChargingStation, evse: Evse
) -> None:
    where = phone.post(f"/me/start/{evse.code}", {"card": card.pk})["Location"]
    connected.commands.update(status="sent")
    commands.settle(connected.commands.get().pk, CommandStatus.REJECTED, response={"status": "Rejected"})
    shown = text_of(phone.get(where))

    assert "The charger refused to start. Nothing was charged." in shown
    assert 'class="is-failed"' in shown
    assert "refresh" not in shown


def test_a_blocked_card_starts_nothing(
    phone: Client, card: IdToken, actor: Actor, connected: ChargingStation, evse: Evse
) -> None:
    tokens.block(card, reason="lost", by=actor)

    assert "You have no card that can be used now" in text_of(phone.get(f"/c/{evse.code}"))
    assert phone.post(f"/me/start/{evse.code}", {"card": card.pk}).status_code == 409
    assert not connected.commands.exists()


@pytest.mark.parametrize("who", ["charlie", "colleague"])
def test_nobody_starts_with_somebody_elses_card_or_follows_their_start(
    who: str,
    request: pytest.FixtureRequest,
    phone: Client,
    card: IdToken,
    connected: ChargingStation,
    evse: Evse,
) -> None:
    stranger = request.getfixturevalue(who)
    assert stranger.post(f"/me/start/{evse.code}", {"card": card.pk}).status_code == 404
    assert not connected.commands.exists()
    where = phone.post(f"/me/start/{evse.code}", {"card": card.pk})["Location"]

    assert stranger.get(where).status_code == 404


def test_a_busy_charger_takes_no_second_start(
    phone: Client, card: IdToken, connected: ChargingStation, evse: Evse
) -> None:
    sessions.begin(connected, token="04FFFFFF")

    assert phone.post(f"/me/start/{evse.code}", {"card": card.pk}).status_code == 409
    assert not connected.commands.exists()


def test_one_address_opens_so_many_pages_a_minute_and_is_told_to_wait(
    monkeypatch: pytest.MonkeyPatch, evse: Evse
) -> None:
    monkeypatch.setattr(entry, "PER_MINUTE", 3)
    answers = [Client().get("/c/NOSUCH") for _ in range(4)]

    assert [one.status_code for one in answers] == [404, 404, 404, 429]
    assert answers[-1]["Retry-After"] == "60"


def test_starts_have_a_limit_and_stops_have_none(
    monkeypatch: pytest.MonkeyPatch, phone: Client, card: IdToken, connected: ChargingStation, evse: Evse
) -> None:
    monkeypatch.setattr(entry, "STARTS_PER_MINUTE", 1)
    codes = [phone.post(f"/me/start/{evse.code}", {"card": card.pk}).status_code for _ in range(2)]
    session = sessions.begin(connected, token=CARD)
    stops = [phone.post(f"/me/sessions/{session.pk}/stop/").status_code for _ in range(3)]

    assert codes == [302, 409]
    assert stops == [302, 302, 302]


def test_the_chargers_page_is_told_in_german_with_its_price(
    actor: Actor, connected: ChargingStation, evse: Evse
) -> None:
    priced(actor, *TWO)
    shown = text_of(Client().get(f"/c/{evse.code}", headers={"Accept-Language": "de"}))

    for words in ("Bereit.", "Preis mit Karte oder Konto", "0,595 €", "Je Minute: nichts.", "19,04 €",
                  "Anmelden und starten"):  # fmt: skip
        assert words in shown, words
    assert shown.index("0,595 €") < shown.index("Je Minute: nichts.") < shown.index("Je Ladevorgang:")
