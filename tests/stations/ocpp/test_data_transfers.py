"""Messages of vendors in both directions (block P, P086, P089)."""

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from stations.domain import intents
from stations.domain.data_transfers import DataTransferred, TransferStatus
from stations.domain.displays import DisplayText
from stations.domain.station import StationRef, StationSide
from stations.models import (
    ChargingStation,
    Command,
    DataTransfer,
    DataTransferRule,
    DisplayMessage,
    Presence,
    RawFrame,
)
from stations.services import data_transfer_rules, data_transfers, sweeping
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import CallError

SECRET = "0171-5550123"
RULE = {"use": "answer", "vendor_id": "Acme", "message_id": "Hello", "answer_data": "hi"}


def kept(charger: Charger) -> list[DataTransfer]:
    return list(DataTransfer.objects.filter(station=charger.station).order_by("id"))


def make_rule(by: Actor, **changes: Any) -> DataTransferRule:
    return data_transfer_rules.create({**RULE, **changes}, by=by)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_vendor_that_nobody_knows_is_answered_so_and_its_message_kept(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        body = {"vendorId": "nobody", "messageId": "m", "data": "words"}
        assert socket.call("DataTransfer", body) == {"status": "UnknownVendorId"}

    (row,) = kept(charger)
    assert (row.direction, row.vendor_id, row.message_id, row.data, row.status) == (
        "in",
        "nobody",
        "m",
        "words",
        "unknown_vendor_id",
    )


def test_p089_a_message_before_the_boot_is_answered_by_its_rule(charger: Charger, alice: Actor) -> None:
    make_rule(alice)
    with charger.dial("1.6") as socket:
        answer = socket.call("DataTransfer", {"vendorId": "ACME", "messageId": "Hello"})

    assert answer == {"status": "Accepted", "data": "hi"}


@pytest.mark.parametrize("version", VERSIONS)
def test_rules_answer_by_message_or_for_any_and_others_are_unknown(
    charger: Charger, alice: Actor, version: str
) -> None:
    make_rule(alice)
    with charger.dial(version) as socket:
        socket.boot()
        answers = [socket.call("DataTransfer", {"vendorId": "Acme", "messageId": "Hello"})]
        answers.append(socket.call("DataTransfer", {"vendorId": "Acme", "messageId": "Other"}))
        answers.append(socket.call("DataTransfer", {"vendorId": "Acme"}))
        make_rule(alice, message_id="", accepts=False, answer_data="")
        answers.append(socket.call("DataTransfer", {"vendorId": "Acme", "messageId": "Other"}))

    assert answers == [
        {"status": "Accepted", "data": "hi"},
        {"status": "UnknownMessageId"},
        {"status": "UnknownMessageId"},
        {"status": "Rejected"},
    ]
    assert len(kept(charger)) == 4


@pytest.mark.parametrize(
    ("message", "status"), [("Get15118EVCertificate", "Rejected"), ("Whatever", "UnknownMessageId")]
)
def test_plug_and_charge_over_16_is_refused_in_its_own_words(
    charger: Charger, message: str, status: str
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        body = {"vendorId": "org.openchargealliance.iso15118pnc", "messageId": message, "data": "{}"}
        assert socket.call("DataTransfer", body) == {"status": status}


def test_a_handler_that_fails_is_an_answer_and_no_error(charger: Charger) -> None:
    def broken(station: StationSide, event: DataTransferred) -> Any:
        raise KeyError(event.data)

    station = ChargingStation.objects.get(pk=charger.station.pk)
    side = StationRef(station_id=station.pk, organization_id=station.organization_id)
    event = DataTransferred(vendor_id="Broken", message_id="m")
    answer = data_transfers.receive(side, event, clock.now(), handlers={("broken", "m"): broken})

    assert answer.status is TransferStatus.REJECTED
    assert kept(charger)[0].status == "rejected"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_operator_wants_hidden_is_hidden_everywhere(
    charger: Charger, alice: Actor, version: str
) -> None:
    make_rule(alice, message_id="", masked_paths=["customer.phone"])
    body = {"customer": {"phone": SECRET, "name": "N"}}
    sent: Any = json.dumps(body) if version == "1.6" else body
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("DataTransfer", {"vendorId": "acme", "data": sent})
        intent = intents.DataTransfer(vendor_id="Acme", data=sent)
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted", "data": sent})

        def logged() -> bool:
            return RawFrame.objects.filter(station=charger.station, action="DataTransfer").count() == 4

        eventually(logged, what="all four frames logged")

    assert call[3]["data"] == sent
    came, went = kept(charger)
    assert [json.loads(row.data)["customer"] for row in (came, went)] == [{"phone": "****", "name": "N"}] * 2
    assert went.command == command
    told = Command.objects.get(pk=command.pk)
    frames = RawFrame.objects.filter(station=charger.station).values_list("text", flat=True)
    entries = AuditEntry.objects.filter(object_id=str(command.pk)).values_list("changes", flat=True)
    assert SECRET not in json.dumps([told.parameters, told.response, went.answer_data, *frames, *entries])


def test_a_body_that_cannot_be_read_and_may_hold_a_secret_is_hidden_as_a_whole(charger: Charger) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        socket.call("DataTransfer", {"vendorId": "x", "data": "password=hunter2;"})

    assert kept(charger)[0].data == "****"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Accepted", "accepted"),
        ("Rejected", "rejected"),
        ("UnknownMessageId", "rejected"),
        ("UnknownVendorId", "rejected"),
    ],
)
def test_what_we_send_is_kept_with_its_answer(
    charger: Charger, alice: Actor, version: str, word: str, status: str
) -> None:
    intent = intents.DataTransfer(vendor_id="acme", message_id="Light", data="green")
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, {"status": word, "data": "done"})

    (row,) = kept(charger)
    assert call[2:] == ["DataTransfer", {"vendorId": "acme", "messageId": "Light", "data": "green"}]
    assert command.status == status
    assert (row.direction, row.data, row.answer_data) == ("out", "green", "done")
    assert row.status == data_transfers.STATUS_OF_WORD[word].value


