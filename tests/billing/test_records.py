"""Every ended session becomes exactly one record or one open exception (billing B-01 to B-13)."""

import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from billing.models import BillingException, Cause, Cdr, Decision, Outcome, Settlement
from billing.services import corrections, exceptions, sealing, settling
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Event, Organization
from core.services import outbox
from stations.models import ChargingStation, Presence, SessionCost, Transaction
from stations.services import cost_decisions, stations
from tests import factories
from tests.billing.conftest import Charge, settle
from tests.factories import sessions
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

pytestmark = pytest.mark.usefixtures("committed")


def record_of(session: Transaction) -> Cdr:
    return Cdr.objects.get(transaction=session, credit=False)


def doubt_of(session: Transaction) -> BillingException:
    return BillingException.objects.get(transaction=session)


def doubtful(charge: Charge) -> Transaction:
    """A session with more energy than its station can give in its time."""
    session = charge(12_000)
    ChargingStation.objects.filter(pk=session.station_id).update(max_power_w=11_000)
    return session


def outcome_of(session: Transaction) -> str:
    return Settlement.objects.get(pk=session.pk).outcome


def test_b02_an_ended_session_is_sealed_with_its_price(charge: Charge) -> None:
    session = charge()
    settle()
    record = record_of(session)

    # 12.345 kWh x 0.50 = 6.1725, with 19 % 7.345275
    assert (record.energy_kwh, record.payable_excl_vat, record.payable_vat, record.payable_incl_vat) == (
        Decimal("12.345"), Decimal("6.18"), Decimal("1.17"), Decimal("7.35"),
    )  # fmt: skip
    assert (record.total_excl_vat, record.total_incl_vat) == (Decimal("6.1725"), Decimal("7.3453"))
    assert record.digest == sealing.digest_of(Cdr.objects.get(pk=record.pk).content)
    assert record.account is not None
    assert record.account.driver == session.driver
    assert outcome_of(session) == Outcome.SEALED


def test_b03_it_waits_until_late_readings_had_time_to_arrive(charge: Charge) -> None:
    session = charge()
    settle(minutes=4)
    assert not Cdr.objects.filter(transaction=session).exists()
    assert outcome_of(session) == Outcome.WAITING

    settle(minutes=6)
    assert Cdr.objects.filter(transaction=session).count() == 1


def test_b03_it_waits_longer_while_the_station_is_away(charge: Charge, station: ChargingStation) -> None:
    session = charge()
    Presence.objects.update_or_create(
        station=station, defaults={"connected": False, "disconnected_at": clock.now()}
    )
    settle(minutes=6)
    assert outcome_of(session) == Outcome.WAITING

    Presence.objects.filter(station=station).update(connected=True)
    settle(minutes=20)
    assert outcome_of(session) == Outcome.SEALED


def test_b02_the_sweeper_finds_what_no_event_told(charge: Charge) -> None:
    session = charge()
    settling.listen()
    Settlement.objects.filter(pk=session.pk).delete()
    settle()
    assert not Cdr.objects.filter(transaction=session).exists()

    settling.sweep()
    settle()
    assert Cdr.objects.filter(transaction=session).count() == 1


def test_b01_running_again_and_again_changes_nothing(charge: Charge) -> None:
    session = charge()
    for _time in range(3):
        settling.sweep()
        settle()

    assert Cdr.objects.filter(transaction=session).count() == 1
    assert not BillingException.objects.filter(transaction=session).exists()


