"""A driver's cards: listed by key, named, and added by holding them to a charger (driver 7)."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from core import clock
from core.access import Actor
from core.models import AuditEntry
from drivers.models import CardRegistration, Driver, IdToken
from drivers.services import drivers, policies, tokens
from portal.driver.cards import AT_ONCE
from stations.domain.events import TokenShown
from stations.domain.station import StationRef
from stations.domain.words import Version
from stations.models import ChargingStation, Evse
from stations.services import authorization, card_registering, stations, sweeping
from tests import factories
from tests.factories import sessions
from tests.portal.driver.conftest import CARD, text_of

NUMBER = "04:aa-bb cc"
VALUE = "04AABBCC"


def hold(station: ChargingStation, value: str = VALUE, type_: str = "ISO14443") -> None:
    """Somebody holds a card to the station, which asks about it."""
    side = StationRef(
        station_id=station.pk,
        organization_id=station.organization_id,
        site_id=station.site_id,
        version=Version.V201,
    )
    authorization.for_authorize(side, TokenShown(value=value, type=type_))


def add(phone: Client, evse: Evse, number: str = NUMBER, name: str = "Key ring") -> str:
    """Says that the card is the driver's; the address of the page that waits for it."""
    answer = phone.post("/me/cards/add/", {"number": number, "code": evse.code, "name": name})
    assert answer.status_code == 302, text_of(answer)
    return str(answer["Location"])


def look(minutes: float = 0) -> None:
    with time_machine.travel(clock.now() + timedelta(minutes=minutes, seconds=1)):
        sweeping.sweep()


def holder(value: str = VALUE) -> Driver | None:
    return IdToken.objects.live().get(value__iexact=value).driver


@pytest.fixture
def pool(actor: Actor) -> IdToken:
    """A card that the operator made known and nobody has."""
    return factories.make_token(actor, VALUE)


def test_7_a_card_is_added_by_its_number_and_by_holding_it_to_the_charger(
    phone: Client, dora: Driver, pool: IdToken, station: ChargingStation, evse: Evse
) -> None:
    page = add(phone, evse)
    look()
    before, waits = holder(), text_of(phone.get(page))
    hold(station)
    look()
    after = text_of(phone.get(page))

    assert before is None
    assert "Hold the card to the charger now." in waits
    assert "<script" in waits
    assert holder() == dora
    assert "The card is yours now." in after
    assert "<script" not in after
    assert "Key ring" in text_of(phone.get("/me/cards/"))
    assert AuditEntry.objects.get(action="token.registered").actor == f"system:card of driver:{dora.pk}"


def test_7_a_station_that_asks_no_leave_proves_the_card_by_the_session_it_begins(
    phone: Client, dora: Driver, pool: IdToken, station: ChargingStation, evse: Evse
) -> None:
    add(phone, evse)
    sessions.begin(station, token=VALUE, minutes=30)  # told now, but begun before
    look()
    told_later = holder()
    stations.add_evse(station, 2)
    sessions.begin(station, token=VALUE, minutes=0, evse_id=2)
    look()

    assert told_later is None
    assert holder() == dora


@pytest.mark.parametrize(
    "way", ["never", "elsewhere", "too late", "another card", "as another type", "by us"]
)
def test_7_a_number_that_is_merely_typed_gives_nobody_a_card(
    phone: Client, actor: Actor, pool: IdToken, station: ChargingStation, evse: Evse, way: str
) -> None:
    hold(station)
    page = add(phone, evse)
    if way == "elsewhere":
        hold(factories.make_station(actor)[0])
    elif way == "too late":
        with time_machine.travel(clock.now() + timedelta(minutes=11)):
            hold(station)
    elif way == "another card":
        hold(station, "04AABBCCDD")
    elif way == "as another type":
        hold(station, type_="Central")
    elif way == "by us":
        side = StationRef(station_id=station.pk, organization_id=station.organization_id)
        authorization.for_remote_start(side, TokenShown(value=VALUE, type="ISO14443"))
    look(12)

    assert holder() is None
    assert "not held to this charger in time" in text_of(phone.get(page))
    assert not AuditEntry.objects.filter(action="token.registered").exists()


@pytest.mark.parametrize("why", ["of a colleague", "blocked", "master pass", "unknown", "driver ended"])
def test_7_a_card_that_may_not_become_theirs_is_refused_in_one_sentence(
    phone: Client,
    dora: Driver,
    actor: Actor,
    pool: IdToken,
    station: ChargingStation,
    evse: Evse,
    why: str,
) -> None:
    number = "0499887766" if why == "unknown" else VALUE
    page = add(phone, evse, number)
    if why == "of a colleague":
        tokens.update(pool, {"driver": factories.make_driver(actor)}, by=actor)
    elif why == "blocked":
        tokens.block(pool, reason="", by=actor)
    elif why == "master pass":
        group = tokens.create_group(name="Service", token="SERVICE", master_pass=True, by=actor)
        tokens.update(pool, {"group": group}, by=actor)
    elif why == "driver ended":
        drivers.retire(dora, by=actor)
    hold(station, number)
    look()

    assert not IdToken.objects.filter(driver=dora).exists()
    assert CardRegistration.objects.get().state == "refused"
    if why != "driver ended":
        assert "This card cannot be added here." in text_of(phone.get(page))


