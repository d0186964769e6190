"""P001 to P022: who is let in at the chargers' door, and what the others are told."""

import base64
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock, keys
from core.access import Actor
from core.errors import Conflict, Invalid
from stations.domain.intents import SetVariables, VariableItem
from stations.models import Alert, ChargingStation, Command, Connection, RawFrame, StationCredential
from stations.ocpp import admission, upgrade
from stations.services import commands, connections, credentials, stations
from tests.factories import make_station, unique
from tests.running import Server
from tests.stations.ocpp.knocking import Charger, knock, next_address
from tests.waiting import eventually
from tests.wire.client import CallError, basic, wire_password

WHEN = re.compile(r"'\d{4}-\d\d-\d\d [^']*'")

# -- sub-protocols -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", ["ocpp1.5", "ocpp2.0", "OCPP1.6", "ocpp1.5, soap", "ocpp 1.6"])
def test_p001_only_unknown_subprotocols_are_refused_before_the_upgrade(charger: Charger, offer: str) -> None:
    reply = charger.knock(offer=offer)

    assert reply.status == 400
    [refusal] = charger.refusals()
    assert refusal.reason == "unknown_subprotocol"
    assert offer.split(",")[0] in refusal.detail
    assert "ocpp2.1, ocpp2.0.1, ocpp1.6" in refusal.detail


def test_p002_of_known_and_unknown_subprotocols_the_known_one_is_named_once(charger: Charger) -> None:
    reply = charger.knock(offer="foo, ocpp1.6, bar")

    assert reply.status == 101
    assert reply.all("Sec-WebSocket-Protocol") == ["ocpp1.6"]


def test_p003_of_several_versions_the_callers_first_one_is_taken(charger: Charger) -> None:
    reply = charger.knock(version="2.0.1", offer="ocpp9, ocpp2.0.1, ocpp2.1, ocpp1.6")

    assert reply.all("Sec-WebSocket-Protocol") == ["ocpp2.0.1"]


def test_p003_the_pinned_version_wins_where_it_is_offered(charger: Charger) -> None:
    charger.set(pinned_version="1.6")

    assert charger.knock(offer="ocpp2.1, ocpp1.6").all("Sec-WebSocket-Protocol") == ["ocpp1.6"]
    assert charger.knock(version="2.1", offer="ocpp2.1").all("Sec-WebSocket-Protocol") == ["ocpp2.1"]


