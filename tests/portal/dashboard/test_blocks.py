"""Blocks with a reason and an end (dashboard 4.11): over by themselves at that instant, whoever asks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import translation

from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from drivers.models import Driver, IdToken
from drivers.services import drivers, tokens
from portal.dashboard.evses import tokens_to_start_with
from portal.dashboard.sentences import told
from stations.domain.events import TokenShown
from stations.domain.station import StationRef
from stations.models import AuthorizationAnswer, ChargingStation
from stations.services import authorization, replacing
from tests import factories

MINUTE = timedelta(minutes=1)


@pytest.fixture
def frida(actor: Actor) -> Driver:
    return factories.make_driver(actor, "Frida Abend")


@pytest.fixture
def end() -> datetime:
    return (clock.now() + timedelta(minutes=10)).replace(second=0, microsecond=0)


def show(station: ChargingStation, token: IdToken, at: datetime) -> AuthorizationAnswer:
    """What is answered to the token at that instant."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    with time_machine.travel(at, tick=False):
        authorization.for_authorize(side, TokenShown(value=token.value))
    return AuthorizationAnswer.objects.filter(station=station).latest("id")


def typed(end: datetime, organization: Organization) -> str:
    """As the browser sends it: the wall clock of the reader."""
    return end.astimezone(ZoneInfo(organization.time_zone)).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize("who", ["token", "driver"])
def test_a_block_with_an_end_refuses_until_that_instant_and_no_longer(
    browser: Client,
    home: str,
    organization: Organization,
    station: ChargingStation,
    actor: Actor,
    frida: Driver,
    end: datetime,
    who: str,
) -> None:
    token = factories.make_token(actor, driver=frida)
    path = f"tokens/{token.pk}" if who == "token" else f"drivers/{frida.pk}"
    body = {"act": "block", "reason": "Invoice 7 is open", "until": typed(end, organization)}
    assert browser.post(f"{home}{path}/status/", body).status_code == 302
    page = browser.get(f"{home}{path}/").content.decode()
    last, first = show(station, token, end - MINUTE), show(station, token, end)

    assert "Invoice 7 is open" in page
    assert "until " in page
    assert (last.verdict, first.verdict) == ("blocked", "accepted")
    assert last.reason.endswith(f"blocked until {end:%Y-%m-%d %H:%M} UTC.")
    entry = AuditEntry.objects.get(action=f"{who}.blocked")
    assert entry.reason == "Invoice 7 is open"
    assert entry.changes == {"blocked_until": [None, clock.to_wire(end)]}
    with time_machine.travel(end + MINUTE):
        page = browser.get(f"{home}{path}/").content.decode()
    assert "Invoice 7 is open" not in page
    assert 'data-open="block"' in page


def test_a_start_from_afar_is_offered_again_when_the_block_is_over(
    actor: Actor, frida: Driver, end: datetime
) -> None:
    own, through = factories.make_token(actor), factories.make_token(actor, driver=frida)
    tokens.block(own, reason="", until=end, by=actor)
    drivers.block(frida, reason="", until=end, by=actor)

    assert not tokens_to_start_with(actor).filter(pk__in=[own.pk, through.pk]).exists()
    with time_machine.travel(end):
        assert set(tokens_to_start_with(actor)) >= {own, through}


def test_a_block_without_an_end_holds(station: ChargingStation, actor: Actor, token: IdToken) -> None:
    tokens.block(token, reason="Stolen", by=actor)

    assert show(station, token, clock.now() + timedelta(days=900)).reason == "The token is blocked."


@pytest.mark.parametrize("until", ["2020-01-01T10:00", "9999-12-31T10:00", "soon"])
def test_an_end_that_is_past_or_no_time_blocks_nothing(
    browser: Client, home: str, token: IdToken, frida: Driver, until: str
) -> None:
    body = {"act": "block", "reason": "x", "until": until}
    answers = [browser.post(f"{home}{path}/status/", body).status_code for path in
               (f"tokens/{token.pk}", f"drivers/{frida.pk}")]  # fmt: skip
    token.refresh_from_db()
    frida.refresh_from_db()

    assert answers == [422, 422]
    assert (token.status, frida.status) == ("accepted", "active")
    assert not AuditEntry.objects.filter(action__endswith=".blocked").exists()


