"""Reservations that no session used are billed, each once (billing section 1 and B-01, tariffs T-25)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.test import Client

from billing.models import (
    BillingException,
    Cdr,
    Invoice,
    InvoiceLine,
    Outcome,
    ReservationSettlement,
    SitePolicy,
)
from billing.services import accounts, drafting, erasing, issuing, parties, reconciling, reserved
from core import clock, statements
from core.access import Actor, Role
from core.models import Event, Organization
from core.services import outbox
from drivers.models import Driver
from stations.domain.reservations import ReservationStatus
from stations.models import ChargingStation, FrozenTariff, Reservation, ReservationCost, ReservedTariff
from stations.services import reservation_costs, session_costs
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer
from tests.portal.api.conftest import client_with
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

__all__ = ["alice", "browser", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")

RESERVED = element(component("TIME", "2.40", "19"), reservation="RESERVATION")
ENERGY = element(component("ENERGY", "0.50", "19"))
WHY = "The customer's own words."
Reserve = Callable[..., ReservationCost]


def test_b05_a_session_that_uses_a_reservation_is_sealed_with_its_price(alice: Actor, charge: Charge) -> None:
    """50 minutes are 2.00 at 2.40/h; with the energy and 19 % as one price (T-25)."""
    priced(alice, ENERGY, RESERVED)
    session = charge(10_000)
    begin = session.started_at
    FrozenTariff.objects.filter(pk=session.pk).update(
        reserved_from=begin - timedelta(minutes=50), reserved_until=begin
    )
    session_costs.price(session.pk, now=clock.now())
    settle()
    record = Cdr.objects.get(transaction=session)

    assert not BillingException.objects.filter(transaction=session).exists()
    assert (record.payable_excl_vat, record.payable_incl_vat) == (Decimal("7.00"), Decimal("8.33"))


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/"


@pytest.fixture
def erika(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Erika Mustermann")


@pytest.fixture
def reserve(alice: Actor, station: ChargingStation) -> Reserve:
    """An hour that was kept free for a driver's card and expired: 2.40, with 19 % 2.86."""
    priced(alice, ENERGY, RESERVED)

    def made(driver: Driver | None = None, number: int = 7) -> ReservationCost:
        token = factories.make_token(alice, driver=driver)
        end = clock.now().replace(microsecond=0)
        kept = Reservation.objects.create(
            station=station, number=number, token=token, token_value=token.value, token_type=token.type,
            status="active", expires_at=end, created_at=end - timedelta(hours=1), created_by="Alice",
        )  # fmt: skip
        reservation_costs.freeze(kept, at=clock.now())
        ReservedTariff.objects.filter(pk=kept.pk).update(accepted_at=end - timedelta(hours=1))
        expired = {"status": ReservationStatus.EXPIRED.value, "ended_at": end}
        Reservation.objects.filter(pk=kept.pk).update(**expired)
        reservation_costs.sweep(end + timedelta(days=2))
        return ReservationCost.objects.get(pk=kept.pk)

    return made


def record_of(cost: ReservationCost) -> Cdr:
    return Cdr.objects.get(reservation=cost.pk, credit=False)


def used(cost: ReservationCost) -> None:
    """A session is told of late that began with it."""
    with atomic():
        Reservation.objects.filter(pk=cost.pk).update(status=ReservationStatus.USED.value)
        reservation_costs.doubt(cost.pk)


def outcome_of(cost: ReservationCost) -> str:
    return ReservationSettlement.objects.get(pk=cost.pk).outcome


def issued_with(driver: Driver, by: Actor) -> Invoice:
    [draft] = drafting.draft(driver.billing_account, THIS_MONTH, by=by)
    return issuing.issue(draft, by=by)


def differences(organization: Organization, by: Actor) -> list[str]:
    now = clock.now()
    found = reconciling.reconcile(organization, now - timedelta(days=2), now + timedelta(days=1), by=by)
    return [kind for kind, _key in found.differences]


