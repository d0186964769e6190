"""Local authorization lists: sent whole and by changes, in parts, refused, read back, kept (block D, P217)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor, Role
from core.errors import Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from drivers.models import IdToken
from drivers.services import tokens
from stations.domain import intents
from stations.domain.local_lists import ListState
from stations.models import ChargingStation, Command, LocalList, Variable
from stations.services import sweeping
from stations.services.local_lists import holding, looking, managing, upkeep
from tests.factories import make_actor, make_organization, make_token
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import WireStation

FULL, CHANGES = intents.SendLocalList(mode="full"), intents.SendLocalList()
VERSION = intents.GetLocalListVersion()
ACCEPTED = {"status": "Accepted"}
Item = tuple[str, str | None]


def list_of(charger: Charger) -> LocalList:
    return LocalList.objects.select_related("station").get(station=charger.station)


def state_of(charger: Charger) -> ListState:
    return looking.standing_of(list_of(charger)).state


def held(charger: Charger) -> dict[str, str]:
    return {entry.value: entry.status for entry in list_of(charger).entries.all()}


def version_answer(socket: WireStation, number: int) -> dict[str, int]:
    return {"listVersion" if socket.version == "1.6" else "versionNumber": number}


def number_in(call: list[Any]) -> int:
    payload = call[3]
    return payload.get("listVersion", payload.get("versionNumber"))


def items_in(call: list[Any]) -> list[Item]:
    """Value and status of each entry; no status where it is to be removed."""
    items = []
    for item in call[3].get("localAuthorizationList", []):
        if "idTag" in item:
            items.append((item["idTag"], item.get("idTagInfo", {}).get("status")))
        else:
            items.append((item["idToken"]["idToken"], item.get("idTokenInfo", {}).get("status")))
    return items


def send(
    charger: Charger, socket: WireStation, by: Actor, intent: intents.Intent, count: int = 1
) -> list[Any]:
    """The command's messages, all accepted, and its version read back as the last one."""
    command = issue(charger, by, intent)
    calls = []
    for _ in range(count):
        calls.append(socket.next_call())
        assert calls[-1][2] == "SendLocalList"
        socket.reply(calls[-1], ACCEPTED)
    assert ended(command).status == "accepted"
    check = socket.next_call()
    assert check[2:] == ["GetLocalListVersion", {}]
    socket.reply(check, version_answer(socket, number_in(calls[-1])))
    assert with_effect(command).effect == "seen"
    return calls


def sweep(charger: Charger, *, later: timedelta = timedelta()) -> None:
    """What the sweeper does, as if at that time."""
    upkeep.keep(clock.now() + later)


