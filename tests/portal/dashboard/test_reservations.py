"""The tab Reservations, the outlet's card, and who may reserve."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import Organization
from drivers.models import IdToken
from stations.domain.reservations import ReservationStatus
from stations.models import ChargingStation, Command, Connector, Evse, Presence, Reservation
from tests import factories

HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.0.1", epoch=1)
    return f"{home}stations/{station.pk}/reservations/"


@pytest.fixture
def at_evse(home: str, station: ChargingStation, page: str) -> str:
    return f"{home}stations/{station.pk}/evses/1/reserve/"


def keep(station: ChargingStation, token: IdToken, **changes: Any) -> Reservation:
    values: dict[str, Any] = {
        "number": 41,
        "evse": station.evses.get(evse_id=1),
        "token": token,
        "token_value": token.value,
        "token_type": token.type,
        "status": ReservationStatus.ACTIVE.value,
        "expires_at": clock.now() + timedelta(hours=1),
        "created_at": clock.now(),
        "created_by": "user:anna@example.org",
        **changes,
    }
    if values["status"] not in ("requested", "active"):
        values["ended_at"] = clock.now()
    return Reservation.objects.create(station=station, **values)


def read(browser: Client, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def wish(token: IdToken, **changes: str) -> dict[str, str]:
    return {"act": "reserve", "place": "evse:1", "token": str(token.pk), "minutes": "60", **changes}


def test_an_empty_tab_says_what_reservations_are(browser: Client, page: str, token: IdToken) -> None:
    text = read(browser, page)

    assert "Nothing is reserved" in text
    assert "Kept free now</h2>" in text
    assert 'value="evse:2"' in text
    assert "Over</h2>" not in text


def test_open_and_past_reservations_are_told_with_state_holder_and_time(
    browser: Client, page: str, station: ChargingStation, token: IdToken
) -> None:
    keep(station, token)
    keep(station, token, number=40, evse=None, connector_type="cCCS2", status="refused", detail="Occupied")
    keep(station, token, number=39, status="cancelled", detail="Cancelled by user:bob@example.org.")
    text = read(browser, page)
    kept, over = text.split('id="over-title"')

    assert all(word in kept for word in ("Kept free", "Pool car", "anna@example.org", "30 min longer"))
    assert all(word in over for word in ("Refused", "Occupied", "CCS 2", "Cancelled", "bob@example.org"))
    assert "user:bob" not in text
    assert "Cancel reservation 40" not in text


def test_the_fragment_equals_the_part_of_the_page(
    browser: Client, page: str, station: ChargingStation, token: IdToken
) -> None:
    keep(station, token)
    fragment = read(browser, page, **HTMX)

    assert fragment.strip().startswith('<div class="stack" id="reservations"')
    assert "<html" not in fragment
    assert "Pool car" in fragment


@pytest.mark.parametrize(
    ("place", "evse_id", "connector_type"), [("evse:2", 2, ""), ("type:cCCS2", None, "cCCS2"), ("", None, "")]
)
def test_a_filled_in_form_asks_the_station(
    browser: Client,
    page: str,
    station: ChargingStation,
    token: IdToken,
    place: str,
    evse_id: int | None,
    connector_type: str,
) -> None:
    text = browser.post(f"{page}send/", wish(token, place=place), headers=HTMX).content.decode()
    command, kept = Command.objects.get(station=station), Reservation.objects.get(station=station)

    assert (command.command, command.evse_id) == ("reserve_now", evse_id)
    assert (kept.connector_type, kept.token, kept.status) == (connector_type, token, "requested")
    assert timedelta(minutes=59) < kept.expires_at - clock.now() <= timedelta(hours=1)
    assert "Requested" in text
    assert str(command.pk) in text


def test_types_of_plugs_are_offered_by_the_names_people_use(
    browser: Client, page: str, evse: Evse, token: IdToken
) -> None:
    Connector.objects.filter(evse=evse).update(type="cCCS2")
    text = read(browser, page)

    assert 'value="type:cCCS2"' in text
    assert "Any one with CCS 2" in text


def test_until_when_is_told_in_the_time_zone_of_the_site(
    browser: Client, page: str, station: ChargingStation, token: IdToken
) -> None:
    station.site.time_zone = "Asia/Kolkata"
    station.site.save()
    tomorrow = f"{clock.now() + timedelta(days=2):%Y-%m-%d}"
    browser.post(f"{page}send/", wish(token, until=f"{tomorrow}T06:00"))

    kept = Reservation.objects.get(station=station)
    assert kept.expires_at == datetime.fromisoformat(f"{tomorrow}T00:30:00+00:00")


BAD = [
    ({"token": "x"}, 422),
    ({"place": "evse:9"}, 422),
    ({"place": "evse:²"}, 422),
    ({"minutes": "7"}, 422),
    ({"until": "soon"}, 422),
    ({"until": "2020-01-01T00:00"}, 422),
    ({"until": "2036-01-01T00:00"}, 422),
    ({"act": "odd"}, 422),
    ({"act": "cancel"}, 422),
    ({"act": "cancel", "reservation": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, 404),
]


@pytest.mark.parametrize(("form", "status"), BAD)
def test_bad_input_is_told_and_sends_nothing(
    browser: Client, page: str, station: ChargingStation, token: IdToken, form: dict[str, str], status: int
) -> None:
    answer = browser.post(f"{page}send/", {**wish(token), **form}, headers=HTMX)

    assert answer.status_code == status
    assert b'role="alert"' in answer.content
    assert not Command.objects.filter(station=station).exists()
    assert not Reservation.objects.filter(station=station).exists()


def test_a_second_reservation_of_an_evse_is_refused_in_the_readers_language(
    browser: Client, home: str, page: str, station: ChargingStation, token: IdToken
) -> None:
    keep(station, token)
    browser.post(f"{home}preferences/", {"language": "de"})
    answer = browser.post(f"{page}send/", wish(token), headers=HTMX)

    assert answer.status_code == 409
    assert "EVSE 1 ist schon reserviert" in answer.content.decode()


def test_a_reservation_is_extended_and_cancelled(
    browser: Client, page: str, station: ChargingStation, token: IdToken
) -> None:
    kept = keep(station, token)
    browser.post(f"{page}send/", {"act": "longer", "reservation": kept.pk})
    browser.post(f"{page}send/", {"act": "cancel", "reservation": kept.pk})
    longer, cancel = station.commands.order_by("id")

    assert longer.command == "reserve_now"
    assert longer.parameters["number"] == cancel.parameters["number"] == 41
    assert datetime.fromisoformat(longer.parameters["expires_at"]) == kept.expires_at + timedelta(minutes=30)
    assert (cancel.command, cancel.parameters["reservation"]) == ("cancel_reservation", str(kept.pk))


def test_a_reservation_that_is_over_cannot_be_cancelled(
    browser: Client, page: str, station: ChargingStation, token: IdToken
) -> None:
    kept = keep(station, token, status="used")
    answer = browser.post(f"{page}send/", {"act": "cancel", "reservation": kept.pk}, headers=HTMX)

    assert answer.status_code == 409
    assert not station.commands.exists()


def test_the_card_of_the_outlet_tells_for_whom_it_is_kept_free(
    browser: Client, home: str, page: str, station: ChargingStation, token: IdToken
) -> None:
    keep(station, token)
    text = read(browser, f"{home}stations/{station.pk}/")
    first, second = text.split('id="evse-2"')

    assert "Kept free for Pool car until" in first
    assert 'id="release-1"' in first
    assert 'id="reserve-1"' not in first
    assert "Kept free for" not in second
    assert 'id="reserve-2"' in second


def test_a_reservation_of_any_outlet_is_told_above_the_cards(
    browser: Client, home: str, page: str, station: ChargingStation, token: IdToken
) -> None:
    keep(station, token, evse=None, connector_type="cCCS2")
    text = read(browser, f"{home}stations/{station.pk}/")

    assert "Any one with CCS 2 is kept free for Pool car until" in text
    assert 'id="release-1"' not in text


def test_what_is_over_is_not_told_as_kept_free(
    browser: Client, home: str, page: str, station: ChargingStation, token: IdToken
) -> None:
    keep(station, token, status="expired", number=40)
    keep(station, token, expires_at=clock.now() - timedelta(minutes=1))

    assert "Kept free for" not in read(browser, f"{home}stations/{station.pk}/")


def test_reserving_at_the_card_answers_with_the_card(
    browser: Client, at_evse: str, station: ChargingStation, token: IdToken
) -> None:
    text = browser.post(at_evse, wish(token), headers=HTMX).content.decode()
    kept = Reservation.objects.get(station=station)
    again = browser.post(at_evse, {"act": "cancel", "reservation": kept.pk}, headers=HTMX).content.decode()

    assert 'id="evse-1"' in text
    assert 'id="said-1"' in text
    assert "A reservation for Pool car is asked for" in text
    assert "Cancel a reservation" in again
    assert list(station.commands.order_by("id").values_list("command", "evse_id")) == [
        ("reserve_now", 1),
        ("cancel_reservation", 1),
    ]


def test_a_station_that_cannot_reserve_is_not_asked_to(
    browser: Client, home: str, page: str, station: ChargingStation, token: IdToken
) -> None:
    told = {"answer": {"able": False, "detail": "NotSupported", "at": clock.now().isoformat()}}
    ChargingStation.objects.filter(pk=station.pk).update(capabilities={"reservation": told})

    assert "This station cannot reserve" in read(browser, page)
    assert 'id="reserve-1"' not in read(browser, f"{home}stations/{station.pk}/")


def test_a_technician_reserves_without_seeing_names(
    organization: Organization, page: str, station: ChargingStation, token: IdToken, browser_of: Any
) -> None:
    keep(station, token)
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    text = read(bob, page)

    assert token.masked in text
    assert "Pool car" not in text
    assert token.value not in text
    assert bob.post(f"{page}send/", wish(token, place="evse:2")).status_code == 302


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
def test_who_may_not_command_sees_but_neither_reserves_nor_cancels(
    organization: Organization,
    home: str,
    page: str,
    at_evse: str,
    station: ChargingStation,
    token: IdToken,
    browser_of: Any,
    role: Role,
) -> None:
    kept = keep(station, token)
    reader = browser_of(factories.make_member(organization, role, "vera"))
    text, live = read(reader, page), read(reader, f"{home}stations/{station.pk}/")

    assert "Kept free" in text
    assert "Kept free for" in live
    for offered in ("<form", "30 min longer", "data-open="):
        assert offered not in text.split('id="main"')[1].split('id="drawer"')[0]
    assert 'id="release-1"' not in live
    for form in (wish(token, place="evse:2"), {"act": "cancel", "reservation": kept.pk}):
        assert reader.post(f"{page}send/", form).status_code == 403
        assert reader.post(at_evse, form).status_code == 403
    assert not station.commands.exists()


def test_a_stranger_finds_nothing_and_names_no_reservation_of_others(
    charlie: Client, page: str, at_evse: str, station: ChargingStation, token: IdToken, browser: Client
) -> None:
    other, _ = factories.make_station(factories.make_actor(factories.make_organization()))
    foreign = Reservation.objects.create(
        station=other,
        number=7,
        token_value="04FFFFFFFF",
        token_type="ISO14443",
        status="active",
        expires_at=clock.now() + timedelta(hours=1),
        created_at=clock.now(),
        created_by="user:x",
    )
    assert charlie.get(page).status_code == 404
    assert charlie.post(f"{page}send/", wish(token)).status_code == 404
    assert charlie.post(at_evse, wish(token)).status_code == 404
    answer = browser.post(f"{page}send/", {"act": "cancel", "reservation": foreign.pk}, headers=HTMX)
    assert answer.status_code == 404
    assert not Command.objects.filter(station__in=[station, other]).exists()


def test_reserved_outlets_are_a_facet_of_the_list(
    browser: Client, home: str, evse: Evse, station: ChargingStation, actor: Actor
) -> None:
    Presence.objects.filter(station=station).update(connected=True, epoch=1)
    other, _ = factories.make_station(actor)
    Connector.objects.filter(evse=evse).update(status="Reserved")
    text = read(browser, f"{home}stations/?status=reserved")

    assert station.identity in text
    assert other.identity not in text
    assert 'href="?status=reserved"' in read(browser, f"{home}stations/")