@pytest.mark.parametrize("version", VERSIONS)
def test_what_we_send_in_the_words_of_the_wire_is_kept_as_well(
    charger: Charger, alice: Actor, version: str
) -> None:
    said = {"vendorId": "acme", "messageId": "Light", "data": "green"}
    with charger.dial(version) as socket:
        socket.boot()
        call = intents.Call(action="DataTransfer", payload=said)
        ask(charger, socket, alice, call, {"status": "Accepted", "data": "done"})

    (row,) = kept(charger)
    assert (row.direction, row.vendor_id, row.message_id) == ("out", "acme", "Light")
    assert (row.data, row.answer_data, row.status) == ("green", "done", "accepted")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p086_bodies_keep_their_keys_and_the_digits_of_their_numbers(charger: Charger, version: str) -> None:
    data = '{"snake_key":1.50,"camelKey":[0.10]}'
    frame = f'[2,"p","DataTransfer",{{"vendorId":"acme","data":{data}}}]'
    with charger.dial(version) as socket:
        socket.boot()
        socket.send(frame)
        assert socket.receive()[2] == {"status": "UnknownVendorId"}

    assert kept(charger)[0].data == data


def test_a_call_that_the_station_does_not_answer_is_kept_without_an_answer(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        command = issue(charger, alice, intents.DataTransfer(vendor_id="acme"))
        call = socket.next_call()
        socket.send([4, call[1], "NotImplemented", "", {}])
        ended(command)
    eventually(lambda: not Presence.objects.get(station=charger.station).connected, what="the socket's end")
    offline = issue(charger, alice, intents.DataTransfer(vendor_id="acme"))

    assert (command.status, offline.status) == ("failed", "failed")
    assert [row.status for row in kept(charger)] == [""]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_without_a_vendor_is_refused_and_not_kept(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call("DataTransfer", {"data": "x"})

    codes = {"1.6": "OccurenceConstraintViolation", "2.0.1": "OccurrenceConstraintViolation"}
    assert refused.value.code == codes.get(version, codes["2.0.1"])
    assert kept(charger) == []


def test_a_text_reaches_the_display_of_a_16_station_by_the_rule_of_its_vendor(
    charger: Charger, alice: Actor
) -> None:
    intent = intents.SetDisplayMessage(texts=(DisplayText(text='Say "hi"', language="en"),))
    with charger.dial("1.6") as socket:
        socket.boot()
        vendor = ChargingStation.objects.get(pk=charger.station.pk).vendor
        none = ended(issue(charger, alice, intent))
        make_rule(
            alice,
            use="display_text",
            message_id="Show",
            station_vendor=vendor.upper(),
            template='{"line":"{text}","lang":"{language}"}',
        )
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted"})

    first, second = DisplayMessage.objects.filter(station=charger.station).order_by("id")
    assert (none.status, first.status) == ("not_supported", "failed")
    assert call[2] == "DataTransfer"
    assert call[3] == {"vendorId": "Acme", "messageId": "Show", "data": '{"line":"Say \\"hi\\"","lang":"en"}'}
    command.refresh_from_db()
    assert (command.status, command.effect_until, second.status) == ("accepted", None, "installed")


def test_rules_say_what_is_wrong_with_them(charger: Charger, alice: Actor) -> None:
    make_rule(alice)
    with pytest.raises(Conflict):
        make_rule(alice, vendor_id="ACME")
    for changes, field in (
        ({"use": "display_text", "template": "none", "station_vendor": "x"}, "template"),
        ({"use": "display_text", "template": "{text}"}, "station_vendor"),
        ({"use": "sing", "message_id": "x"}, "use"),
        ({"vendor_id": "", "message_id": "x"}, "vendor_id"),
        ({"masked_paths": [""], "message_id": "x"}, "masked_paths"),
        ({"organization": None}, "organization"),
    ):
        with pytest.raises(Invalid) as refused:
            make_rule(alice, **changes)
        assert refused.value.field == field
    assert DataTransferRule.objects.filter(organization_id=alice.organization_id).count() == 1


def test_strangers_and_technicians_write_no_rules_and_send_nothing(charger: Charger, alice: Actor) -> None:
    rule = make_rule(alice)
    home = Organization.objects.get(pk=alice.organization_id)
    charlie = make_actor(make_organization(), name="charlie")
    bob = make_actor(home, Role.TECHNICIAN, "bob")
    with pytest.raises(NotFound):
        data_transfer_rules.update(rule, {"accepts": False}, by=charlie)
    with pytest.raises(NotFound):
        data_transfer_rules.delete(rule, by=charlie)
    with pytest.raises(NotFound):
        issue(charger, charlie, intents.DataTransfer(vendor_id="x"))
    elsewhere = replace(alice, limited_to=frozenset({uuid4()}))
    with pytest.raises(NotFound):
        issue(charger, elsewhere, intents.DataTransfer(vendor_id="x"))
    with pytest.raises(NotFound):
        data_transfer_rules.delete(rule, by=elsewhere)
    with pytest.raises(NotPermitted, match="all sites"):
        make_rule(elsewhere, message_id="x")
    for refused in (
        lambda: make_rule(bob, message_id="x"),
        lambda: data_transfer_rules.update(rule, {"accepts": False}, by=bob),
        lambda: data_transfer_rules.delete(rule, by=bob),
        lambda: issue(charger, bob, intents.DataTransfer(vendor_id="x")),
    ):
        with pytest.raises(NotPermitted):
            refused()
    rule.refresh_from_db()
    assert rule.accepts
    assert kept(charger) == []


def test_rules_of_another_organization_answer_nothing_here(charger: Charger) -> None:
    make_rule(make_actor(make_organization(), name="charlie"))
    with charger.dial("1.6") as socket:
        socket.boot()
        answer = socket.call("DataTransfer", {"vendorId": "Acme", "messageId": "Hello"})

    assert answer == {"status": "UnknownVendorId"}


def test_old_messages_are_dropped(charger: Charger) -> None:
    old = clock.now() - data_transfers.KEPT_FOR - data_transfers.KEPT_FOR
    for at in (old, clock.now()):
        DataTransfer.objects.create(
            station_id=charger.station.pk, direction="in", vendor_id="x", occurred_at=at
        )
    assert sweeping.tidy()["data_transfers"] == 1
    assert len(kept(charger)) == 1
