"""P218, S-07: network profiles never lower the security profile and always leave a way back."""

from typing import Any

import pytest

from core.access import Actor
from core.errors import Conflict, DomainError
from stations.domain import intents
from stations.domain.intents import VariableItem
from stations.models import ChargingStation, Command, NetworkProfile, Variable
from tests.stations.ocpp.asking import VERSIONS_2X, ask, ended, issue, now
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually

CONTROLLER, PRIORITY = "OCPPCommCtrlr", "NetworkConfigurationPriority"


def profile(**changes: Any) -> intents.SetNetworkProfile:
    values = {"slot": 2, "url": "wss://portal.example.org/ocpp", "security_profile": 2, **changes}
    return intents.SetNetworkProfile(**values)


def know(charger: Charger, variable: str, value: str, *, component: str = CONTROLLER, **more: Any) -> None:
    Variable.objects.update_or_create(
        station=charger.station,
        component=component,
        variable=variable,
        defaults={"value": value, "changed_at": now(), "reported_at": now(), **more},
    )


@pytest.fixture
def slotted(charger: Charger) -> Charger:
    """A station that told of slots 1 (in use) and 2."""
    know(charger, PRIORITY, "1,2", values_list="1,2,3")
    know(charger, "ActiveNetworkProfile", "1")
    return charger


def on_profile(charger: Charger, level: int) -> None:
    ChargingStation.objects.filter(pk=charger.station.pk).update(security_profile=level)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_b_42_a_free_slot_is_written_and_shown(slotted: Charger, alice: Actor, version: str) -> None:
    with slotted.dial(version) as socket:
        socket.boot()
        call, command = ask(slotted, socket, alice, profile(), {"status": "Accepted"})

    assert call[2] == "SetNetworkProfile"
    assert call[3] == {
        "configurationSlot": 2,
        "connectionData": {
            "ocppVersion": "OCPP20" if version == "2.0.1" else "OCPP201",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": "wss://portal.example.org/ocpp",
            "messageTimeout": 30,
            "securityProfile": 2,
            "ocppInterface": "Wired0",
        },
    }
    assert command.status == "accepted"
    kept = NetworkProfile.objects.get(station=slotted.station)
    assert (kept.slot, kept.security_profile, kept.set_by, kept.refusal) == (2, 2, alice.label, "")


@pytest.mark.parametrize("word", ["Rejected", "Failed"])
def test_tc_b_44_a_refused_profile_is_shown_with_its_reason_and_the_slot_keeps_its_content(
    slotted: Charger, alice: Actor, word: str
) -> None:
    with slotted.dial("2.0.1") as socket:
        socket.boot()
        ask(slotted, socket, alice, profile(), {"status": "Accepted"})
        answer = {"status": word, "statusInfo": {"reasonCode": "NoRoom", "additionalInfo": "flash is full"}}
        _, command = ask(slotted, socket, alice, profile(url="wss://other.example.org/ocpp"), answer)

    assert command.status == "rejected"
    kept = NetworkProfile.objects.get(station=slotted.station)
    assert kept.url == "wss://portal.example.org/ocpp"
    assert kept.refusal == f"{word} · NoRoom · flash is full"


def test_tc_b_100_a_21_profile_holds_identity_and_password_which_are_never_shown(
    slotted: Charger, alice: Actor
) -> None:
    secret = "a-password-of-22-chars"
    with slotted.dial("2.1") as socket:
        socket.boot()
        intent = profile(
            identity="CP-NEW",
            password=secret,
            vpn={"server": "v", "user": "u", "password": "p", "vpn_key": "deep-secret", "type": "IPSec"},
        )
        call, command = ask(slotted, socket, alice, intent, {"status": "Accepted"})
    with slotted.dial("2.0.1") as socket:
        socket.boot()
        old = ended(issue(slotted, alice, profile(identity="CP-NEW")))

    data = call[3]["connectionData"]
    assert (data["identity"], data["basicAuthPassword"], data["vpn"]["key"]) == (
        "CP-NEW",
        secret,
        "deep-secret",
    )
    shown = str(command.parameters) + str(command.response) + command.sealed
    assert secret not in shown
    assert "deep-secret" not in shown
    assert old.status == "not_supported"


@pytest.mark.parametrize(("floor", "level"), [(3, 2), (3, 1), (2, 1), (2, 0), (1, 0)])
def test_s07_a_lower_security_profile_is_never_sent(
    slotted: Charger, alice: Actor, floor: int, level: int
) -> None:
    on_profile(slotted, floor)

    with pytest.raises(Conflict):
        issue(slotted, alice, profile(security_profile=level))
    item = VariableItem(
        component="NetworkConfiguration", component_instance="2", variable="SecurityProfile", value=str(level)
    )
    with pytest.raises(Conflict):
        issue(slotted, alice, intents.SetVariables(items=(item,)))
    assert not Command.objects.filter(station=slotted.station).exists()


