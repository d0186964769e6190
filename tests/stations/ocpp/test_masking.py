"""No secret leaves the process in a log (ocpp.md section 5, P021, P270)."""

import json
from typing import Any

import pytest

from stations.domain import intents
from stations.domain.intents import VariableItem
from stations.models import RawFrame
from stations.ocpp import frames, masking
from stations.services import commands
from tests.stations.ocpp.asking import ended
from tests.stations.ocpp.opening import Open, OpenStation, is_alive, logged

SECRET = "Correct-Horse-Batt-1"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----\n"


def own(action: str, payload: dict[str, Any]) -> str:
    text = frames.call("id", action, payload)
    return masking.loggable_own(text, action, payload, [2, "id", action])


def theirs(action: str, payload: dict[str, Any], kind: int = 2) -> str:
    parts = [kind, "id", action, payload] if kind == 2 else [kind, "id", payload]
    return masking.loggable(frames.parse(json.dumps(parts)), action)


OURS: list[tuple[str, dict[str, Any]]] = [
    ("ChangeConfiguration", {"key": "AuthorizationKey", "value": SECRET}),
    ("ChangeConfiguration", {"key": "vendor.WifiPassword", "value": SECRET}),
    ("ChangeConfiguration", {"key": "SimAccessToken", "value": SECRET}),
    (
        "SetVariables",
        {
            "setVariableData": [
                {
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                    "attributeValue": SECRET,
                }
            ]
        },
    ),
    ("SetNetworkProfile", {"configurationSlot": 1, "connectionData": {"basicAuthPassword": SECRET}}),
    ("SetNetworkProfile", {"connectionData": {"apn": {"apn": "x", "apnPassword": SECRET}}}),
    ("SetNetworkProfile", {"connectionData": {"vpn": {"user": "u", "password": "p", "key": SECRET}}}),
    ("SetNetworkProfile", {"connectionData": {"vpn": {"user": "u", "password": SECRET, "key": "k"}}}),
    ("GetLog", {"log": {"remoteLocation": f"sftp://me:{SECRET}@files.example/x"}}),
    ("GetDiagnostics", {"location": f"https://files.example/x?token={SECRET}&name=a"}),
    ("UpdateFirmware", {"location": f"ftp://u:{SECRET}@files.example/f.bin"}),
    ("SignedUpdateFirmware", {"firmware": {"location": f"https://files.example/f?sig={SECRET}"}}),
    ("PublishFirmware", {"location": f"https://a:{SECRET}@files.example"}),
    ("DataTransfer", {"vendorId": "acme", "data": json.dumps({"wifi": {"password": SECRET}})}),
    ("DataTransfer", {"vendorId": "acme", "data": f"password={SECRET}"}),
    ("InstallCertificate", {"certificateType": "CSMSRootCertificate", "certificate": PEM}),
]
THEIRS: list[tuple[str, dict[str, Any], int]] = [
    (
        "GetConfiguration",
        {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": SECRET}]},
        3,
    ),
    (
        "GetVariables",
        {"getVariableResult": [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": SECRET}]},
        3,
    ),
    (
        "NotifyReport",
        {"reportData": [{"variable": {"name": "WebhookSecret"}, "variableAttribute": [{"value": SECRET}]}]},
        2,
    ),
    ("NotifyEvent", {"eventData": [{"variable": {"name": "ApiToken"}, "actualValue": SECRET}]}, 2),
    ("DataTransfer", {"vendorId": "acme", "data": {"apiKey": {"secretKey": SECRET}}}, 2),
    ("DataTransfer", {"status": "Accepted", "data": f"<password>{SECRET}</password>"}, 3),
    ("SomethingElse", {"certificate": PEM}, 2),
]


@pytest.mark.parametrize(("action", "payload"), OURS)
def test_secrets_in_what_we_send_are_masked(action: str, payload: dict[str, Any]) -> None:
    shown = own(action, payload)
    assert SECRET not in shown
    assert "****" in shown


@pytest.mark.parametrize(("action", "payload", "kind"), THEIRS)
def test_secrets_in_what_stations_send_are_masked(action: str, payload: dict[str, Any], kind: int) -> None:
    shown = theirs(action, payload, kind)
    assert SECRET not in shown
    assert "****" in shown


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
        ("ChangeConfiguration", {"key": "GetConfigurationMaxKeys", "value": "60"}),
        ("GetLog", {"log": {"remoteLocation": "https://files.example/x"}}),
        ("DataTransfer", {"vendorId": "acme", "data": "plain words"}),
        ("Authorize", {"idTag": "04AABBCC"}),
    ],
)
def test_what_is_no_secret_stays_byte_for_byte(action: str, payload: dict[str, Any]) -> None:
    assert own(action, payload) == frames.call("id", action, payload)


def test_text_that_cannot_be_read_is_hidden_where_it_may_hold_a_secret() -> None:
    assert SECRET not in masking.loggable(
        frames.parse(f'[2,"x","ChangeConfiguration",{{"password":"{SECRET}'), ""
    )
    assert masking.loggable(frames.parse("broken\x00text"), "") == "broken\\u0000text"


def texts_of(wire: OpenStation) -> list[str]:
    """All that has been logged of the station so far."""
    assert is_alive(wire)
    logged(wire.row, action="Heartbeat")
    return list(RawFrame.objects.filter(station=wire.row).values_list("text", flat=True))


SAYS_IT = [
    [
        3,
        "old",
        {"getVariableResult": [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": SECRET}]},
    ],
    [3, "old", {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": SECRET}]}],
    [3, "old", {"status": "Accepted", "data": f"pin={SECRET}"}],
    [4, "old", "InternalError", "no", {"password": SECRET}],
    [
        2,
        "new",
        "notifyReport",
        {"reportData": [{"variable": {"name": "BasicAuthPassword"}, "value": SECRET}]},
    ],
    [2, "new", "Datatransfer", {"vendorId": "com.acme", "data": f"pin={SECRET}"}],
    [2, "new", "Made.Up", {"at": f"https://user:{SECRET}@example.org/x?token={SECRET}&b=1"}],
]


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("said", SAYS_IT, ids=str)
def test_secrets_in_what_belongs_to_nothing_known_are_nowhere_in_the_log(
    open_station: Open, version: str, said: list[Any]
) -> None:
    wire = open_station(version)
    wire.send(said)

    texts = texts_of(wire)
    assert not [text for text in texts if SECRET in text]
    assert [text for text in texts if "****" in text]


ADDRESSES = [
    ("2.0.1", "PublishFirmwareStatusNotification",
     {"status": "Published", "location": [f"https://u:{SECRET}@10.0.0.2/f?token={SECRET}"], "requestId": 3}),
    ("2.1", "NotifySettlement",
     {"pspRef": "p1", "status": "Settled", "settlementAmount": 3.2, "settlementTime": "2026-01-01T10:00:00Z",
      "receiptUrl": f"https://r.example/x?token={SECRET}"}),
]  # fmt: skip


@pytest.mark.parametrize(("version", "action", "payload"), ADDRESSES)
def test_what_opens_an_address_is_nowhere_in_the_log(
    open_station: Open, version: str, action: str, payload: dict[str, Any]
) -> None:
    wire = open_station(version)
    wire.call(action, payload)

    shown = logged(wire.row, action=action).text
    assert SECRET not in shown
    assert "****" in shown
    assert json.loads(shown)[:3] == [2, json.loads(shown)[1], action]


@pytest.mark.parametrize("escaped", [False, True])
def test_only_what_opens_an_address_is_hidden(escaped: bool) -> None:
    payload = {"a": "https://u:p@x.org/f?k=v", "mail": "me@x.org", "b": "http://y.org", "c": "what?a=b@c"}
    text = frames.call("id", "StatusNotification", payload)
    said = text.replace("/", "\\/") if escaped else text

    shown = json.loads(masking.loggable(frames.parse(said), "StatusNotification"))[3]

    assert shown == {**payload, "a": "https://****@x.org/f?k=****"}


@pytest.mark.parametrize(
    "said",
    [
        ["PropertyConstraintViolation", f"value {SECRET} is no good", {}],
        ["InternalError", "", {"sent": {"attributeValue": SECRET}}],
        ["InternalError", f"{SECRET}", {"password": "another"}],
    ],
    ids=str,
)
def test_p021_a_password_that_comes_back_in_an_error_is_nowhere(open_station: Open, said: list[Any]) -> None:
    wire = open_station("2.0.1")
    item = VariableItem(variable="BasicAuthPassword", component="SecurityCtrlr", value=SECRET)
    command = commands.issue(wire.row, intents.SetVariables(items=(item,)), by=wire.owner)
    call = wire.next_call()
    wire.send([4, call[1], *said])
    ended(command)

    texts = texts_of(wire)
    assert not [text for text in texts if SECRET in text]
    assert [text for text in texts if json.loads(text)[2] == said[0]]
    assert SECRET not in json.dumps(command.error)


def test_p021_a_password_that_comes_back_in_an_answer_is_nowhere(open_station: Open) -> None:
    wire = open_station("2.0.1")
    item = VariableItem(variable="BasicAuthPassword", component="SecurityCtrlr", value=SECRET)
    command = commands.issue(wire.row, intents.SetVariables(items=(item,)), by=wire.owner)
    call = wire.next_call()
    told = {
        "attributeStatus": "Rejected",
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeStatusInfo": {"reasonCode": "TooWeak", "additionalInfo": f"not {SECRET}"},
    }
    wire.reply(call, {"setVariableResult": [told]})

    assert "not ****" in json.dumps(ended(command).response)
    assert not [text for text in texts_of(wire) if SECRET in text]


def test_paths_that_the_operator_named_are_masked() -> None:
    body = {"customer": {"phone": SECRET, "name": "N"}}
    masks = {"acme": frozenset({("customer", "phone")})}
    for data in (body, json.dumps(body)):
        payload = {"vendorId": "ACME", "data": data}
        shown = masking.loggable_own("", "DataTransfer", payload, [2, "id", "DataTransfer"], masks)
        assert SECRET not in shown
        assert "name" in shown
        answer = masking.loggable_own("", "DataTransfer", {"data": data}, [3, "id"], masks)
        assert SECRET not in answer


def test_a_body_is_hidden_while_the_operators_paths_are_not_known() -> None:
    payload = {"vendorId": "acme", "data": "anything"}
    shown = masking.loggable_own("", "DataTransfer", payload, [2, "id", "DataTransfer"], None)
    assert "anything" not in shown


def test_p021_a_password_on_its_way_to_a_16_station_is_nowhere_in_the_log(open_station: Open) -> None:
    wire = open_station()
    item = VariableItem(variable="AuthorizationKey", value=SECRET)
    command = commands.issue(wire.row, intents.SetVariables(items=(item,)), by=wire.owner)
    call = wire.next_call()
    sent = call[3]["value"]
    wire.reply(call, {"status": "Accepted"})
    assert ended(command).status == "accepted"

    assert "****" in logged(wire.row, direction="out", action="ChangeConfiguration").text
    for text in RawFrame.objects.filter(station=wire.row).values_list("text", flat=True):
        assert SECRET not in text
        assert sent not in text


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p021_secrets_that_a_2x_station_reports_are_nowhere_in_the_log(
    open_station: Open, version: str
) -> None:
    wire = open_station(version)
    wire.call(
        "NotifyReport",
        {
            "requestId": 1, "seqNo": 0, "generatedAt": "2026-11-20T10:00:00Z",
            "reportData": [
                {
                    "component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"},
                    "variableAttribute": [{"value": SECRET}],
                }
            ],
        },
        message_id="report",
    )  # fmt: skip
    text = logged(wire.row, message_id="report").text
    assert SECRET not in text
    assert "BasicAuthPassword" in text
