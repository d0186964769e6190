"""Every answer about a token is kept with what decided it (dashboard.md 4.11, "why was this card refused?")."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import bus, clock
from core.access import Actor
from core.ids import uuid7_of
from core.models import AuditEntry
from drivers.models import IdToken
from drivers.services import tokens
from stations import live
from stations.domain import intents
from stations.domain.events import TokenShown
from stations.domain.station import StationRef
from stations.models import AuthorizationAnswer, Transaction
from stations.services import authorization, authorization_log, sweeping
from tests.factories import make_driver, make_station, make_token
from tests.stations.ocpp.asking import VERSIONS, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import WireStation
from tests.wire.golden import wire


def authorize(socket: WireStation, value: str, type_: str = "ISO14443") -> Any:
    if socket.version == "1.6":
        return socket.call("Authorize", {"idTag": value})
    return socket.call("Authorize", {"idToken": {"idToken": value, "type": type_}})


def start(socket: WireStation, token: IdToken) -> Any:
    if socket.version == "1.6":
        return socket.call("StartTransaction", wire("v16/StartTransaction.plain", idTag=token.value))
    shown = {"idToken": token.value, "type": token.type}
    return socket.call("TransactionEvent", wire("v201/TransactionEvent.started", idToken=shown))


@pytest.mark.parametrize("version", VERSIONS)
def test_who_watches_the_log_is_told_of_an_answer_once_it_is_kept(
    charger: Charger, alice: Actor, version: str
) -> None:
    topic = live.topic_of(charger.station.organization_id)
    with bus._client().pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(topic)
        with charger.dial(version) as socket:
            socket.boot()
            authorize(socket, make_token(alice).value)
        told = eventually(lambda: announced(listener))

    assert told["station"] == str(charger.station.pk)
    assert len(logged(charger)) == 1


def announced(listener: Any) -> Any:
    """The next announcement of an answer, as soon as one came."""
    message = listener.get_message(timeout=0.2)
    told = orjson.loads(message["data"]) if message else {}
    return told if told.get("t") == "authorization" else None


def logged(charger: Charger) -> list[AuthorizationAnswer]:
    return list(AuthorizationAnswer.objects.filter(station=charger.station).order_by("id"))


@pytest.mark.parametrize("version", VERSIONS)
def test_accepted_and_refused_answers_are_kept_with_rule_reason_and_version(
    charger: Charger, alice: Actor, version: str
) -> None:
    driver = make_driver(alice)
    good, bad = make_token(alice, driver=driver), make_token(alice, status="blocked")
    with charger.dial(version) as socket:
        socket.boot()
        for value in (good.value.lower(), bad.value, "NEVER-SEEN"):
            authorize(socket, value)

    kept = logged(charger)
    assert [(one.verdict, one.rule) for one in kept] == [
        ("accepted", "valid"),
        ("blocked", "token_status"),
        ("unknown", "unknown"),
    ]
    assert [one.token for one in kept] == [good, bad, None]
    assert [one.driver for one in kept] == [driver, None, None]
    assert [one.token_value for one in kept] == [good.value.lower(), bad.value, "NEVER-SEEN"]
    assert {(one.asked, one.ocpp_version, one.organization_id) for one in kept} == {
        ("authorize", version, alice.organization_id)
    }
    assert {one.site_id for one in kept} == {charger.station.site_id}
    assert kept[1].reason == "The token is blocked."


@pytest.mark.parametrize("version", VERSIONS)
def test_a_start_is_kept_once_with_its_outlet_and_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    with charger.dial(version) as socket:
        socket.boot()
        start(socket, token)
        start(socket, token)

    [one] = logged(charger)
    session = Transaction.objects.get(station=charger.station)
    assert (one.asked, one.verdict, one.transaction_id) == ("start", "accepted", session.pk)
    assert one.evse_id == session.evse.evse_id


def test_a_token_shown_to_stop_is_kept_too(charger: Charger, alice: Actor) -> None:
    token = make_token(alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        number = start(socket, token)["transactionId"]
        stop = wire("v16/StopTransaction.local", transactionId=number, idTag="STRANGER")
        socket.call("StopTransaction", stop)

    assert [(one.asked, one.verdict) for one in logged(charger)] == [
        ("start", "accepted"),
        ("stop", "unknown"),
    ]


def test_a_station_that_is_not_accepted_yet_is_the_reason(charger: Charger, alice: Actor) -> None:
    charger.set(registration="pending")
    with charger.dial("1.6") as socket:
        authorize(socket, make_token(alice).value)

    [one] = logged(charger)
    assert (one.verdict, one.rule, one.token) == ("invalid", "station_pending", None)


def test_a_certificate_that_nobody_can_check_is_the_reason(charger: Charger, alice: Actor) -> None:
    token = make_token(alice, "DEABCC000009X", type="eMAID")
    payload = {
        "idToken": {"idToken": token.value, "type": "eMAID"},
        "certificate": "-----BEGIN CERTIFICATE-----",
    }
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("Authorize", payload)

    [one] = logged(charger)
    assert (one.verdict, one.rule) == ("invalid", "certificate")
    assert "NoCertificateAvailable" in one.reason


@pytest.mark.parametrize("version", VERSIONS)
def test_a_blocked_token_is_not_started_from_afar_and_the_refusal_is_kept(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    tokens.block(token, reason="lost", by=alice)
    wish = intents.RequestStartTransaction(token_value=token.value, token_type=token.type)
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, wish))
        authorize(socket, "AFTERWARDS")

    assert (command.status, command.error["code"]) == ("failed", "not_authorized")
    assert command.error["description"] == "The token is blocked."
    assert command.sent_at is None
    first = logged(charger)[0]
    assert (first.asked, first.verdict, first.ocpp_version) == ("remote_start", "blocked", version)
    assert AuditEntry.objects.filter(action="command.issued", object_id=str(command.pk)).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_start_from_afar_for_a_token_that_only_the_station_may_know_is_sent(
    charger: Charger, alice: Actor, version: str
) -> None:
    wish = intents.RequestStartTransaction(token_value="AD-HOC-1")
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, wish)
        socket.reply(socket.next_call(), {"status": "Accepted"})
        assert ended(command).status == "accepted"

    assert [(one.asked, one.verdict) for one in logged(charger)] == [("remote_start", "unknown")]


def test_an_answer_costs_two_questions_and_one_row(db: None, alice: Actor) -> None:
    station, _ = make_station(alice)
    token = make_token(alice, driver=make_driver(alice))
    side = StationRef(station_id=station.pk, organization_id=station.organization_id)
    shown = TokenShown(value=token.value)
    with CaptureQueriesContext(connection) as asked:
        assert authorization.for_authorize(side, shown).accepted

    statements = [one["sql"].split()[0] for one in asked.captured_queries]
    assert statements == ["SELECT", "SELECT", "INSERT"]


def test_answers_are_dropped_after_their_time_and_not_before(charger: Charger, alice: Actor) -> None:
    now = clock.now()
    side = StationRef(station_id=charger.station.pk, organization_id=charger.station.organization_id)
    for value in ("OLD", "YOUNG"):
        authorization.for_authorize(side, TokenShown(value=value))
    old = AuthorizationAnswer.objects.get(token_value="OLD", station=charger.station)
    long_ago = now - authorization_log.KEPT_FOR - timedelta(minutes=1)
    AuthorizationAnswer.objects.filter(pk=old.pk).update(id=uuid7_of(long_ago, 1), at=long_ago)

    assert sweeping.tidy()["authorizations"] == 1
    assert [one.token_value for one in logged(charger)] == ["YOUNG"]
