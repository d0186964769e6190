"""Tokens on 1.6 (ocpp.md P103, P120 to P125, P129): what the station hears, and what is kept."""

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from drivers.models import IdToken, TokenGroup
from stations.models import Transaction
from tests.factories import make_actor, make_organization, make_station, make_token
from tests.running import Server
from tests.stations.ocpp.knocking import Charger, next_address
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire


def status_of(station: WireStation, value: str) -> str:
    answered: str = station.call("Authorize", {"idTag": value})["idTagInfo"]["status"]
    return answered


def start(station: WireStation, **changes: object) -> dict[str, Any]:
    return station.call("StartTransaction", wire("v16/StartTransaction.plain", **changes))


@pytest.fixture
def group(alice: Actor) -> TokenGroup:
    return TokenGroup.objects.create(organization_id=alice.organization_id, name="Fleet", token="FLEET-1")


@pytest.fixture
def other_charger(live: Server, alice: Actor) -> Charger:
    """Another station of Alice's."""
    station, password = make_station(alice)
    return Charger(live.ocpp_url, station, password, next_address())


def test_p120_an_id_tag_compares_without_case(station: WireStation, token: IdToken) -> None:
    assert status_of(station, token.value.lower()) == "Accepted"


def test_p120_an_id_tag_of_21_characters_is_an_error_for_a_strict_station(station: WireStation) -> None:
    with pytest.raises(CallError) as refused:
        status_of(station, "A" * 21)
    assert refused.value.code == "PropertyConstraintViolation"


def test_p120_an_id_tag_of_21_characters_is_invalid_for_a_lenient_station(
    charger: Charger, alice: Actor
) -> None:
    make_token(alice, "A" * 21)
    charger.set(lenient=True)
    with charger.dial() as station:
        assert status_of(station, "A" * 21) == "Invalid"


@pytest.mark.parametrize(
    ("status", "expires_in", "word"),
    [
        ("blocked", 1, "Blocked"),
        ("expired", 1, "Expired"),
        ("accepted", -1, "Expired"),
        ("invalid", 1, "Invalid"),
    ],
)
def test_p121_what_is_wrong_with_a_token_is_kept_apart(
    station: WireStation, alice: Actor, status: str, expires_in: int, word: str
) -> None:
    expires_at = clock.now() + timedelta(hours=expires_in)
    value = make_token(alice, status=status, expires_at=expires_at).value

    assert status_of(station, value) == word


def test_p121_an_unknown_token_is_answered_and_not_an_error(station: WireStation) -> None:
    assert status_of(station, "NOBODY") == "Invalid"


def test_p121_a_token_of_another_organization_is_unknown(station: WireStation) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    assert status_of(station, make_token(charlie).value) == "Invalid"


def test_p122_a_start_with_a_blocked_token_still_gets_a_number(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    blocked = make_token(alice, status="blocked")
    answer = start(station, idTag=blocked.value)

    assert answer["idTagInfo"] == {"status": "Blocked"}
    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.number == answer["transactionId"]
    assert transaction.flags == ["not_authorized"]
    assert transaction.authorization == "blocked"


def test_p123_a_token_that_charges_elsewhere_is_concurrent(
    station: WireStation, other_charger: Charger, token: IdToken
) -> None:
    start(station)
    with other_charger.dial() as other:
        answer = start(other, timestamp="2025-03-01T10:20:00Z")

    assert answer["idTagInfo"] == {"status": "ConcurrentTx"}
    assert answer["transactionId"]


def test_p123_a_repeated_start_is_not_concurrent_with_itself(station: WireStation) -> None:
    assert start(station)["idTagInfo"] == start(station)["idTagInfo"] == {"status": "Accepted"}


def test_p123_an_ended_or_superseded_transaction_does_not_count(
    station: WireStation, other_charger: Charger
) -> None:
    start(station)
    again = start(station, timestamp="2025-03-01T10:10:00Z")
    assert again["idTagInfo"] == {"status": "Accepted"}, "the one before on this connector is superseded"

    station.call("StopTransaction", wire("v16/StopTransaction.local", transactionId=again["transactionId"]))
    with other_charger.dial() as other:
        assert start(other, timestamp="2025-03-01T12:00:00Z")["idTagInfo"] == {"status": "Accepted"}


def test_p123_authorize_never_answers_concurrent(station: WireStation, token: IdToken) -> None:
    start(station)
    assert status_of(station, token.value) == "Accepted"


def test_p124_the_group_token_is_returned_as_parent(
    station: WireStation, alice: Actor, group: TokenGroup
) -> None:
    member = make_token(alice, group=group)
    info = station.call("Authorize", {"idTag": member.value})["idTagInfo"]

    assert info == {"status": "Accepted", "parentIdTag": "FLEET-1"}


def test_p125_a_member_of_the_group_may_stop_and_is_not_flagged(
    station: WireStation, charger: Charger, alice: Actor, group: TokenGroup
) -> None:
    first, second = make_token(alice, group=group), make_token(alice, group=group)
    number = start(station, idTag=first.value)["transactionId"]
    answer = station.call(
        "StopTransaction", wire("v16/StopTransaction.local", transactionId=number, idTag=second.value)
    )

    assert answer["idTagInfo"] == {"status": "Accepted", "parentIdTag": "FLEET-1"}
    assert Transaction.objects.get(station=charger.station).flags == []


def test_p125_a_stop_with_an_unrelated_token_is_taken_and_flagged(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    stranger = make_token(alice)
    number = start(station)["transactionId"]
    answer = station.call(
        "StopTransaction", wire("v16/StopTransaction.local", transactionId=number, idTag=stranger.value)
    )

    assert answer["idTagInfo"] == {"status": "Accepted"}
    transaction = Transaction.objects.get(station=charger.station)
    assert (transaction.status, transaction.flags) == ("ended", ["unrelated_stop_token"])
    assert transaction.stop_token_value == stranger.value


def test_p129_an_expiry_date_ahead_is_told_with_accepted(station: WireStation, alice: Actor) -> None:
    until = clock.now() + timedelta(days=3)
    info = station.call("Authorize", {"idTag": make_token(alice, expires_at=until).value})["idTagInfo"]

    assert info == {"status": "Accepted", "expiryDate": clock.to_wire(until)}


def test_p129_a_start_repeated_after_the_expiry_is_answered_without_the_past_date(
    station: WireStation, alice: Actor
) -> None:
    soon = make_token(alice, expires_at=clock.now() + timedelta(seconds=1))
    first = start(station, idTag=soon.value)
    assert "expiryDate" in first["idTagInfo"]

    eventually(lambda: clock.now() > soon.expires_at)
    again = start(station, idTag=soon.value)
    assert again == {**first, "idTagInfo": {"status": "Accepted"}}


def test_p103_before_acceptance_a_start_is_kept_and_answered_invalid(
    charger: Charger, token: IdToken
) -> None:
    charger.set(registration="pending")
    with charger.dial() as station:
        answer = start(station)
        assert status_of(station, token.value) == "Invalid"
        stop = wire("v16/StopTransaction.local", transactionId=answer["transactionId"])
        assert "idTagInfo" in station.call("StopTransaction", stop)

    assert answer["idTagInfo"] == {"status": "Invalid"}
    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.number == answer["transactionId"]
    assert set(transaction.flags) == {"before_acceptance", "not_authorized"}
    assert transaction.status == "ended"
