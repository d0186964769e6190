"""P121 to P129 on 2.x: what stations hear about tokens."""

from datetime import timedelta

import pytest

from core import clock
from core.access import Actor
from drivers.models import TokenGroup
from stations.models import Transaction
from tests.factories import make_station, make_token
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS_2X, now
from tests.stations.ocpp.knocking import Charger, next_address
from tests.wire.client import WireStation
from tests.wire.golden import wire


def authorize(socket: WireStation, value: str, type_: str = "ISO14443") -> dict[str, object]:
    answer = socket.call("Authorize", {"idToken": {"idToken": value, "type": type_}})
    info: dict[str, object] = answer["idTokenInfo"]
    return info


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("status", "word"),
    [("accepted", "Accepted"), ("blocked", "Blocked"), ("expired", "Expired"), ("invalid", "Invalid")],
)
def test_p121_each_state_of_a_token_is_told_apart(
    charger: Charger, alice: Actor, status: str, word: str, version: str
) -> None:
    token = make_token(alice)
    type(token).objects.filter(pk=token.pk).update(status=status)

    with charger.dial(version) as socket:
        socket.boot()
        assert authorize(socket, token.value)["status"] == word


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p121_an_unknown_token_and_that_of_another_operator_are_unknown(
    charger: Charger, live: Server, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        assert authorize(socket, "NEVER-SEEN") == {"status": "Unknown"}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p121_tokens_compare_without_case(charger: Charger, alice: Actor, version: str) -> None:
    make_token(alice, f"ABCDEF{version.replace('.', '')}")

    with charger.dial(version) as socket:
        socket.boot()
        assert authorize(socket, f"abcdef{version.replace('.', '')}")["status"] == "Accepted"


def test_p123_a_token_that_charges_elsewhere_is_concurrent_but_not_with_itself(
    live: Server, alice: Actor
) -> None:
    token = make_token(alice)
    shown = {"idToken": token.value, "type": token.type}
    started = wire("v201/TransactionEvent.started", timestamp=now(), idToken=shown)
    answers = []
    for _ in range(2):
        station, password = make_station(alice)
        with Charger(live.ocpp_url, station, password, next_address()).dial("2.0.1") as socket:
            socket.boot()
            answers += [socket.call("TransactionEvent", started)["idTokenInfo"]["status"] for _ in range(2)]

    assert answers == ["Accepted", "Accepted", "ConcurrentTx", "ConcurrentTx"]


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p124_the_group_of_a_token_is_told(charger: Charger, alice: Actor, version: str) -> None:
    group = TokenGroup.objects.create(organization_id=alice.organization_id, name="Fleet", token="FLEET-1")
    token = make_token(alice, group=group)

    with charger.dial(version) as socket:
        socket.boot()
        info = authorize(socket, token.value)

    assert info == {"status": "Accepted", "groupIdToken": {"idToken": "FLEET-1", "type": "Central"}}


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    "type_", ["Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress"]
)
def test_p126_every_listed_type_is_handled_and_told_from_the_others(
    charger: Charger, alice: Actor, version: str, type_: str
) -> None:
    token = make_token(alice, type=type_)
    other = "Central" if type_ != "Central" else "Local"

    with charger.dial(version) as socket:
        socket.boot()
        assert authorize(socket, token.value, type_)["status"] == "Accepted"
        assert authorize(socket, token.value, other)["status"] == "Unknown"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p126_no_authorization_with_an_empty_text_is_legal(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        assert authorize(socket, "", "NoAuthorization") == {"status": "Accepted"}


def test_p126_a_type_that_21_leaves_open_is_unknown(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        assert authorize(socket, "TEN-OF-CLUBS", "PlayingCard") == {"status": "Unknown"}


def test_p126_long_tokens_of_21_are_known_in_full(charger: Charger, alice: Actor) -> None:
    long = wire("v21/Authorize.long_token")
    make_token(alice, long["idToken"]["idToken"], type="eMAID")
    shorter = wire("v21/Authorize.long_token")
    shorter["idToken"]["idToken"] = long["idToken"]["idToken"][:-1]

    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("Authorize", long)["idTokenInfo"]["status"] == "Accepted"
        assert socket.call("Authorize", shorter)["idTokenInfo"]["status"] == "Unknown"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p128_a_contract_certificate_that_nobody_can_check_opens_nothing(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice, "DEABCC000001X", type="eMAID")
    payload = {
        "idToken": {"idToken": token.value, "type": "eMAID"},
        "certificate": "-----BEGIN CERTIFICATE-----",
    }

    with charger.dial(version) as socket:
        socket.boot()
        answer = socket.call("Authorize", payload)

    assert answer == {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "NoCertificateAvailable"}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p129_an_expiry_date_is_told_only_while_it_lies_ahead(
    charger: Charger, alice: Actor, version: str
) -> None:
    ahead = make_token(alice, expires_at=clock.now() + timedelta(days=1))
    over = make_token(alice, expires_at=clock.now() + timedelta(days=1))
    type(over).objects.filter(pk=over.pk).update(expires_at=clock.now() - timedelta(seconds=1))

    with charger.dial(version) as socket:
        socket.boot()
        valid, expired = authorize(socket, ahead.value), authorize(socket, over.value)

    assert valid == {"status": "Accepted", "cacheExpiryDateTime": clock.to_wire(ahead.expires_at)}
    assert expired == {"status": "Expired"}


def test_a_refused_token_still_leaves_a_session_to_look_at(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        answer = socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))

    assert answer == {"idTokenInfo": {"status": "Unknown"}}
    transaction = Transaction.objects.get(station=charger.station)
    assert "not_authorized" in transaction.flags