def test_p003_an_action_of_another_version_is_answered_as_unknown(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket, pytest.raises(CallError) as error:
        socket.call("StartTransaction", {})

    assert error.value.code == "NotImplemented"


def test_p004_without_a_subprotocol_the_upgrade_is_refused(charger: Charger) -> None:
    assert charger.knock(offer=None).status == 400
    assert charger.knock(offer=" , ").status == 400
    assert {refusal.reason for refusal in charger.refusals()} == {"no_subprotocol"}


def test_p004_a_lenient_station_without_a_subprotocol_speaks_1_6(charger: Charger) -> None:
    charger.set(lenient=True)

    reply = charger.knock(offer=None)

    assert reply.status == 101
    assert reply.all("Sec-WebSocket-Protocol") == []


def test_p005_the_version_belongs_to_the_connection(charger: Charger) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
    with charger.dial("2.0.1") as socket:
        with pytest.raises(CallError):
            socket.call("BootNotification", {"chargePointVendor": "Probe", "chargePointModel": "P1"})
        socket.boot()

    charger.station.refresh_from_db()
    assert charger.station.boot_version == "2.0.1"


def test_p005_a_probe_in_another_version_leaves_no_trace_in_the_stations_data(charger: Charger) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
    before = ChargingStation.objects.filter(pk=charger.station.pk).values().get()

    assert charger.knock(version="2.1").status == 101

    assert ChargingStation.objects.filter(pk=charger.station.pk).values().get() == before


@pytest.mark.parametrize("offer", ["foo,ocpp1.6", " foo ,\tocpp1.6 ", ",,ocpp1.6,,"])
def test_p006_the_offer_is_split_at_commas_and_trimmed(charger: Charger, offer: str) -> None:
    assert charger.knock(offer=offer).all("Sec-WebSocket-Protocol") == ["ocpp1.6"]


def test_p006_a_long_offer_is_read_to_its_end(charger: Charger) -> None:
    offer = ", ".join([*(f"unknown{number}" for number in range(60)), "ocpp1.6"])

    assert charger.knock(offer=offer).all("Sec-WebSocket-Protocol") == ["ocpp1.6"]
    assert charger.knock(offer=offer.replace("ocpp1.6", "ocpp1.5")).status == 400


def test_p006_an_offer_over_several_headers_is_one_list(charger: Charger) -> None:
    reply = charger.knock(offer="foo", headers=[("Sec-WebSocket-Protocol", "ocpp1.6")])

    assert reply.all("Sec-WebSocket-Protocol") == ["ocpp1.6"]


# -- identity and credentials -------------------------------------------------------------------------------


def test_p007_an_unknown_station_gets_404_before_the_upgrade(live: Server, address: str) -> None:
    identity = unique("nobody")

    assert knock(live.ocpp_url, f"/{identity}", login=(identity, "x" * 20), address=address).status == 404
    refused = Connection.objects.filter(identity=identity)
    eventually(refused.exists)
    assert refused.get().organization_id is None


def test_p008_missing_or_wrong_credentials_get_401_with_the_challenge(charger: Charger) -> None:
    name = charger.station.identity
    for login in (None, (name, "wrong-password-1"), (name, ""), (name, charger.login()[1] + b"x")):
        reply = charger.knock(login=login)
        assert reply.status == 401
        assert reply.all("WWW-Authenticate") == ['Basic realm="ocpp"']


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Bearer abc", "Basic bm9jb2xvbg==", "Digest username=x", ""]
)
def test_p008_a_malformed_authorization_is_a_failed_try(charger: Charger, header: str) -> None:
    assert charger.knock(login=None, headers=[("Authorization", header)]).status == 401


def test_p008_two_authorization_headers_are_a_failed_try(charger: Charger) -> None:
    assert charger.knock(headers=[("Authorization", basic(*charger.login()))]).status == 401


def test_p008_the_credentials_of_another_station_are_wrong(charger: Charger, alice: Actor) -> None:
    other, password = make_station(alice)

    assert charger.knock(login=(other.identity, wire_password(password, "1.6"))).status == 401
    assert charger.knock(login=(charger.station.identity, wire_password(password, "1.6"))).status == 401


def test_p008_credentials_elsewhere_than_in_the_header_are_not_read(charger: Charger) -> None:
    token = basic(*charger.login()).removeprefix("Basic ")

    assert charger.knock(login=None, path=f"{charger.path}?authorization={token}").status == 401
    assert charger.knock(login=None, offer=f"ocpp1.6, {token}").status == 401


def test_p008_the_operator_reads_how_near_a_wrong_password_was(charger: Charger) -> None:
    name = charger.station.identity
    charger.knock(login=None)
    charger.knock(login=(name, "x" * 20))
    charger.knock(login=(name, "x" * 19))
    eventually(lambda: len(charger.refusals()) == 3)

    details = " ".join(refusal.detail for refusal in charger.refusals())
    assert "no password" in details
    assert "length is right" in details
    assert "length is wrong" in details
    assert "xxx" not in details


def test_p009_hidden_unknown_stations_are_refused_like_wrong_passwords(
    hiding_server: Server, alice: Actor
) -> None:
    station, _ = make_station(alice)
    replies = [
        knock(hiding_server.ocpp_url, f"/{identity}", login=(identity, b"w" * 20), address=next_address())
        for identity in (station.identity, unique("nobody"))
    ]

    assert {reply.status for reply in replies} == {401}
    assert len({(tuple(reply.headers), reply.body) for reply in replies}) == 1