def test_lifting_a_block_by_hand_forgets_its_end_and_reason(
    browser: Client, home: str, actor: Actor, token: IdToken, end: datetime
) -> None:
    tokens.block(token, reason="Loud", until=end, by=actor)
    browser.post(f"{home}tokens/{token.pk}/status/", {"act": "unblock"})
    token.refresh_from_db()

    assert (token.status, token.blocked_reason, token.blocked_until) == ("accepted", "", None)


def test_a_lost_card_that_is_blocked_for_a_while_stays_blocked(
    station: ChargingStation, actor: Actor, token: IdToken, end: datetime
) -> None:
    tokens.block(token, reason="Loud", until=end, by=actor)
    replacing.replace(token, value="04FFEE", reason="Lost", by=actor)

    assert show(station, token, end + MINUTE).verdict == "blocked"


def test_a_driver_who_blocks_a_card_that_is_blocked_for_a_while_blocks_it_for_good(
    station: ChargingStation, actor: Actor, frida: Driver, end: datetime
) -> None:
    card = factories.make_token(actor, driver=frida)
    tokens.block(card, reason="Loud", until=end, by=actor)
    tokens.block_own(card, driver=frida, by=actor)

    assert show(station, card, end + MINUTE).verdict == "blocked"


def test_editing_a_token_whose_block_is_over_does_not_bring_it_back(
    browser: Client, home: str, actor: Actor, station: ChargingStation, token: IdToken, end: datetime
) -> None:
    tokens.block(token, reason="Loud", until=end, by=actor)
    with time_machine.travel(end + MINUTE):
        answer = browser.post(f"{home}tokens/{token.pk}/", {"label": "Van 7"})
    token.refresh_from_db()

    assert (answer.status_code, token.label) == (302, "Van 7")
    assert show(station, token, end + 2 * MINUTE).verdict == "accepted"


def test_drivers_are_found_by_the_status_of_this_moment(
    browser: Client, home: str, actor: Actor, frida: Driver, end: datetime
) -> None:
    drivers.block(frida, reason="", until=end, by=actor)

    assert "Frida Abend" in browser.get(f"{home}drivers/?status=blocked").content.decode()
    assert "Frida Abend" not in browser.get(f"{home}drivers/?status=active").content.decode()
    with time_machine.travel(end):
        assert "Frida Abend" in browser.get(f"{home}drivers/?status=active").content.decode()
        assert "Frida Abend" not in browser.get(f"{home}drivers/?status=blocked").content.decode()


def test_who_may_not_manage_and_strangers_block_nothing(
    viewer: Client, charlie: Client, home: str, token: IdToken, frida: Driver
) -> None:
    body = {"act": "block", "until": "2099-01-01T10:00"}
    paths = (f"{home}tokens/{token.pk}/status/", f"{home}drivers/{frida.pk}/status/")
    answers = [client.post(path, body).status_code for client in (viewer, charlie) for path in paths]
    token.refresh_from_db()
    frida.refresh_from_db()

    assert answers == [403, 403, 404, 404]
    assert not token.blocked
    assert not frida.blocked


def test_the_reason_of_an_answer_is_told_in_german() -> None:
    with translation.override("de"):
        assert told("The token is blocked until 2027-01-02 03:04 UTC.").startswith("Das Token ist bis 2027")


def test_the_end_is_read_in_the_time_zone_of_the_reader(
    browser: Client, home: str, organization: Organization, token: IdToken
) -> None:
    assert organization.time_zone == "Europe/Berlin"
    browser.post(f"{home}tokens/{token.pk}/status/", {"act": "block", "until": "2099-07-01T12:00"})
    token.refresh_from_db()

    assert token.blocked_until == datetime(2099, 7, 1, 10, tzinfo=UTC)
