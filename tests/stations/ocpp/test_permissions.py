"""Where, when and how often at once a token may charge, and where everybody may."""

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from drivers.models import IdToken
from drivers.services import drivers, policies, tokens
from stations.domain import intents
from stations.models import AuthorizationAnswer, Site, Transaction
from stations.services import site_permissions, sites, stations
from tests.factories import make_driver, make_station, make_token
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS, ended, issue
from tests.stations.ocpp.knocking import Charger, next_address
from tests.stations.ocpp.test_authorization_log import authorize
from tests.wire.client import WireStation
from tests.wire.golden import wire


@pytest.fixture
def elsewhere(alice: Actor) -> Site:
    return sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)


@pytest.fixture
def token(alice: Actor) -> IdToken:
    """In both kinds of groups."""
    staff = drivers.create_group(name="Staff", by=alice)
    cards = tokens.create_group(name="Cards", by=alice)
    return make_token(alice, driver=make_driver(alice, group=staff), group=cards)


def status(answer: Any) -> str:
    return str((answer.get("idTagInfo") or answer["idTokenInfo"])["status"])


def holder(token: IdToken, kind: str) -> Any:
    assert token.driver
    return {
        "token": token,
        "driver": token.driver,
        "token_group": token.group,
        "driver_group": token.driver.group,
    }[kind]


def last_of(charger: Charger) -> AuthorizationAnswer:
    return AuthorizationAnswer.objects.filter(station=charger.station).latest("id")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["token", "driver", "token_group", "driver_group"])
def test_who_is_limited_to_other_sites_is_refused_and_the_log_says_whose_limit_it_is(
    charger: Charger, alice: Actor, token: IdToken, elsewhere: Site, version: str, kind: str
) -> None:
    here = charger.station.site
    with charger.dial(version) as socket:
        socket.boot()
        site_permissions.limit(holder(token, kind), [elsewhere], by=alice)
        refused = status(authorize(socket, token.value))
        said = last_of(charger)
        site_permissions.limit(holder(token, kind), [elsewhere, here], by=alice)
        named = status(authorize(socket, token.value))
        site_permissions.limit(holder(token, kind), [], by=alice)
        anywhere = status(authorize(socket, token.value))

    word = "Blocked" if version == "1.6" else "NotAtThisLocation"
    assert (refused, named, anywhere) == (word, "Accepted", "Accepted")
    assert (said.verdict, said.rule) == ("not_at_this_location", "place")
    assert "other sites only" in said.reason


def test_each_limit_has_to_name_the_site(
    charger: Charger, alice: Actor, token: IdToken, elsewhere: Site
) -> None:
    site_permissions.limit(token, [charger.station.site], by=alice)
    site_permissions.limit(holder(token, "driver"), [elsewhere], by=alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert status(authorize(socket, token.value)) == "NotAtThisLocation"


def test_a_local_list_tells_who_may_not_charge_there_as_blocked(
    charger: Charger, alice: Actor, token: IdToken, elsewhere: Site
) -> None:
    free = make_token(alice)
    site_permissions.limit(holder(token, "driver_group"), [elsewhere], by=alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        issue(charger, alice, intents.SendLocalList(mode="full"))
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})

    told = {one["idTag"]: one["idTagInfo"]["status"] for one in call[3]["localAuthorizationList"]}
    assert told == {token.value: "Blocked", free.value: "Accepted"}


def test_a_start_from_afar_elsewhere_is_not_sent(
    charger: Charger, alice: Actor, token: IdToken, elsewhere: Site
) -> None:
    site_permissions.limit(token, [elsewhere], by=alice)
    wish = intents.RequestStartTransaction(token_value=token.value, token_type=token.type)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = ended(issue(charger, alice, wish))

    assert command.error["description"] == "The token may charge at other sites only."


@pytest.mark.parametrize("version", VERSIONS)
def test_everybody_may_charge_at_a_free_station(charger: Charger, alice: Actor, version: str) -> None:
    stations.update(charger.station, {"free_vend": True}, by=alice)
    blocked = make_token(alice, status="blocked")
    with charger.dial(version) as socket:
        socket.boot()
        answers = [status(authorize(socket, value)) for value in ("NOBODY", blocked.value)]

    assert answers == ["Accepted", "Accepted"]
    assert (last_of(charger).rule, last_of(charger).reason) == ("free", "Everybody may charge here.")


def test_a_free_outlet_is_free_and_its_neighbour_is_not(charger: Charger, alice: Actor) -> None:
    stations.update(charger.station, {"free_evses": [2]}, by=alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        asked = authorize(socket, "NOBODY")
        free = wire("v16/StartTransaction.plain", idTag="NOBODY", connectorId=2)
        paid = wire("v16/StartTransaction.plain", idTag="NOBODY", connectorId=1)
        answers = [status(socket.call("StartTransaction", one)) for one in (free, paid)]

    assert status(asked) == "Accepted"
    assert answers == ["Accepted", "Invalid"]
    sessions = Transaction.objects.filter(station=charger.station).order_by("evse__evse_id")
    assert [one.flags for one in sessions] == [["not_authorized"], []]


def started_at(socket: WireStation, token: IdToken) -> str:
    return status(socket.call("StartTransaction", wire("v16/StartTransaction.plain", idTag=token.value)))


@pytest.mark.parametrize(
    ("organization", "group", "own", "accepted"),
    [(1, None, None, 1), (2, None, None, 2), (1, 2, None, 2), (3, 3, 1, 1), (1, None, 0, 3), (0, None, 2, 2)],
)
def test_p123_as_many_sessions_at_once_as_token_group_or_organization_say(
    live: Server, alice: Actor, organization: int, group: int | None, own: int | None, accepted: int
) -> None:
    policies.change(sessions_at_once=organization, by=alice)
    cards = tokens.create_group(name="Cards", sessions_at_once=group, by=alice)
    token = make_token(alice, group=cards, sessions_at_once=own)
    answers = []
    for _ in range(3):
        station, password = make_station(alice)
        with Charger(live.ocpp_url, station, password, next_address()).dial("1.6") as socket:
            socket.boot()
            answers.append(started_at(socket, token))

    assert answers == ["Accepted"] * accepted + ["ConcurrentTx"] * (3 - accepted)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_is_refused_before_it_is_valid(charger: Charger, alice: Actor, version: str) -> None:
    later = make_token(alice, valid_from=clock.now() + timedelta(hours=1))
    now = make_token(alice, valid_from=clock.now() - timedelta(hours=1))
    with charger.dial(version) as socket:
        socket.boot()
        early = status(authorize(socket, later.value))
        said = last_of(charger)
        accepted = status(authorize(socket, now.value))

    assert (early, accepted) == ("Blocked" if version == "1.6" else "NotAtThisTime", "Accepted")
    assert (said.verdict, said.rule) == ("not_at_this_time", "not_yet")