def test_b29_a_failure_between_record_and_outcome_leaves_neither_and_is_made_good(
    charge: Charge, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = charge()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(sealing, "_decide", killed)
        with pytest.raises(KeyboardInterrupt):
            settle()
    assert not Cdr.objects.filter(transaction=session).exists()
    assert outcome_of(session) == Outcome.WAITING

    settle()
    assert Cdr.objects.filter(transaction=session).count() == 1


def test_b29_four_workers_at_once_seal_each_session_once(charge: Charge) -> None:
    made = [charge() for _ in range(8)]
    settling.listen()

    def work() -> None:
        try:
            settle()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    for session in made:
        assert Cdr.objects.filter(transaction=session).count() == 1
        assert not BillingException.objects.filter(transaction=session).exists()


@pytest.mark.parametrize("statement", [
    "UPDATE billing_cdr SET payable_incl_vat = 0, payable_excl_vat = 0, payable_vat = 0 WHERE id = %s",
    "UPDATE billing_cdr SET content = '{}' WHERE id = %s",
    "DELETE FROM billing_cdr WHERE id = %s",
])  # fmt: skip
def test_b09_the_database_refuses_to_change_or_delete_a_record(charge: Charge, statement: str) -> None:
    session = charge()
    settle()
    record = record_of(session)
    with pytest.raises(DatabaseError, match="neither changed nor deleted"), atomic():
        connection.cursor().execute(statement, [record.pk])

    assert record_of(session).payable_incl_vat == Decimal("7.35")


def test_b01_the_database_refuses_a_second_record_and_an_exception_beside_one(charge: Charge) -> None:
    session = charge()
    settle()
    cost = SessionCost.objects.get(pk=session.pk)
    with pytest.raises(DatabaseError, match="cdr_once_per_transaction"), atomic():
        sealing.make(session, cost, now=clock.now())
    with pytest.raises(DatabaseError, match="the session is sealed"), atomic():
        sealing.open_exception(session, sealing.Doubt(Cause.OVERLAP), now=clock.now())


def test_b10_a_credit_mirrors_its_record_and_comes_once(charge: Charge, alice: Actor) -> None:
    session = charge()
    settle()
    record = record_of(session)
    taken_back = corrections.credit(record, by=alice, reason="wrong tariff")

    assert (taken_back.payable_excl_vat, taken_back.payable_vat, taken_back.payable_incl_vat) == (
        Decimal("-6.18"), Decimal("-1.17"), Decimal("-7.35"),
    )  # fmt: skip
    assert (taken_back.energy_kwh, taken_back.meter_end_wh) == (record.energy_kwh, record.meter_end_wh)
    assert len(taken_back.reference) <= 39
    with pytest.raises(Conflict, match="credited already"):
        corrections.credit(record, by=alice, reason="again")
    with pytest.raises(Conflict, match="cannot be credited"):
        corrections.credit(taken_back, by=alice, reason="and back")
    with pytest.raises(Invalid):
        corrections.credit(record, by=alice, reason=" ")


def test_b10_a_new_record_replaces_only_a_credited_one(charge: Charge, alice: Actor) -> None:
    session = charge()
    settle()
    record = record_of(session)
    cost = SessionCost.objects.get(pk=session.pk)
    with pytest.raises(DatabaseError, match="only a credited record"), atomic():
        sealing.make(session, cost, now=clock.now(), replaces=record)

    corrections.credit(record, by=alice, reason="wrong tariff")
    follows = sealing.make(session, cost, now=clock.now(), replaces=record)
    assert follows.reference != record.reference
    with pytest.raises(DatabaseError, match="replaces"), atomic():
        sealing.make(session, cost, now=clock.now(), replaces=record)


def test_b10_a_stranger_and_who_lacks_the_permission_credit_nothing(
    charge: Charge, organization: Organization
) -> None:
    session = charge()
    settle()
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    with pytest.raises(NotFound):
        corrections.credit(record_of(session), by=charlie, reason="mine")
    with pytest.raises(NotPermitted):
        corrections.credit(record_of(session), by=bob, reason="please")

    assert not Cdr.objects.filter(transaction=session, credit=True).exists()


def decided(session: Transaction, **values: Any) -> None:
    """As a person left it, so that it is not priced anew."""
    who = {"decision": "tariff", "decided_by": "user:anna", "decided_at": clock.now(), "reason": "by hand"}
    SessionCost.objects.filter(transaction=session).update(**who, **values)


def tampered(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    line, *_ = answer["lines"]
    (begin, end), hour = line["periods"][0], timedelta(hours=1)
    later = (datetime.fromisoformat(end) + hour).isoformat()
    return {
        "total_time": lambda: answer | {"total_time": "7"},
        "parking": lambda: answer | {"total_parking_time": "1.5"},
        "after the end": lambda: answer | {"lines": [line | {"periods": [[begin, later]]}]},
        "out of order": lambda: answer | {"lines": [line | {"periods": [[begin, end], [begin, end]]}]},
        "a part": lambda: answer | {"total_energy_cost": {"excl_vat": "1.0000", "incl_vat": "1.1900"}},
        "less with VAT": lambda: answer | {"total_cost": answer["total_cost"] | {"incl_vat": "1.0000"}},
    }[name]()


@pytest.mark.parametrize(
    "name", ["total_time", "parking", "after the end", "out of order", "a part", "less with VAT"]
)
def test_b05_a_price_that_does_not_agree_with_itself_or_its_session_is_not_sealed(
    charge: Charge, name: str
) -> None:
    session = charge()
    cost = SessionCost.objects.get(transaction=session)
    decided(session, answer=tampered(name, cost.answer))
    settle()

    assert doubt_of(session).cause == Cause.TOTALS_DIFFER
    assert not Cdr.objects.filter(transaction=session).exists()


def test_b05_a_price_in_another_currency_than_its_tariff_is_not_sealed(charge: Charge) -> None:
    session = charge()
    decided(session, currency="SEK")
    settle()

    assert doubt_of(session).cause == Cause.TOTALS_DIFFER


def test_b05_a_price_without_a_rate_of_vat_waits_for_a_person_who_says_it(
    charge: Charge, alice: Actor
) -> None:
    priced(alice, element(component("ENERGY", "0.50")), tax_included="NO")
    session = charge(10_000)
    settle()
    cost = SessionCost.objects.get(pk=session.pk)
    doubt = doubt_of(session)

    assert (cost.state, cost.cause, cost.incl_vat) == ("review", "tax_unknown", None)
    assert (doubt.cause, doubt.detail) == (
        Cause.UNPRICED,
        "A price of the tariff states no VAT, so nobody knows the whole cost.",
    )
    assert not Cdr.objects.filter(transaction=session).exists()

    cost_decisions.set_amount(session, Decimal("5.95"), vat=Decimal(19), by=alice, reason="VAT of 2026")
    exceptions.resolve(doubt_of(session), Decision.RETRIED, by=alice, reason="VAT of 2026")
    settle()
    record = record_of(session)
    assert (record.payable_excl_vat, record.payable_vat) == (Decimal("5.00"), Decimal("0.95"))


def test_b06_too_much_energy_waits_for_a_person(charge: Charge, station: ChargingStation) -> None:
    station.max_power_w = 11_000
    station.save()
    session = charge(12_000)  # in an hour; 11 kW and 5 % give 11.55 kWh
    settle()

    assert doubt_of(session).cause == Cause.TOO_MUCH_ENERGY
    assert not Cdr.objects.filter(transaction=session).exists()
    assert outcome_of(session) == Outcome.EXCEPTION


def test_b06_longer_than_72_hours_waits_for_a_person(charge: Charge) -> None:
    session = charge()
    Transaction.objects.filter(pk=session.pk).update(started_at=clock.now() - timedelta(hours=72, minutes=1))
    settle()
    assert doubt_of(session).cause == Cause.TOO_LONG


def test_b06_an_unknown_card_waits_for_a_person(station: ChargingStation) -> None:
    session = sessions.end(sessions.begin(station, token="NOBODYS1"), 5000)
    settle()
    assert doubt_of(session).cause == Cause.UNKNOWN_TOKEN


def test_b06_two_sessions_at_once_at_one_outlet_wait_for_a_person(charge: Charge) -> None:
    first, second = charge(minutes=60, evse_id=1), charge(minutes=30, evse_id=1)
    settle()
    assert {doubt_of(first).cause, doubt_of(second).cause} == {Cause.OVERLAP}


def test_b07_a_session_without_energy_and_costs_is_sealed_with_zero(charge: Charge) -> None:
    session = charge(0)
    settle()
    assert record_of(session).payable_incl_vat == 0


def test_b13_where_nothing_is_priced_the_reason_is_stated(organization: Organization) -> None:
    owner = factories.make_actor(factories.make_organization())
    bare, _ = factories.make_station(owner)
    stations.add_evse(bare, 1)
    session = sessions.end(sessions.begin(bare), 4000)
    settle()
    settlement = Settlement.objects.get(pk=session.pk)

    assert (settlement.outcome, settlement.reason) == (Outcome.NOT_BILLABLE, "not_priced")
    assert not Cdr.objects.filter(transaction=session).exists()
    assert not BillingException.objects.filter(transaction=session).exists()


@pytest.mark.parametrize(("decision", "outcome", "records"), [
    (Decision.ACCEPTED, Outcome.SEALED, 1),
    (Decision.WAIVED, Outcome.WAIVED, 0),
    (Decision.TEST, Outcome.NOT_BILLABLE, 0),
])  # fmt: skip
def test_b06_a_person_decides_once_and_says_why(
    charge: Charge, alice: Actor, decision: Decision, outcome: Outcome, records: int
) -> None:
    session = doubtful(charge)
    settle()
    with pytest.raises(Invalid):
        exceptions.resolve(doubt_of(session), decision, by=alice, reason="")
    decided = exceptions.resolve(doubt_of(session), decision, by=alice, reason="seen the car")

    assert (outcome_of(session), Cdr.objects.filter(transaction=session).count()) == (outcome, records)
    assert (decided.decided_by, decided.reason) == (alice.label, "seen the car")
    with pytest.raises(Conflict, match="decided already"):
        exceptions.resolve(doubt_of(session), Decision.WAIVED, by=alice, reason="again")
    settle()
    assert Cdr.objects.filter(transaction=session).count() == records


def test_b06_looked_at_again_without_a_repair_it_waits_again(charge: Charge, alice: Actor) -> None:
    session = doubtful(charge)
    settle()
    exceptions.resolve(doubt_of(session), Decision.RETRIED, by=alice, reason="look")
    assert BillingException.objects.open().filter(transaction=session).count() == 1


def test_b06_a_stranger_decides_nothing(charge: Charge) -> None:
    session = doubtful(charge)
    settle()
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    with pytest.raises(NotFound):
        exceptions.resolve(doubt_of(session), Decision.WAIVED, by=charlie, reason="mine")
    assert not exceptions.visible_to(charlie).filter(transaction=session).exists()
    assert BillingException.objects.open().filter(transaction=session).count() == 1


def test_b08_a_late_reading_opens_an_exception_with_the_difference_and_leaves_the_record(
    charge: Charge, alice: Actor
) -> None:
    session = charge()
    settle()
    before = record_of(session)
    Transaction.objects.filter(pk=session.pk).update(meter_last_wh=13_345, energy_wh=13_345)
    settle()
    doubt = doubt_of(session)

    # 13.345 kWh x 0.50 x 1.19 = 7.940275
    assert (doubt.cause, doubt.difference, doubt.currency) == (Cause.LATE_DATA, Decimal("0.59"), "EUR")
    assert (record_of(session).digest, record_of(session).payable_incl_vat) == (
        before.digest,
        Decimal("7.35"),
    )
    exceptions.resolve(doubt, Decision.WAIVED, by=alice, reason="ours to bear")
    assert outcome_of(session) == Outcome.SEALED


def test_b02_a_session_that_stumbles_is_tried_later_and_later_and_at_last_left_to_a_person(
    charge: Charge, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = charge()
    settling.listen()
    monkeypatch.setattr(sealing, "seal", Mock(side_effect=ArithmeticError("no such number")))
    moment, waits = clock.now() + timedelta(minutes=6), []
    while Settlement.objects.get(pk=session.pk).outcome == Outcome.WAITING:
        settling.settle_due(moment)
        due = Settlement.objects.get(pk=session.pk).due_at
        settling.settle_due(moment)
        assert Settlement.objects.get(pk=session.pk).due_at == due, "it is not tried before its time"
        waits.append((due - moment).total_seconds() / 60)
        moment = due

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360]
    assert BillingException.objects.get(transaction=session).cause == Cause.STUMBLED
    outbox.relay()
    assert Event.objects.filter(type="billing.alert", object_id=session.pk).count() == 1
    assert not Cdr.objects.filter(transaction=session).exists()