def test_b01_an_expired_reservation_becomes_one_record_with_its_price_however_often_it_is_looked_at(
    reserve: Reserve, erika: Driver, organization: Organization, alice: Actor
) -> None:
    cost = reserve(erika)
    decided = [reserved.seal_due() for _time in range(3)]
    record = record_of(cost)
    outbox.relay()
    [told] = Event.objects.filter(type="cdr.created", organization_id=organization.pk)

    assert decided == [1, 0, 0]
    assert outcome_of(cost) == Outcome.SEALED
    assert (record.transaction_id, record.energy_kwh, record.currency, record.basis) == (
        None,
        0,
        "EUR",
        "gross",
    )
    assert (record.payable_excl_vat, record.payable_vat, record.payable_incl_vat) == (
        Decimal("2.40"), Decimal("0.46"), Decimal("2.86"),
    )  # fmt: skip
    assert (record.started_at, record.ended_at) == (cost.started_at, cost.ended_at)
    assert record.account is not None
    assert record.account.driver == erika
    assert (record.content["driver"], record.content["status"]) == ("Erika Mustermann", "expired")
    assert (told.data["transaction"], told.data["reservation"]) == (None, str(cost.pk))
    assert differences(organization, alice) == []


def test_b18_it_stands_on_the_month_of_who_reserved_beside_the_sessions(
    reserve: Reserve, erika: Driver, alice: Actor, charge: Charge, browser: Client, home: str
) -> None:
    cost = reserve(erika)
    charge(12_345, driver=erika)
    settle()
    reserved.seal_due()
    invoice = issued_with(erika, alice)
    record = record_of(cost)
    [told] = [line for line in invoice.snapshot["lines"] if line["cdr"] == record.reference]
    page = browser.get(f"{home}invoices/{invoice.pk}/").content.decode()
    shown = browser.get(f"{home}invoices/records/{record.pk}/").content.decode()
    listed = browser.get(f"{home}invoices/records/").content.decode()

    assert invoice.due == Decimal("2.86") + Decimal("7.35")
    assert (told["reservation"], told["energy_kwh"], told["leading"]) == (7, "0", "2.86")
    for answer in (page, shown):
        assert f"stations/{cost.reservation.station_id}/reservations/#r-{cost.pk}" in answer
    assert f"invoices/records/{record.pk}/" in listed
    assert listed.count(">Reservation</span>") == 1


def test_b01_its_payer_reads_of_it_on_the_invoice_and_programs_find_it_by_the_reservation(
    reserve: Reserve, erika: Driver, alice: Actor, organization: Organization
) -> None:
    erika.user = factories.make_member(organization, Role.VIEWER, "erika").user
    erika.save()
    cost = reserve(erika)
    reserved.seal_due()
    invoice = issued_with(erika, alice)
    page = browser_of(erika.user).get(f"/me/invoices/{invoice.pk}/").content.decode()
    api = client_with(factories.make_key(organization))
    [found] = api.get(f"/api/v1/cdrs/?reservation={cost.pk}").json()["results"]
    [line] = api.get(f"/api/v1/invoices/{invoice.pk}/").json()["lines"]

    assert "Reservation" in page
    assert "/me/sessions/None/" not in page
    assert (found["transaction"], found["reservation"], found["payable_incl_vat"]) == (
        None,
        str(cost.pk),
        "2.86",
    )
    assert (line["transaction"], line["reservation"]) == (None, str(cost.pk))