def test_7_cards_that_nobody_made_known_are_added_where_the_operator_allows_it(
    phone: Client, dora: Driver, actor: Actor, station: ChargingStation, evse: Evse
) -> None:
    policies.change(any_card=True, by=actor)
    add(phone, evse)
    hold(station, VALUE.lower())
    look()
    made = IdToken.objects.get(driver=dora)

    assert (made.value, made.type, made.label) == (VALUE, "ISO14443", "Key ring")
    assert policies.of(actor.home).sessions_at_once == 1


def test_7_two_who_wait_for_the_same_card_at_one_charger_get_it_neither(
    phone: Client, colleague: Client, pool: IdToken, station: ChargingStation, evse: Evse
) -> None:
    pages = [add(one, evse) for one in (phone, colleague)]
    hold(station)
    look()

    assert holder() is None
    assert "cannot be added" in text_of(phone.get(pages[0]))
    assert "cannot be added" in text_of(colleague.get(pages[1]))


def test_7_what_is_typed_wrongly_is_said_at_the_field(phone: Client, charlie: Client, evse: Evse) -> None:
    tries: list[tuple[Client, dict[str, Any], str]] = [
        (phone, {"number": "12", "code": evse.code}, "4 to 36 digits and letters"),
        (phone, {"number": "04$$AABB", "code": evse.code}, "4 to 36 digits and letters"),
        (phone, {"number": VALUE, "code": "ZZ9"}, "We do not know this code."),
        (charlie, {"number": VALUE, "code": evse.code}, "You have no account with the operator"),
    ]
    for one, values, sentence in tries:
        answer = one.post("/me/cards/add/", values)
        assert (answer.status_code, sentence in text_of(answer)) == (422, True), values
        assert f'value="{values["number"]}"'.replace("$", "$") in text_of(answer)

    assert not CardRegistration.objects.exists()


def test_7_a_second_try_ends_the_first_and_there_are_so_many_a_day(
    phone: Client, pool: IdToken, station: ChargingStation, evse: Evse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_registering, "A_DAY", 2)
    first, _ = add(phone, evse), add(phone, evse, "0411223344")
    hold(station)
    look()
    third = phone.post("/me/cards/add/", {"number": VALUE, "code": evse.code})

    assert "not held to this charger in time" in text_of(phone.get(first))
    assert holder() is None
    assert "tried too often today" in text_of(third)


def test_7_what_a_driver_waits_for_is_shown_to_nobody_else(
    phone: Client, colleague: Client, charlie: Client, pool: IdToken, evse: Evse
) -> None:
    page = add(phone, evse)

    assert [one.get(page).status_code for one in (colleague, charlie)] == [404, 404]
    assert Client().get(page)["Location"].startswith("/accounts/login/")
    assert Client().post("/me/cards/add/", {"number": VALUE})["Location"].startswith("/accounts/login/")


def test_7_a_driver_names_a_card_and_nobody_else_does(
    phone: Client, colleague: Client, charlie: Client, card: IdToken
) -> None:
    refused = [
        one.post(f"/me/cards/{card.pk}/", {"name": "Mine"}).status_code for one in (colleague, charlie)
    ]
    phone.post(f"/me/cards/{card.pk}/", {"name": " Wife's \x00 car "})
    card.refresh_from_db()

    assert refused == [404, 404]
    assert card.label == "Wife's car"
    assert text_of(phone.get("/me/cards/")).count("Wife&#x27;s car") == 2  # once as the button's words


def test_7_cards_are_listed_page_by_page(phone: Client, dora: Driver, card: IdToken) -> None:
    IdToken.objects.bulk_create(
        IdToken(organization=dora.organization, value=f"04{n:06}", driver=dora, label=f"Card {n}")
        for n in range(AT_ONCE + 3)
    )
    first = phone.get("/me/cards/")
    more = text_of(first).split('href="?after=')[1].split('"')[0]
    second = phone.get(f"/me/cards/?after={more}")
    labels = [[token.label for token, *_ in one.context["cards"]] for one in (first, second)]

    assert [len(one) for one in labels] == [AT_ONCE, 4]
    assert len({*labels[0], *labels[1]}) == AT_ONCE + 4
    assert "More cards" not in text_of(second)
    assert CARD[-4:] in text_of(first)
    assert phone.get("/me/cards/?after=nonsense").status_code == 200


def test_m07_a_card_that_stumbles_and_a_job_that_does_keep_no_other_card_waiting(
    phone: Client,
    actor: Actor,
    dora: Driver,
    pool: IdToken,
    station: ChargingStation,
    evse: Evse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison = CardRegistration.objects.create(
        organization=dora.organization, driver=factories.make_driver(actor), value="POISON1", station=station.pk,
        created_at=clock.now() - timedelta(minutes=2), expires_at=clock.now() + timedelta(minutes=8),
    )  # fmt: skip
    add(phone, evse)
    hold(station)
    settle = card_registering.settle

    def stumble(key: object, *rest: Any) -> bool:
        if key == poison.pk:
            raise ValueError(key)
        return settle(key, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(card_registering, "settle", stumble)
    monkeypatch.setattr(sweeping.commands, "sweep", stumble)
    look()

    assert holder() == dora
