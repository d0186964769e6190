"""Tariffs that stations keep, and payments by their own terminals (OCPP 2.1 blocks I and C)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.access import Actor, Role
from core.errors import Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.domain import intents
from stations.domain.payments import VatAnswer
from stations.models import Alert, RawFrame, Settlement, StationTariff, Transaction
from stations.ocpp.v21.payments import vat_answer
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import ask, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import CallError
from tests.wire.golden import wire


def tariff(name: str = "DAY", **changes: Any) -> dict[str, Any]:
    return {
        "tariffId": name,
        "currency": "EUR",
        "energy": {"prices": [{"priceKwh": 0.45}], "taxRates": [{"type": "VAT", "tax": 19}]},
        **changes,
    }


def kept(charger: Charger) -> dict[str, StationTariff]:
    return {row.tariff_id: row for row in StationTariff.objects.filter(station=charger.station)}


ACCEPTED = {"status": "Accepted"}


def test_a_default_tariff_is_kept_as_given_and_replaces_the_earlier_one(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        ask(charger, socket, alice, intents.SetDefaultTariff(tariff=tariff("OLD")), ACCEPTED)
        later = intents.SetDefaultTariff(tariff=tariff("LATER", validFrom="2099-01-01T00:00:00Z"))
        ask(charger, socket, alice, later, ACCEPTED)
        call, command = ask(
            charger, socket, alice, intents.SetDefaultTariff(tariff=tariff("NEW"), evse_id=0), ACCEPTED
        )

    rows = kept(charger)
    assert call[2:] == ["SetDefaultTariff", {"evseId": 0, "tariff": tariff("NEW")}]
    assert command.status == "accepted"
    assert {name: row.status for name, row in rows.items()} == {
        "OLD": "replaced",
        "LATER": "installed",
        "NEW": "installed",
    }
    assert (rows["NEW"].tariff, rows["NEW"].kind, rows["NEW"].evse_id) == (tariff("NEW"), "default", 0)


@pytest.mark.parametrize(
    "word", ["Rejected", "TooManyElements", "ConditionNotSupported", "DuplicateTariffId"]
)
def test_a_refused_default_says_why_and_leaves_the_present_one(
    charger: Charger, alice: Actor, word: str
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        ask(charger, socket, alice, intents.SetDefaultTariff(tariff=tariff("DAY")), ACCEPTED)
        for name in ("DAY", "NIGHT"):
            intent = intents.SetDefaultTariff(tariff=tariff(name))
            _, command = ask(charger, socket, alice, intent, {"status": word})

    rows = kept(charger)
    assert command.status == "rejected"
    assert (rows["DAY"].status, rows["NIGHT"].status, rows["NIGHT"].detail) == ("installed", "refused", word)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Accepted", "installed"),
        ("TxNotFound", "refused"),
        ("NoCurrencyChange", "refused"),
        ("TooManyElements", "refused"),
        ("ConditionNotSupported", "refused"),
    ],
)
def test_the_tariff_of_a_running_session_is_changed_under_its_name(
    charger: Charger, alice: Actor, word: str, status: str
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
        session = Transaction.objects.get(station=charger.station)
        intent = intents.ChangeTransactionTariff(transaction=session.pk, tariff=tariff())
        call, _ = ask(charger, socket, alice, intent, {"status": word})

    row = kept(charger)["DAY"]
    assert call[2:] == [
        "ChangeTransactionTariff",
        {"transactionId": session.reference, "tariff": tariff()},
    ]
    assert (row.kind, row.transaction, row.status) == ("transaction", session, status)


@pytest.mark.parametrize(("word", "status"), [("Accepted", "installed"), ("TooManyElements", "refused")])
def test_a_default_tariff_set_in_the_words_of_the_wire_is_kept_as_well(
    charger: Charger, alice: Actor, word: str, status: str
) -> None:
    said = {"evseId": 0, "tariff": tariff("RAW")}
    with charger.dial("2.1") as socket:
        socket.boot()
        ask(charger, socket, alice, intents.SetDefaultTariff(tariff=tariff("OLD")), ACCEPTED)
        call = intents.Call(action="SetDefaultTariff", payload=said)
        ask(charger, socket, alice, call, {"status": word})

    rows = kept(charger)
    assert (rows["RAW"].status, rows["RAW"].kind, rows["RAW"].tariff) == (status, "default", tariff("RAW"))
    assert rows["OLD"].status == ("replaced" if status == "installed" else "installed")


def test_the_tariff_of_a_session_changed_in_the_words_of_the_wire_is_kept_as_well(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
        session = Transaction.objects.get(station=charger.station)
        said = {"transactionId": session.reference, "tariff": tariff()}
        typed = intents.ChangeTransactionTariff(transaction=session.pk, tariff=tariff("BEFORE"))
        ask(charger, socket, alice, typed, ACCEPTED)
        ask(charger, socket, alice, intents.Call(action="ChangeTransactionTariff", payload=said), ACCEPTED)
        strange = {**said, "transactionId": "of-nobody"}
        call = intents.Call(action="ChangeTransactionTariff", payload={**strange, "tariff": tariff("LOST")})
        _, lost = ask(charger, socket, alice, call, ACCEPTED)

    rows = kept(charger)
    assert {name: row.status for name, row in rows.items()} == {"BEFORE": "replaced", "DAY": "installed"}
    assert (rows["DAY"].kind, rows["DAY"].transaction) == ("transaction", session)
    assert lost.status == "accepted"


def test_what_was_never_sent_in_the_words_of_the_wire_installs_nothing(
    charger: Charger, alice: Actor
) -> None:
    call = intents.Call(action="SetDefaultTariff", payload={"evseId": 0, "tariff": tariff("RAW")})
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = ended(issue(charger, alice, call))

    assert command.status in {"failed", "not_supported"}
    assert kept(charger) == {}


def test_what_the_station_tells_of_its_tariffs_is_what_is_shown(charger: Charger, alice: Actor) -> None:
    assignments = [
        {"tariffId": "DAY", "tariffKind": "DefaultTariff", "evseIds": [0]},
        {
            "tariffId": "OWN",
            "tariffKind": "DriverTariff",
            "evseIds": [1],
            "idTokens": ["04A1B2C3D4"],
            "validFrom": "2025-03-01T10:00:00Z",
        },
    ]
    with charger.dial("2.1") as socket:
        socket.boot()
        for name in ("DAY", "GONE"):
            later = tariff(name, validFrom="2099-01-01T00:00:00Z")
            ask(charger, socket, alice, intents.SetDefaultTariff(tariff=later), ACCEPTED)
        answer = {"status": "Accepted", "tariffAssignments": assignments}
        for _ in range(2):
            call, command = ask(charger, socket, alice, intents.GetTariffs(), answer)
        rows = kept(charger)
        _, empty = ask(charger, socket, alice, intents.GetTariffs(), {"status": "NoTariff"})

    assert call[2:] == ["GetTariffs", {"evseId": 0}]
    assert (command.status, empty.status) == ("accepted", "accepted")
    assert {name: row.status for name, row in rows.items()} == {
        "DAY": "installed",
        "OWN": "installed",
        "GONE": "cleared",
    }
    assert (rows["OWN"].kind, rows["OWN"].evse_id, rows["OWN"].token_values) == ("driver", 1, ["04A1B2C3D4"])
    assert rows["DAY"].tariff["currency"] == "EUR"
    assert {row.status for row in kept(charger).values()} == {"cleared"}


def test_each_tariff_is_cleared_for_itself(charger: Charger, alice: Actor) -> None:
    results = [
        {"tariffId": "A", "status": "Accepted"},
        {"tariffId": "B", "status": "Rejected", "statusInfo": {"reasonCode": "InUse"}},
        {"tariffId": "C", "status": "NoTariff"},
    ]
    intent = intents.ClearTariffs(tariff_ids=("A", "B", "C"))
    with charger.dial("2.1") as socket:
        socket.boot()
        for name in ("A", "B"):
            later = tariff(name, validFrom="2099-01-01T00:00:00Z")
            ask(charger, socket, alice, intents.SetDefaultTariff(tariff=later), ACCEPTED)
        call, command = ask(charger, socket, alice, intent, {"clearTariffsResult": results})
        _, nothing = ask(
            charger, socket, alice, intents.ClearTariffs(), {"clearTariffsResult": [{"status": "NoTariff"}]}
        )

    rows = kept(charger)
    assert call[2:] == ["ClearTariffs", {"tariffIds": ["A", "B", "C"]}]
    assert (command.status, command.response) == ("rejected", {"clearTariffsResult": results})
    assert nothing.status == "accepted"
    assert rows["A"].status == "cleared"
    assert "C" not in rows


def test_a_tariff_that_is_none_is_not_sent(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        odd = intents.SetDefaultTariff(tariff={"tariffId": "X", "price": 1})
        command = ended(issue(charger, alice, odd))
        with pytest.raises(Invalid, match="tariffId"):
            issue(charger, alice, intents.SetDefaultTariff(tariff={}))
        socket.call("Heartbeat", {})

    assert (command.status, command.error["code"]) == ("failed", "invalid_request")
    assert not socket.calls
    assert kept(charger)["X"].status == "failed"


def test_the_station_hears_of_a_payment_on_the_web(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        intent = intents.NotifyWebPaymentStarted(evse_id=1, timeout_s=120)
        call, command = ask(charger, socket, alice, intent, {})

    assert call[2:] == ["NotifyWebPaymentStarted", {"evseId": 1, "timeout": 120}]
    assert command.status == "accepted"
    with pytest.raises(Invalid):
        issue(charger, alice, intents.NotifyWebPaymentStarted(evse_id=1, timeout_s=0))


def test_a_settlement_is_kept_once_whatever_is_repeated(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
        session = Transaction.objects.get(station=charger.station)
        told = wire("v21/NotifySettlement.settled", transactionId=session.reference)
        answers = [socket.call("NotifySettlement", told) for _ in range(2)]

    row = Settlement.objects.get(station=charger.station)
    assert answers == [{}, {}]
    assert (row.psp_ref, row.status, row.amount, row.transaction) == (
        "psp-1",
        "settled",
        Decimal("12.34"),
        session,
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("word", ["Failed", "Rejected"])
def test_a_failed_settlement_alerts_until_it_is_settled_in_whatever_order_it_is_told(
    charger: Charger, word: str, order: tuple[int, int]
) -> None:
    told = [
        wire("v21/NotifySettlement.settled", status=word, statusInfo="card expired"),
        wire("v21/NotifySettlement.settled", settlementTime="2025-03-01T11:00:00Z"),
    ]
    alerts = Alert.objects.filter(station=charger.station, kind="payment_not_settled", cleared_at=None)
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("NotifySettlement", told[order[0]])
        between = [alert.detail for alert in alerts.all()]
        socket.call("NotifySettlement", told[order[1]])

    assert ["card expired" in detail for detail in between] == ([True] if order[0] == 0 else [])
    assert not alerts.all().exists()
    assert Settlement.objects.get(station=charger.station).status == "settled"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "Lost"}, "PropertyConstraintViolation"),
        ({"settlementAmount": "much"}, "TypeConstraintViolation"),
        ({"settlementAmount": 1e300}, "PropertyConstraintViolation"),
        ({"pspRef": ""}, "PropertyConstraintViolation"),
    ],
)
def test_a_wrong_settlement_is_refused_and_leaves_nothing(
    charger: Charger, changes: dict[str, Any], code: str
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call("NotifySettlement", wire("v21/NotifySettlement.settled", **changes))

    assert refused.value.code == code
    assert not Settlement.objects.filter(station=charger.station).exists()


def test_a_vat_number_that_nobody_checked_is_not_confirmed(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        answer = socket.call("VatNumberValidation", wire("v21/VatNumberValidation.german"))
        with pytest.raises(CallError):
            socket.call("VatNumberValidation", {"vatNumber": "D" * 21})

    assert answer == {
        "vatNumber": "DE123456788",
        "evseId": 1,
        "status": "Rejected",
        "statusInfo": {"reasonCode": "NotChecked", "additionalInfo": "VAT numbers are not checked here."},
    }
    confirmed = vat_answer({"vatNumber": "DE123456788"}, lambda number: VatAnswer(valid=True))
    assert confirmed == {"vatNumber": "DE123456788", "status": "Accepted"}


ALL: tuple[intents.Intent, ...] = (
    intents.SetDefaultTariff(tariff=tariff()),
    intents.ChangeTransactionTariff(transaction=UUID(int=1), tariff=tariff()),
    intents.GetTariffs(),
    intents.ClearTariffs(),
    intents.NotifyWebPaymentStarted(evse_id=1, timeout_s=60),
)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("intent", [one for one in ALL if not hasattr(one, "transaction")])
def test_earlier_versions_have_no_such_thing(
    charger: Charger, alice: Actor, version: str, intent: intents.Intent
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, intent))

    assert command.status == "not_supported"


@pytest.mark.parametrize("intent", ALL)
def test_strangers_members_of_other_sites_and_viewers_set_nothing(
    charger: Charger, alice: Actor, intent: intents.Intent
) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    vera = make_actor(Organization.objects.get(pk=alice.organization_id), Role.VIEWER, "vera")
    for actor in (charlie, replace(alice, limited_to=frozenset({uuid4()}))):
        with pytest.raises(NotFound):
            issue(charger, actor, intent)
    with pytest.raises(NotPermitted):
        issue(charger, vera, intent)
    assert kept(charger) == {}


def test_p257_a_station_that_cannot_use_what_an_answer_held_is_noted_with_the_exchange(
    charger: Charger,
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.send([2, "with-tariff", "Authorize", {"idToken": {"idToken": "04A1", "type": "ISO14443"}}])
        answer = socket.answer_to("with-tariff")
        socket.send([5, "with-tariff", "PropertyConstraintViolation", "tariff cannot be used", {}])
        assert "currentTime" in socket.call("Heartbeat", {})

        def noted() -> RawFrame | None:
            return RawFrame.objects.filter(station=charger.station, direction="in", type=5).first()

        eventually(noted, what="the objection in the log")

    row = noted()
    assert answer[0] == 3
    assert row is not None
    assert (row.action, row.message_id) == ("Authorize", "with-tariff")
    assert "tariff cannot be used" in row.text