def test_s07_three_to_two_needs_the_stations_leave_and_the_operators_word(
    slotted: Charger, alice: Actor
) -> None:
    on_profile(slotted, 3)
    with pytest.raises(Conflict):
        issue(slotted, alice, profile(confirm_downgrade=True))
    know(slotted, "AllowSecurityProfileDowngrade", "true", component="SecurityCtrlr")
    with pytest.raises(Conflict):
        issue(slotted, alice, profile())
    with pytest.raises(Conflict):
        issue(slotted, alice, profile(security_profile=1, confirm_downgrade=True))

    allowed = issue(slotted, alice, profile(confirm_downgrade=True))

    assert allowed.error["code"] == "offline"


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("action", "payload"),
    [
        (
            "SetNetworkProfile",
            {
                "configurationSlot": 2,
                "connectionData": {
                    "ocppVersion": "OCPP20",
                    "ocppTransport": "JSON",
                    "ocppCsmsUrl": "ws://x",
                    "messageTimeout": 5,
                    "securityProfile": 0,
                    "ocppInterface": "Wired0",
                },
            },
        ),
        (
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "attributeValue": "0",
                        "component": {"name": "NetworkConfiguration"},
                        "variable": {"name": "SecurityProfile"},
                    }
                ]
            },
        ),
    ],
)
def test_s07_an_expert_cannot_send_a_lower_profile_either(
    slotted: Charger, alice: Actor, version: str, action: str, payload: dict[str, Any]
) -> None:
    with slotted.dial(version) as socket:
        socket.boot()
        command = ended(issue(slotted, alice, intents.Call(action=action, payload=payload)))

    assert command.status == "failed"
    assert "never lowered" in command.error["description"]


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("level", [4, 40_000, 2**31 - 1])
def test_an_expert_sends_no_profile_that_does_not_exist(
    charger: Charger, alice: Actor, version: str, level: int
) -> None:
    words = {"messageTimeout": 30, "ocppCsmsUrl": "wss://a.example", "ocppInterface": "Wired0"}
    older = {"ocppVersion": "OCPP20", "ocppTransport": "JSON"}
    payload = {"configurationSlot": 1, "connectionData": {**words, **older, "securityProfile": level}}
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, intents.Call(action="SetNetworkProfile", payload=payload)))
        assert not socket.calls

    assert (command.status, command.error["code"]) == ("failed", "invalid")


def test_s07_a_16_station_is_not_lowered_by_its_key(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        raw = intents.Call(action="ChangeConfiguration", payload={"key": "SecurityProfile", "value": "0"})
        command = ended(issue(charger, alice, raw))
    with pytest.raises(Conflict):
        issue(
            charger, alice, intents.SetVariables(items=(VariableItem(variable="SecurityProfile", value="0"),))
        )

    assert command.status == "failed"


@pytest.mark.parametrize(
    ("changes", "word"), [({"slot": 1}, "in use"), ({"slot": 9}, "has no slot 9")], ids=["in use", "unknown"]
)
def test_p218_a_slot_that_is_in_use_or_not_there_is_not_written(
    slotted: Charger, alice: Actor, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(DomainError, match=word):
        issue(slotted, alice, profile(**changes))


def test_p218_without_knowing_which_slot_is_in_use_none_is_written(charger: Charger, alice: Actor) -> None:
    with pytest.raises(Conflict, match="Read NetworkConfigurationPriority"):
        issue(charger, alice, profile())


def test_p218_the_slot_in_use_stays_in_the_priority_as_the_way_back(slotted: Charger, alice: Actor) -> None:
    def priority(value: str) -> intents.SetVariables:
        return intents.SetVariables(
            items=(VariableItem(component=CONTROLLER, variable=PRIORITY, value=value),)
        )

    for lost in ("2", "", "2,3"):
        with pytest.raises(Conflict, match="way back"):
            issue(slotted, alice, priority(lost))
    assert issue(slotted, alice, priority("2,1")).error["code"] == "offline"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_the_priority_is_read_back_once_it_was_written(slotted: Charger, alice: Actor, version: str) -> None:
    item = VariableItem(component=CONTROLLER, variable=PRIORITY, value="2,1")
    named = {"component": {"name": CONTROLLER}, "variable": {"name": PRIORITY}}
    with slotted.dial(version) as socket:
        socket.boot()
        issue(slotted, alice, intents.SetVariables(items=(item,)))
        socket.reply(
            socket.next_call(), {"setVariableResult": [{"attributeStatus": "RebootRequired", **named}]}
        )
        read = socket.next_call()
        values = [{**named, "attributeStatus": "Accepted", "attributeValue": "1,2"}]
        socket.reply(read, {"getVariableResult": values})
        row = eventually(
            lambda: Command.objects.filter(
                station=slotted.station, command="get_variables", status="accepted"
            ).first(),
            what="the priority read back",
        )

    assert [one["variable"]["name"] for one in read[3]["getVariableData"]] == [
        PRIORITY,
        "ActiveNetworkProfile",
    ]
    assert row.issued_by.startswith("system:")
    kept = Variable.objects.get(station=slotted.station, variable=PRIORITY)
    assert (kept.value, kept.pending_value) == ("1,2", "2,1")