def test_b29_a_kill_between_proof_and_record_leaves_neither_and_is_made_good(
    reserve: Reserve, erika: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = reserve(erika)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(reserved, "_make", killed)
        with pytest.raises(KeyboardInterrupt):
            reserved.seal_due()
    assert not ReservationSettlement.objects.filter(pk=cost.pk).exists()

    reserved.seal_due()
    assert record_of(cost).payable_incl_vat == Decimal("2.86")


def test_b29_two_workers_make_one_record_and_the_database_refuses_another(
    reserve: Reserve, erika: Driver
) -> None:
    cost = reserve(erika)

    def work() -> None:
        reserved.seal_due()
        connection.close()

    workers = [threading.Thread(target=work) for _one in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    record = record_of(cost)
    record.pk, record.reference = None, "another"

    with pytest.raises(IntegrityError, match="cdr_once_per_reservation"), atomic():
        record.save(force_insert=True)


def test_b13_at_a_free_site_and_for_staff_nothing_is_billed_and_the_reason_is_stated(
    reserve: Reserve, erika: Driver, alice: Actor, station: ChargingStation
) -> None:
    mine = reserve(erika)

    parties.save_buyer(accounts.of_driver(erika), {"staff": True}, by=alice)
    reserved.seal_due()
    SitePolicy.objects.create(site=station.site, free=True)
    other = reserve(number=8)
    reserved.seal_due()

    assert [ReservationSettlement.objects.get(pk=one.pk).reason for one in (mine, other)] == [
        "staff",
        "free_site",
    ]
    assert not Cdr.objects.filter(reservation__in=[mine.pk, other.pk]).exists()


def test_b10_without_a_driver_it_waits_for_a_payer_and_gets_one(
    reserve: Reserve, erika: Driver, browser: Client, home: str
) -> None:
    cost = reserve()
    reserved.seal_due()
    record = record_of(cost)
    listed = browser.get(f"{home}invoices/records/?payer=none").content.decode()
    browser.post(
        f"{home}invoices/records/{record.pk}/payer/", {"account": f"driver:{erika.pk}", "reason": WHY}
    )
    given = Cdr.objects.get(reservation=cost.pk, account__driver=erika)

    assert f"invoices/records/{record.pk}/" in listed
    assert (given.replaces_id, given.payable_incl_vat) == (record.pk, Decimal("2.86"))


def test_b11_waiving_one_that_was_invoiced_takes_the_record_back_by_a_credit_note(
    reserve: Reserve, erika: Driver, alice: Actor, browser: Client, home: str, organization: Organization
) -> None:
    cost = reserve(erika)
    reserved.seal_due()
    invoice = issued_with(erika, alice)
    browser.post(f"{home}reservations/{cost.pk}/decide/", {"decision": "waive", "reason": WHY})
    note = invoice.credit_notes.get()
    reserved.seal_due()

    assert (note.document_type, note.due, Invoice.objects.get(pk=invoice.pk).state) == (
        "381", Decimal("2.86"), "credited",
    )  # fmt: skip
    assert Cdr.objects.get(reservation=cost.pk, credit=True).payable_incl_vat == Decimal("-2.86")
    assert (outcome_of(cost), Cdr.objects.filter(reservation=cost.pk).count()) == (Outcome.WAIVED, 2)
    assert differences(organization, alice) == []


def test_b13_one_that_was_waived_before_is_never_billed(
    reserve: Reserve, erika: Driver, browser: Client, home: str
) -> None:
    cost = reserve(erika)
    browser.post(f"{home}reservations/{cost.pk}/decide/", {"decision": "waive", "reason": WHY})

    assert reserved.seal_due() == 0
    assert not Cdr.objects.filter(reservation=cost.pk).exists()
    assert outcome_of(cost) == Outcome.WAIVED


def test_b12_one_that_was_used_after_it_was_billed_does_not_add_up_until_it_is_waived(
    reserve: Reserve, erika: Driver, alice: Actor, browser: Client, home: str, organization: Organization
) -> None:
    cost = reserve(erika)
    reserved.seal_due()
    used(cost)
    found = differences(organization, alice)
    tariff = cost.reservation.reserved_tariff.version.tariff_id
    decide = f"{home}reservations/{cost.pk}/decide/"
    refused = browser.post(decide, {"decision": "again", "tariff": str(tariff), "reason": WHY})
    browser.post(decide, {"decision": "waive", "reason": WHY})

    assert found == ["used_after_all"]
    assert refused.status_code == 409
    assert "billed already" in refused.content.decode()
    assert reserved.standing(cost.pk) is None
    assert differences(organization, alice) == []
    assert not InvoiceLine.objects.filter(cdr__reservation=cost.pk).exists()


def test_t25_one_with_a_price_by_hand_that_turns_out_to_be_used_is_asked_about_again(
    reserve: Reserve, erika: Driver, alice: Actor, organization: Organization, browser: Client, home: str
) -> None:
    cost = reserve(erika)
    by_hand = {"decision": "tariff", "reason": WHY, "decided_by": "Alice", "decided_at": clock.now()}
    ReservationCost.objects.filter(pk=cost.pk).update(**by_hand)
    reserved.seal_due()
    used(cost)
    found = differences(organization, alice)
    cost.refresh_from_db()
    asked = (cost.state, cost.cause, cost.decision)
    browser.post(f"{home}reservations/{cost.pk}/decide/", {"decision": "waive", "reason": WHY})

    assert asked == ("review", "used_after_all", "")
    assert found == ["used_after_all"]
    assert reserved.standing(cost.pk) is None
    assert differences(organization, alice) == []


def test_t25_one_that_was_waived_stays_so_when_it_turns_out_to_be_used(
    reserve: Reserve, erika: Driver, alice: Actor
) -> None:
    cost = reserve(erika)
    reserved.waive(cost, by=alice, reason=WHY)
    used(cost)
    cost.refresh_from_db()

    assert (cost.state, cost.decision) == ("final", "waived")


def test_b01_those_that_stumble_keep_no_others_from_being_billed(
    reserve: Reserve, erika: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = reserve(erika), reserve(erika, 8)
    make = reserved._make

    def stumbling(cost: ReservationCost, *rest: Any) -> None:
        if cost.pk == broken.pk:
            raise ValueError
        make(cost, *rest)

    monkeypatch.setattr(reserved, "_make", stumbling)
    monkeypatch.setattr(reserved, "AT_ONCE", 1)
    reserved.seal_due()

    assert record_of(sound).payable_incl_vat == Decimal("2.86")
    assert not ReservationSettlement.objects.filter(pk=broken.pk).exists()


def test_b13_what_had_its_price_before_reservations_were_billed_stays_unbilled_and_says_so(
    reserve: Reserve, erika: Driver, alice: Actor, browser: Client, home: str, organization: Organization
) -> None:
    before, billed = reserve(erika), reserve(erika, 8)
    ReservationSettlement.objects.create(reservation_id=billed.pk, outcome="sealed", settled_at=clock.now())
    update = import_module("billing.migrations.0036_reservations_from_before")
    for _time in range(2):
        statements.execute(update.FORWARD, [])
    reserved.seal_due()
    page = browser.get(f"{home}sessions/reservations/").content.decode()

    assert (outcome_of(before), outcome_of(billed)) == (Outcome.NOT_BILLABLE, Outcome.SEALED)
    assert not Cdr.objects.filter(reservation=before.pk).exists()
    assert page.count("before reservations were billed") == 1
    assert erasing.obstacles(erika) == []


def test_b05_one_whose_totals_do_not_agree_is_left_to_a_person(reserve: Reserve, erika: Driver) -> None:
    cost = reserve(erika)
    wrong = {**cost.answer, "total_cost": {"excl_vat": "9.0000", "incl_vat": "9.0000"}}
    ReservationCost.objects.filter(pk=cost.pk).update(answer=wrong)
    reserved.seal_due()
    cost.refresh_from_db()

    assert (cost.state, cost.cause) == ("review", "totals_differ")
    assert not Cdr.objects.filter(reservation=cost.pk).exists()


def test_b67_nobody_is_forgotten_before_a_reservation_is_billed(reserve: Reserve, erika: Driver) -> None:
    reserve(erika)
    waiting = erasing.obstacles(erika)
    reserved.seal_due()

    assert waiting == [erasing.UNSETTLED]
    assert erasing.obstacles(erika) == [erasing.UNSETTLED]


def test_only_who_may_correct_sessions_there_takes_it_back(
    reserve: Reserve, erika: Driver, viewer: Client, limited: Client, home: str
) -> None:
    cost = reserve(erika)
    reserved.seal_due()
    wish = {"decision": "waive", "reason": WHY}
    charlie = browser_of(factories.make_member(factories.make_organization(), Role.ADMIN, "charlie").user)
    answers = [
        one.post(f"{home}reservations/{cost.pk}/decide/", wish).status_code
        for one in (viewer, limited, charlie)
    ]

    assert answers == [403, 404, 404]
    assert reserved.standing(cost.pk) is not None