# -- what is said ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_the_whole_list_tells_each_token_with_its_status_group_and_expiry(
    charger: Charger, alice: Actor, version: str
) -> None:
    """TC_043_4, TC_D_01."""
    expires = (clock.now() + timedelta(days=30)).replace(microsecond=123456)
    group = tokens.create_group(name="Neighbours", token="GROUP1", by=alice)
    make_token(alice, "TAG-VALID", type_="ISO14443", group=group, expires_at=expires)
    make_token(alice, "TAG-BLOCKED", type_="ISO14443", status="blocked")
    make_token(alice, "TAG-OVER", type_="ISO14443", expires_at=clock.now() - timedelta(days=1))
    make_token(alice, "APP", type_="Central")
    tokens.retire(make_token(alice, "TAG-GONE", type_="ISO14443"), by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        (call,) = send(charger, socket, alice, FULL)

    told = {
        item.get("idTag") or item["idToken"]["idToken"]: item for item in call[3]["localAuthorizationList"]
    }
    expiry = clock.to_wire(expires)
    if version == "1.6":
        assert call[3]["listVersion"] == 1
        valid = {"status": "Accepted", "parentIdTag": "GROUP1", "expiryDate": expiry}
        assert told == {
            "TAG-VALID": {"idTag": "TAG-VALID", "idTagInfo": valid},
            "TAG-BLOCKED": {"idTag": "TAG-BLOCKED", "idTagInfo": {"status": "Blocked"}},
            "TAG-OVER": {"idTag": "TAG-OVER", "idTagInfo": {"status": "Expired"}},
        }
    else:
        assert call[3]["versionNumber"] == 1
        assert told["TAG-VALID"] == {
            "idToken": {"idToken": "TAG-VALID", "type": "ISO14443"},
            "idTokenInfo": {
                "status": "Accepted",
                "cacheExpiryDateTime": expiry,
                "groupIdToken": {"idToken": "GROUP1", "type": "Central"},
            },
        }
        assert told["TAG-OVER"]["idTokenInfo"] == {"status": "Expired"}
        assert set(told) == {"TAG-VALID", "TAG-BLOCKED", "TAG-OVER"}
    assert call[3]["updateType"] == "Full"
    assert held(charger) == {"TAG-VALID": "accepted", "TAG-BLOCKED": "blocked", "TAG-OVER": "expired"}
    assert (list_of(charger).version, state_of(charger)) == (1, ListState.CURRENT)


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_changes_tell_only_what_differs_under_a_higher_version(
    charger: Charger, alice: Actor, version: str
) -> None:
    """TC_043_5, TC_D_02, TC_D_03."""
    stays, goes, turns = (make_token(alice, value, type_="ISO14443") for value in ("STAYS", "GOES", "TURNS"))
    with charger.dial(version) as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        tokens.retire(goes, by=alice)
        tokens.block(turns, reason="Lost.", by=alice)
        make_token(alice, "COMES", type_="ISO14443")
        assert state_of(charger) is ListState.OUTDATED
        (call,) = send(charger, socket, alice, CHANGES)

    assert (number_in(call), call[3]["updateType"]) == (2, "Differential")
    assert items_in(call)[0] == ("GOES", None)
    assert set(items_in(call)) == {("GOES", None), ("TURNS", "Blocked"), ("COMES", "Accepted")}
    assert held(charger) == {stays.value: "accepted", "TURNS": "blocked", "COMES": "accepted"}
    assert state_of(charger) is ListState.CURRENT


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_the_first_changes_are_the_whole_list(charger: Charger, alice: Actor, version: str) -> None:
    make_token(alice, "FIRST", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        (call,) = send(charger, socket, alice, CHANGES)

    assert (call[3]["updateType"], items_in(call)) == ("Full", [("FIRST", "Accepted")])


def limit(charger: Charger, version: str, items: int, **others: int) -> None:
    """What the station told of the size of a message."""
    names = {"items": "SendLocalListMaxLength", "capacity": "LocalAuthListMaxLength"}
    component, attribute = "", "Actual"
    if version != "1.6":
        names = {"items": "ItemsPerMessage", "bytes": "BytesPerMessage", "capacity": "Entries"}
        component = "LocalAuthListCtrlr"
    for name, value in {"items": items, **others}.items():
        attribute = "MaxSet" if names[name] == "Entries" else "Actual"
        Variable.objects.create(
            station=charger.station, component=component, variable=names[name], attribute=attribute,
            value=str(value), changed_at=clock.now(), reported_at=clock.now(),
        )  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_parts_follow_what_the_station_takes_at_once(
    charger: Charger, alice: Actor, version: str
) -> None:
    for number in range(5):
        make_token(alice, f"TAG{number}", type_="ISO14443")
    limit(charger, version, 2)
    with charger.dial(version) as socket:
        socket.boot()
        calls = send(charger, socket, alice, FULL, count=3)

    assert [call[3]["updateType"] for call in calls] == ["Full", "Differential", "Differential"]
    assert [number_in(call) for call in calls] == [1, 2, 3]
    assert [len(items_in(call)) for call in calls] == [2, 2, 1]
    assert len({value for call in calls for value, _ in items_in(call)}) == 5
    assert len(held(charger)) == 5
    assert (list_of(charger).version, state_of(charger)) == (3, ListState.CURRENT)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p212_parts_follow_the_bytes_that_the_station_takes_at_once(
    charger: Charger, alice: Actor, version: str
) -> None:
    for number in range(9):
        make_token(alice, f"TAG-{number}-{'X' * 25}", type_="ISO14443")
    limit(charger, version, 100, bytes=700)
    with charger.dial(version) as socket:
        socket.boot()
        calls = send(charger, socket, alice, FULL, count=3)

    assert sum(len(items_in(call)) for call in calls) == 9
    assert all(len(str(call)) <= 700 for call in calls)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_list_that_is_too_short_holds_valid_and_newer_tokens_and_tells_what_is_left_out(
    charger: Charger, alice: Actor, version: str
) -> None:
    make_token(alice, "BLOCKED", type_="ISO14443", status="blocked")
    for value in ("OLD", "NEW"):
        make_token(alice, value, type_="ISO14443")
    limit(charger, version, 50, capacity=2)
    with charger.dial(version) as socket:
        socket.boot()
        (call,) = send(charger, socket, alice, FULL)

    assert {value for value, _ in items_in(call)} == {"OLD", "NEW"}
    assert looking.standing_of(list_of(charger)).left_out == 1


@pytest.mark.parametrize(("version", "told"), [
    ("1.6", {"SHORT", "VIN1"}),
    ("2.0.1", {"SHORT", "LONGER-THAN-TWENTY-CHARACTERS"}),
    ("2.1", {"SHORT", "LONGER-THAN-TWENTY-CHARACTERS", "VIN1"}),
])  # fmt: skip
def test_tokens_that_a_version_cannot_write_are_left_out(
    charger: Charger, alice: Actor, version: str, told: set[str]
) -> None:
    make_token(alice, "SHORT", type_="ISO14443")
    make_token(alice, "LONGER-THAN-TWENTY-CHARACTERS", type_="eMAID")
    make_token(alice, "VIN1", type_="VIN")
    with charger.dial(version) as socket:
        socket.boot()
        (call,) = send(charger, socket, alice, FULL)

    assert {value for value, _ in items_in(call)} == told
    assert state_of(charger) is ListState.CURRENT


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_a_token_with_letters_that_grow_in_upper_case_is_changed_and_removed(
    charger: Charger, alice: Actor, version: str
) -> None:
    changed, removed = make_token(alice, "straße"), make_token(alice, "ŉ1")
    with charger.dial(version) as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        tokens.update(changed, {"status": "blocked"}, by=alice)
        tokens.retire(removed, by=alice)
        send(charger, socket, alice, CHANGES)

    assert held(charger) == {"straße": "blocked"}
    assert state_of(charger) is ListState.CURRENT


@pytest.mark.parametrize("version", VERSIONS)
def test_a_list_of_groups_holds_their_tokens_alone(charger: Charger, alice: Actor, version: str) -> None:
    fleet = tokens.create_group(name="Fleet", by=alice)
    make_token(alice, "IN", type_="ISO14443", group=fleet)
    make_token(alice, "OUT", type_="ISO14443")
    managing.keep(charger.station, automatic=False, groups=[fleet], by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        (call,) = send(charger, socket, alice, FULL)

    assert items_in(call) == [("IN", "Accepted")]


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_a_withdrawn_list_is_emptied_and_the_version_0_of_it_is_no_drift(
    charger: Charger, alice: Actor, version: str
) -> None:
    """TC_D_04, TC_042_2."""
    make_token(alice, "TAG", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        command = managing.withdraw(list_of(charger), by=alice)
        call = socket.next_call()
        socket.reply(call, ACCEPTED)
        socket.reply(socket.next_call(), version_answer(socket, 0))
        with_effect(command)

    empty = {"localAuthorizationList": []} if version == "1.6" else {}
    number = "listVersion" if version == "1.6" else "versionNumber"
    assert call[3] == {number: 2, "updateType": "Full", **empty}
    assert held(charger) == {}
    assert (list_of(charger).automatic, state_of(charger)) == (False, ListState.CURRENT)


# -- what is answered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["VersionMismatch", "Failed"])
def test_p217_changes_that_are_refused_lead_to_the_whole_list(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    make_token(alice, "ONE", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        make_token(alice, "TWO", type_="ISO14443")
        changed, refused = ask(charger, socket, alice, CHANGES, {"status": word})
        whole = socket.next_call()
        assert state_of(charger) is ListState.UNCONFIRMED
        socket.reply(whole, ACCEPTED)
        socket.reply(socket.next_call(), version_answer(socket, 3))
        eventually(lambda: list_of(charger).reported_version == 3)

    assert (changed[3]["updateType"], refused.status) == ("Differential", "rejected")
    assert (whole[3]["updateType"], number_in(whole)) == ("Full", 3)
    assert set(items_in(whole)) == {("ONE", "Accepted"), ("TWO", "Accepted")}
    again = Command.objects.filter(station=charger.station, command="send_local_list").first()
    assert again is not None
    assert (again.issued_by, word in again.reason) == ("system:local_lists", True)
    assert state_of(charger) is ListState.CURRENT


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_a_whole_list_that_fails_advances_nothing_and_is_not_repeated_at_once(
    charger: Charger, alice: Actor, version: str
) -> None:
    """TC_043_3."""
    make_token(alice, "ONE", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, FULL, {"status": "Failed"})
        sweep(charger)
        socket.call("Heartbeat", {})

    row = list_of(charger)
    assert (command.status, row.version, held(charger)) == ("rejected", 0, {})
    assert (row.failure, state_of(charger)) == ("Failed", ListState.REFUSED)
    assert list(socket.calls) == []


def test_p217_a_station_that_keeps_no_list_is_known_by_its_answers(charger: Charger, alice: Actor) -> None:
    """TC_042_1, TC_043_1: -1, and NotSupported."""
    make_token(alice, "ONE", type_="ISO14443")
    with charger.dial() as socket:
        socket.boot()
        _, asked = ask(charger, socket, alice, VERSION, {"listVersion": -1})
        told = list_of(charger)
        _, sent = ask(charger, socket, alice, FULL, {"status": "NotSupported"})

    assert (asked.status, told.reported_version) == ("accepted", -1)
    assert (sent.status, sent.response) == ("rejected", {"status": "NotSupported"})
    assert state_of(charger) is ListState.NOT_SUPPORTED
    assert (list_of(charger).version, held(charger)) == (0, {})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("intent", [FULL, VERSION])
def test_a_station_that_does_not_know_the_message_is_left_alone_until_it_boots(
    charger: Charger, alice: Actor, version: str, intent: intents.Intent
) -> None:
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intent)
        socket.send([4, socket.next_call()[1], "NotImplemented", "", {}])
        assert ended(command).status == "failed"
        assert state_of(charger) is ListState.NOT_SUPPORTED
        sweep(charger, later=timedelta(hours=12))
        socket.call("Heartbeat", {})
        assert list(socket.calls) == []
        socket.boot()
        sweep(charger, later=timedelta(hours=12))
        assert socket.next_call()[2] == "GetLocalListVersion"


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_version_0_of_a_list_with_entries_is_a_drift_and_the_next_sending_is_whole(
    charger: Charger, alice: Actor, version: str
) -> None:
    """TC_042_2, TC_D_09."""
    make_token(alice, "ONE", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        ask(charger, socket, alice, VERSION, version_answer(socket, 0))
        assert state_of(charger) is ListState.DRIFTED
        (call,) = send(charger, socket, alice, CHANGES)

    assert (call[3]["updateType"], number_in(call)) == ("Full", 2)
    assert state_of(charger) is ListState.CURRENT


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_of_somebody_elses_is_shown_as_drift_and_outnumbered(
    charger: Charger, alice: Actor, version: str
) -> None:
    """TC_D_08."""
    make_token(alice, "ONE", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        ask(charger, socket, alice, VERSION, version_answer(socket, 40))
        assert state_of(charger) is ListState.DRIFTED
        (call,) = send(charger, socket, alice, CHANGES)

    assert (call[3]["updateType"], number_in(call)) == ("Full", 41)


@pytest.mark.parametrize("version", VERSIONS)
def test_parts_after_a_refused_one_are_not_said_and_what_was_taken_is_kept(
    charger: Charger, alice: Actor, version: str
) -> None:
    for number in range(6):
        make_token(alice, f"TAG{number}", type_="ISO14443")
    limit(charger, version, 2)
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, FULL)
        first = socket.next_call()
        socket.reply(first, ACCEPTED)
        socket.reply(socket.next_call(), {"status": "Failed"})
        ended(command)
        socket.call("Heartbeat", {})

    assert (command.status, list(socket.calls)) == ("rejected", [])
    assert set(held(charger)) == {value for value, _ in items_in(first)}
    assert (list_of(charger).version, state_of(charger)) == (1, ListState.REFUSED)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lost_answer_leaves_it_open_and_the_whole_list_follows_after_the_reconnect(
    charger: Charger, alice: Actor, version: str
) -> None:
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    make_token(alice, "ONE", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        make_token(alice, "TWO", type_="ISO14443")
        command = issue(charger, alice, CHANGES)
        assert items_in(socket.next_call()) == [("TWO", "Accepted")]
    assert ended(command).status == "failed"
    assert state_of(charger) is ListState.UNCONFIRMED

    with charger.dial(version) as socket:
        socket.call("Heartbeat", {})
        sweep(charger, later=timedelta(minutes=2))
        call = socket.next_call()
        socket.reply(call, ACCEPTED)
        socket.reply(socket.next_call(), version_answer(socket, number_in(call)))
        eventually(lambda: list_of(charger).reported_version == 3)

    assert (call[3]["updateType"], number_in(call), len(items_in(call))) == ("Full", 3, 2)
    assert state_of(charger) is ListState.CURRENT


def test_a_list_of_1_6_is_sent_whole_when_the_station_comes_back_as_2_0_1(
    charger: Charger, alice: Actor
) -> None:
    make_token(alice, "ONE", type_="ISO15693")
    with charger.dial() as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        (call,) = send(charger, socket, alice, CHANGES)

    assert call[3]["updateType"] == "Full"
    assert call[3]["localAuthorizationList"][0]["idToken"] == {"idToken": "ONE", "type": "ISO15693"}


# -- what is kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_kept_list_is_read_after_the_boot_and_follows_the_tokens_by_itself(
    charger: Charger, alice: Actor, version: str
) -> None:
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    lost = make_token(alice, "LOST", type_="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        sweep(charger)
        check = socket.next_call()
        assert check[2] == "GetLocalListVersion"
        socket.reply(check, version_answer(socket, 0))
        eventually(lambda: list_of(charger).reported_at is not None)
        settled(charger)
        first = follow(charger, socket)
        sweep(charger)
        socket.call("Heartbeat", {})
        assert list(socket.calls) == []
        tokens.block(lost, reason="Lost.", by=alice)
        second = follow(charger, socket)

    assert (first[3]["updateType"], items_in(first)) == ("Full", [("LOST", "Accepted")])
    assert (second[3]["updateType"], items_in(second)) == ("Differential", [("LOST", "Blocked")])
    assert state_of(charger) is ListState.CURRENT


def settled(charger: Charger) -> None:
    waiting = Command.objects.filter(station=charger.station, settled_at=None)
    eventually(lambda: not waiting.exists())


def follow(charger: Charger, socket: WireStation) -> list[Any]:
    """What the sweeper sends, accepted and read back."""
    sweep(charger)
    call = socket.next_call()
    socket.reply(call, ACCEPTED)
    check = socket.next_call()
    socket.reply(check, version_answer(socket, number_in(call)))
    eventually(lambda: list_of(charger).reported_version == number_in(call))
    settled(charger)
    return call


@pytest.mark.parametrize("expires", [True, False])
def test_a_token_that_expires_is_told_as_expired(charger: Charger, alice: Actor, expires: bool) -> None:
    token = make_token(alice, "SOON", type_="ISO14443", expires_at=clock.now() + timedelta(hours=1))
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    with charger.dial() as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        if expires:
            IdToken.objects.filter(pk=token.pk).update(expires_at=clock.now() - timedelta(seconds=1))
            assert items_in(follow(charger, socket)) == [("SOON", "Expired")]
        else:
            sweep(charger)
            socket.call("Heartbeat", {})
            assert list(socket.calls) == []


def test_a_token_whose_block_is_over_is_told_as_accepted_by_itself(charger: Charger, alice: Actor) -> None:
    token = make_token(alice, "SOON", type_="ISO14443")
    tokens.block(token, reason="", until=clock.now() + timedelta(hours=1), by=alice)
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    with charger.dial() as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        told = held(charger)
        IdToken.objects.filter(pk=token.pk).update(blocked_until=clock.now() - timedelta(seconds=1))
        after = items_in(follow(charger, socket))

    assert (told["SOON"], after) == ("blocked", [("SOON", "Accepted")])


def test_an_erased_token_is_taken_off_the_lists_of_stations(charger: Charger, alice: Actor) -> None:
    token = make_token(alice, "ERASED", type_="ISO14443")
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    with charger.dial() as socket:
        socket.boot()
        send(charger, socket, alice, FULL)
        tokens.retire(token, by=alice)
        call = follow(charger, socket)

    assert (items_in(call), held(charger)) == ([("ERASED", None)], {})


def test_the_sweeper_keeps_lists_and_asks_about_sessions(charger: Charger, alice: Actor) -> None:
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        done = sweeping.sweep()
        assert socket.next_call()[2] == "GetLocalListVersion"

    assert done["local_lists"] is not None
    assert done["session_states"] is not None


def test_a_list_that_nobody_keeps_is_not_sent_by_itself(charger: Charger, alice: Actor) -> None:
    make_token(alice, "ONE", type_="ISO14443")
    managing.keep(charger.station, automatic=False, groups=[], by=alice)
    with charger.dial() as socket:
        socket.boot()
        sweep(charger)
        socket.call("Heartbeat", {})

    assert list(socket.calls) == []
    assert state_of(charger) is ListState.UNKNOWN


def test_a_station_that_is_offline_or_busy_with_its_list_is_asked_for_nothing_more(
    charger: Charger, alice: Actor
) -> None:
    managing.keep(charger.station, automatic=True, groups=[], by=alice)
    said = Command.objects.filter(station=charger.station)
    sweep(charger)
    assert not said.exists()

    with charger.dial() as socket:
        socket.boot()
        sweep(charger)
        sweep(charger)
        assert said.count() == 1
        socket.reply(socket.next_call(), {"listVersion": 0})
        settled(charger)


# -- who may --------------------------------------------------------------------------------------------------


def test_a_stranger_and_who_may_not_change_nothing(charger: Charger, alice: Actor) -> None:
    organization = Organization.objects.get(pk=alice.home)
    charlie = make_actor(make_organization(), name="charlie")
    support = make_actor(organization, Role.SUPPORT, "sally")
    row = holding.row_of(charger.station.pk)
    foreign = tokens.create_group(name="Foreign", by=charlie)
    tries: list[tuple[type[Exception], Callable[[], object]]] = [
        (NotFound, lambda: issue(charger, charlie, FULL)),
        (NotFound, lambda: issue(charger, charlie, VERSION)),
        (NotFound, lambda: managing.keep(charger.station, automatic=True, groups=[], by=charlie)),
        (NotFound, lambda: managing.withdraw(row, by=charlie)),
        (NotPermitted, lambda: issue(charger, support, FULL)),
        (NotPermitted, lambda: managing.keep(charger.station, automatic=True, groups=[], by=support)),
        (NotPermitted, lambda: managing.withdraw(row, by=support)),
        (NotFound, lambda: managing.keep(charger.station, automatic=True, groups=[foreign], by=alice)),
        (Invalid, lambda: issue(charger, alice, intents.SendLocalList(mode="odd"))),
    ]
    for error, attempt in tries:
        with pytest.raises(error):
            attempt()

    assert not Command.objects.filter(station=charger.station).exists()
    assert (list_of(charger).automatic, list_of(charger).withdrawn) == (False, False)
    assert list(LocalList.objects.visible_to(charlie)) == []


def test_what_is_kept_and_given_up_is_audited(charger: Charger, alice: Actor) -> None:
    fleet = tokens.create_group(name="Fleet", by=alice)
    row = managing.keep(charger.station, automatic=True, groups=[fleet], by=alice)
    managing.withdraw(row, by=alice)

    entries = AuditEntry.objects.filter(object_id=str(row.pk)).order_by("id")
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("local_list.changed", alice.label),
        ("local_list.withdrawn", alice.label),
    ]
    assert entries[0].changes == {"automatic": [False, True], "groups": [[], ["Fleet"]]}


def test_tokens_are_not_kept_with_the_command(charger: Charger, alice: Actor) -> None:
    make_token(alice, "PERSONAL", type_="ISO14443")
    with charger.dial() as socket:
        socket.boot()
        send(charger, socket, alice, FULL)

    command = Command.objects.get(station=charger.station, command="send_local_list")
    assert command.parameters == {"mode": "full"}
    assert "PERSONAL" not in str(command.response)
    assert ChargingStation.objects.get(pk=charger.station.pk).unsupported == []


def raw_list(version: str, number: int, *items: tuple[str, str, str]) -> intents.Call:
    """The whole list in the station's own words: value, status and group of each token."""
    if version == "1.6":
        entries = [
            {"idTag": value, "idTagInfo": {"status": status, "parentIdTag": group}}
            for value, status, group in items
        ]
        return intents.Call(
            action="SendLocalList",
            payload={"listVersion": number, "updateType": "Full", "localAuthorizationList": entries},
        )
    entries = [
        {
            "idToken": {"idToken": value, "type": "Central"},
            "idTokenInfo": {"status": status, "groupIdToken": {"idToken": group, "type": "Central"}},
        }
        for value, status, group in items
    ]
    return intents.Call(
        action="SendLocalList",
        payload={"versionNumber": number, "updateType": "Full", "localAuthorizationList": entries},
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_d01_a_list_said_in_raw_words_is_kept_and_read_back_where_there_was_none(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, raw_list(version, 7, ("CARD1", "Accepted", "G")), ACCEPTED)
        assert command.status == "accepted"
        check = socket.next_call()
        socket.reply(check, version_answer(socket, 7))
        eventually(lambda: list_of(charger).reported_version == 7)

    assert check[2:] == ["GetLocalListVersion", {}]
    assert list_of(charger).version == 7
    assert held(charger) == {"CARD1": "accepted"}


@pytest.mark.parametrize("version", VERSIONS)
def test_d01_a_refused_raw_list_ends_its_command_and_brings_no_list_that_nobody_wanted(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(
            charger, socket, alice, raw_list(version, 7, ("CARD1", "Accepted", "G")), {"status": "Failed"}
        )
        socket.call("Heartbeat", {})
        unasked = list(socket.calls)

    assert command.status == "rejected"
    assert unasked == []
    assert not LocalList.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_d01_words_that_we_never_say_of_a_token_are_kept_as_a_refusal_of_it(
    charger: Charger, alice: Actor, version: str
) -> None:
    word = "ConcurrentTx" if version == "1.6" else "NotAtThisLocation"
    raw = raw_list(version, 7, ("CARD1", word, "G"), ("CARD2", "Accepted", "G"))
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, raw, ACCEPTED)

    assert command.status == "accepted"
    assert held(charger) == {"CARD1": "invalid", "CARD2": "accepted"}


@pytest.mark.parametrize("version", VERSIONS)
def test_d01_a_token_that_a_raw_list_names_twice_is_held_as_it_was_named_last(
    charger: Charger, alice: Actor, version: str
) -> None:
    raw = raw_list(version, 7, ("card1", "Blocked", "G"), ("CARD1", "Accepted", "G"))
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, raw, ACCEPTED)

    assert command.status == "accepted"
    assert held(charger) == {"CARD1": "accepted"}


def test_d01_a_group_longer_than_ours_in_a_raw_list_ends_its_command(charger: Charger, alice: Actor) -> None:
    raw = raw_list("2.1", 7, ("CARD1", "Accepted", "G" * 255))
    with charger.dial("2.1") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, raw, ACCEPTED)

    assert command.status == "accepted"
    assert held(charger) == {"CARD1": "accepted"}


@pytest.mark.parametrize("version", VERSIONS)
def test_d01_a_raw_list_that_counts_beyond_our_numbers_leaves_it_open_what_the_station_holds(
    charger: Charger, alice: Actor, version: str
) -> None:
    raw = raw_list(version, 2**40, ("CARD1", "Accepted", "G"))
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, raw, ACCEPTED)

    assert command.status == "accepted"
    assert not list_of(charger).certain
    assert held(charger) == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_d01_changes_in_raw_words_to_a_list_that_was_never_told_leave_it_open_what_the_station_holds(
    charger: Charger, alice: Actor, version: str
) -> None:
    whole = raw_list(version, 7, ("CARD1", "Accepted", "G"))
    changes = intents.Call(action=whole.action, payload={**whole.payload, "updateType": "Differential"})
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, changes, ACCEPTED)

    assert command.status == "accepted"
    assert not list_of(charger).certain