def test_p009_an_unknown_identity_costs_the_statements_and_hashes_of_a_wrong_password(
    alice: Actor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OCPP_HIDE_UNKNOWN_STATIONS = True
    station, _ = make_station(alice)

    known = _work_to_refuse(station.identity, monkeypatch)
    unknown = _work_to_refuse(unique("nobody"), monkeypatch)

    assert known == unknown
    assert len(known.statements) == len(known.hashed) == 1


class Work(NamedTuple):
    """Statements sent, without the identity in them, and how many bytes each hash was made of."""

    statements: list[str]
    hashed: list[int]


def _work_to_refuse(identity: str, monkeypatch: pytest.MonkeyPatch) -> Work:
    hashed = []

    def keyed_hash(*parts: Any) -> bytes:
        hashed.append(sum(len(part) for part in parts[2:]))
        return original(*parts)

    original = keys.keyed_hash
    header = b"Basic " + base64.b64encode(f"{identity}:{'w' * 20}".encode())
    path = f"/ocpp/{identity}"
    asked = upgrade.read(
        {"path": path, "raw_path": path.encode(), "headers": [(b"authorization", header)], "client": None}
    )
    with monkeypatch.context() as patched, CaptureQueriesContext(connection) as sent:
        patched.setattr(keys, "keyed_hash", keyed_hash)
        with pytest.raises(admission.Refused) as refused:
            admission.admit(asked, connections.find(asked.identity or ""), clock.now())
    assert refused.value.status == 401
    return Work([WHEN.sub("", query["sql"]).replace(identity, "") for query in sent], hashed)


def test_p009_only_an_authenticated_caller_learns_of_the_subprotocol(charger: Charger) -> None:
    assert charger.knock(login=None, offer="ocpp1.5").status == 401
    assert charger.knock(offer="ocpp1.5").status == 400


def test_p010_the_user_name_is_the_decoded_last_segment(live: Server, alice: Actor, address: str) -> None:
    station, password = make_station(alice, identity=unique("NORTH|7"))
    path = "/" + station.identity.replace("|", "%7C")
    raw = wire_password(password, "1.6")

    assert knock(live.ocpp_url, path, login=(station.identity, raw), address=address).status == 101
    assert knock(live.ocpp_url, path, login=(path.strip("/"), raw), address=address).status == 401
    assert knock(live.ocpp_url, path, login=(station.identity.lower(), raw), address=address).status == 401


@pytest.mark.parametrize("path", ["/%ZZ", "/CP%4", "/CP%", "/%FF%FE", "/%00", "/CP%252F1"])
def test_p011_invalid_percent_encoding_is_an_unknown_station(live: Server, address: str, path: str) -> None:
    assert knock(live.ocpp_url, path, login=("CP", "x" * 20), address=address).status == 404


def test_p012_user_and_password_are_split_at_the_first_colon(charger: Charger) -> None:
    credentials.set_password(charger.station, "with:colons:in:it", typed=True)

    assert charger.knock(login=(charger.station.identity, "with:colons:in:it")).status == 101


def test_p012_an_identity_with_a_colon_cannot_use_a_password(alice: Actor) -> None:
    with pytest.raises(Invalid, match="colon"):
        make_station(alice, identity=unique("A:B"))


@pytest.mark.parametrize("form", ["{}/", "//{}", "/{}?a=b&c=/d", "/{}//", "/ocpp1.6/{}"])
def test_p013_slashes_query_and_allowed_segments_do_not_change_the_identity(
    charger: Charger, form: str
) -> None:
    path = "/" + form.format(charger.station.identity).removeprefix("/")

    assert charger.knock(path=path).status == 101


@pytest.mark.parametrize(
    "form", ["/./{}", "/../{}", "/{}/.", "/{}/..", "/x/../{}", "/{0}/{0}", "/{}%2F", "/{}%20"]
)
def test_p013_dot_segments_and_doubled_identities_match_nothing(charger: Charger, form: str) -> None:
    assert charger.knock(path=form.format(charger.station.identity)).status == 404


def test_p013_an_empty_identity_gets_404(live: Server, address: str) -> None:
    assert [knock(live.ocpp_url, path, address=address).status for path in ("/", "//", "/?CP1")] == [404] * 3


def test_p014_identities_compare_exactly(live: Server, alice: Actor, address: str) -> None:
    station, password = make_station(alice, identity=unique("Case"))
    login = (station.identity, wire_password(password, "1.6"))
    charger = Charger(live.ocpp_url, station, password, address)

    assert charger.knock(path=f"/{station.identity.upper()}", login=login).status == 404
    [refusal] = charger.refusals()
    assert refusal.organization_id == station.organization_id
    assert "Upper and lower case count" in refusal.detail


def test_p014_an_identity_that_differs_only_in_case_is_refused_naming_the_clash(alice: Actor) -> None:
    station, _ = make_station(alice, identity=unique("Case"))

    with pytest.raises(Conflict, match=station.identity):
        make_station(alice, identity=station.identity.upper())


def test_p014_an_identity_entered_twice_is_told_to_the_operator(charger: Charger) -> None:
    charger.knock(path=f"{charger.path}{charger.path}")

    [refusal] = charger.refusals()
    assert "entered twice" in refusal.detail


# -- forms of the password ------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"\x00\xff:\x80" + b"a" * 12, bytes(range(130, 150)), b":" * 16])
def test_p015_a_1_6_password_is_16_to_20_raw_bytes(charger: Charger, raw: bytes) -> None:
    credentials.set_password(charger.station, raw.hex(), typed=True)

    assert charger.knock(login=(charger.station.identity, raw)).status == 101
    assert charger.knock(login=(charger.station.identity, raw[:-1])).status == 401


def test_p016_hex_text_as_password_needs_the_lenient_flag(charger: Charger) -> None:
    login = (charger.station.identity, charger.password)

    assert charger.knock(login=login).status == 401
    assert "as text" in charger.refusals()[0].detail
    charger.set(lenient=True)
    assert charger.knock(login=login).status == 101
    charger.set(tolerances={"hex_password": False})
    assert charger.knock(login=login).status == 401


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p017_a_2_x_password_is_sent_as_it_is(charger: Charger, version: str) -> None:
    text = "naïve-Pass_word*" + "é" * 8
    credentials.set_password(charger.station, text, typed=True)

    assert charger.knock(version=version, login=(charger.station.identity, text)).status == 101


def test_p017_a_2_x_station_does_not_send_the_bytes_of_its_digits(charger: Charger) -> None:
    raw = bytes.fromhex(charger.password)

    assert charger.knock(version="2.0.1", login=(charger.station.identity, raw)).status == 401
    assert charger.knock(version="2.0.1").status == 101


@pytest.mark.parametrize("password", ["x" * 15, "x" * 41, ""])
def test_p017_a_typed_password_has_16_to_40_characters(charger: Charger, password: str) -> None:
    with pytest.raises(Invalid):
        credentials.set_password(charger.station, password, typed=True)


# -- changing the password -------------------------------------------------------------------------------------


@pytest.fixture
def changing(charger: Charger) -> tuple[Charger, tuple[str, bytes]]:
    """A charger to which a new password is on its way, and the login with the new one."""
    fresh = credentials.make_password()
    credentials.begin_change(charger.station, fresh)
    return charger, (charger.station.identity, bytes.fromhex(fresh))


Changing = tuple[Charger, tuple[str, bytes]]


def test_p018_after_an_accepted_change_only_the_new_password_opens(changing: Changing) -> None:
    charger, new_login = changing
    credentials.end_change(charger.station, accepted=True)

    assert charger.knock().status == 401
    assert charger.knock(login=new_login).status == 101


def test_p018_after_a_rejected_change_only_the_old_password_opens(changing: Changing) -> None:
    charger, new_login = changing
    credentials.end_change(charger.station, accepted=False)

    assert charger.knock(login=new_login).status == 401
    assert charger.knock().status == 101


def test_p018_without_an_answer_both_open_until_the_new_one_was_used(changing: Changing) -> None:
    charger, new_login = changing
    credentials.end_change(charger.station, accepted=None)

    assert [charger.knock().status for _ in range(2)] == [101, 101]
    assert charger.knock(login=new_login).status == 101
    assert charger.knock().status == 401
    states = StationCredential.objects.filter(station=charger.station).values_list("state", flat=True)
    assert sorted(states) == ["current", "superseded"]


def test_p018_without_an_answer_the_new_one_opens_for_a_bounded_time(changing: Changing) -> None:
    charger, new_login = changing
    credentials.end_change(charger.station, accepted=None)
    StationCredential.objects.filter(station=charger.station, state="next").update(
        valid_until="2020-01-01T00:00:00Z"
    )

    assert charger.knock(login=new_login).status == 401
    assert charger.knock().status == 101


def test_p018_a_new_password_by_the_operator_closes_the_socket(charger: Charger, alice: Actor) -> None:
    with charger.dial() as socket:
        stations.new_password(charger.station, by=alice)
        with pytest.raises(Exception, match="1008"):
            socket.receive(timeout_s=6)

    assert charger.knock().status == 401


def test_p018_the_station_itself_takes_a_new_password(charger: Charger, alice: Actor) -> None:
    fresh = credentials.make_password()
    with charger.dial() as socket:
        socket.boot()
        item = VariableItem(variable="AuthorizationKey", value=fresh)
        command = commands.issue(charger.station, SetVariables(items=(item,)), by=alice)
        call = socket.next_call()
        assert call[2:] == ["ChangeConfiguration", {"key": "AuthorizationKey", "value": fresh}]
        socket.reply(call, {"status": "Accepted"})
        eventually(lambda: Command.objects.get(pk=command.pk).status == "accepted")

    assert charger.knock().status == 401
    assert charger.knock(login=(charger.station.identity, bytes.fromhex(fresh))).status == 101
    command.refresh_from_db()
    assert fresh not in str(command.parameters)


# -- secrets -----------------------------------------------------------------------------------------------------


def test_p021_a_password_is_stored_as_a_keyed_hash_and_found_nowhere(live: Server, charger: Charger) -> None:
    wrong = "wrong-" + charger.password[:14]
    charger.knock(login=(charger.station.identity, wrong))
    with charger.dial() as socket:
        socket.boot()

    token = basic(*charger.login()).removeprefix("Basic ")
    eventually(lambda: RawFrame.objects.filter(station=charger.station).exists())
    stored = "\n".join(_everything_about(charger.station))
    written = live.log.read_text(errors="replace")
    for secret in (charger.password, wrong, token, bytes.fromhex(charger.password).hex()):
        assert secret not in stored
        assert secret not in written


def _everything_about(station: ChargingStation) -> Iterator[str]:
    tables = ("stationcredential", "connection", "rawframe", "securityevent", "alert", "command")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT t::text FROM stations_{table} t WHERE station_id = %s", [station.pk])
            yield from (text for (text,) in cursor.fetchall())


# -- limits ------------------------------------------------------------------------------------------------------


def test_p022_more_than_20_refused_tries_in_a_minute_get_429(charger: Charger) -> None:
    wrong = (charger.station.identity, "x" * 20)

    statuses = [charger.knock(login=wrong).status for _ in range(25)]
    limited = charger.knock()

    assert statuses == [401] * 20 + [429] * 5
    assert limited.status == 429
    assert 0 < int(limited.header("Retry-After") or 0) <= 60
    eventually(Alert.objects.filter(station=charger.station, kind="too_many_tries").exists)
    assert sum(refusal.http_status == 429 for refusal in charger.refusals()) == 1


def test_p022_the_true_station_is_admitted_from_its_own_address(charger: Charger) -> None:
    wrong = (charger.station.identity, "x" * 20)
    for _ in range(21):
        charger.knock(login=wrong)

    charger.address = next_address()

    assert charger.knock().status == 101


def test_p022_a_refused_try_does_not_touch_the_live_socket(charger: Charger) -> None:
    with charger.dial() as socket:
        socket.boot()
        charger.knock(login=(charger.station.identity, "x" * 20))
        assert "currentTime" in socket.call("Heartbeat", {})
