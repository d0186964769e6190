"""Employees are paid for charging at home by an agreement, and are never billed for it (billing B-52)."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.transaction import atomic

from billing.models import (
    AccountKind,
    BillingAccount,
    BillingException,
    Cdr,
    HomeAgreement,
    Invoice,
    Outcome,
    Settlement,
    WalletReservation,
)
from billing.services import (
    accounts,
    corrections,
    crediting,
    drafting,
    driver_export,
    erasing,
    exceptions,
    home_agreements,
    issuing,
    late_data,
    merging,
    parties,
    payers,
    reconciling,
    sealing,
    self_billing,
)
from billing.services.home_agreements import Terms
from billing.services.payments import wallets
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from drivers.models import Driver
from drivers.services import budgets
from stations.models import ChargingStation, Transaction
from stations.services import spending, stations
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.factories import sessions

pytestmark = pytest.mark.usefixtures("committed")
Agree = Callable[..., HomeAgreement]
PRIVATE = Supply(tax="none")
TODAY = clock.now().date()
NEXT_MONTH = drafting.end_of(THIS_MONTH, "Europe/Berlin").strftime("%Y-%m")
BEFORE, AFTER = TODAY - timedelta(days=40), TODAY + timedelta(days=40)


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Frida Abend")


@pytest.fixture
def employer(organization: Organization, alice: Actor) -> BillingAccount:
    made = accounts.open_company(organization, "Nordlicht GmbH", by=alice)
    address = {"street": "Am Kai 4", "postal_code": "20457", "city": "Hamburg", "country": "DE"}
    parties.save_buyer(made, address, by=alice)
    return made


@pytest.fixture
def agree(driver: Driver, station: ChargingStation, alice: Actor) -> Agree:
    """0.30 EUR for each kWh, since forty days ago."""

    def made(who: Driver = driver, **terms: Any) -> HomeAgreement:
        told = {
            "rate_per_kwh": Decimal("0.30"),
            "currency": "EUR",
            "valid_from": BEFORE,
            "meter_serial": "M-1",
        }
        return home_agreements.agree(who, station, Terms(**{**told, **terms}), supply=PRIVATE, by=alice)

    return made


def record_of(session: Transaction) -> Cdr:
    return Cdr.objects.get(transaction=session, credit=False, credited_by=None)


def test_b52_a_session_at_home_is_a_compensation_at_the_agreed_rate(
    charge: Charge, agree: Agree, driver: Driver, organization: Organization, alice: Actor
) -> None:
    agreement = agree()
    session = charge(12_345, driver=driver)
    settle()
    record = record_of(session)
    found = reconciling.reconcile(
        organization, clock.now() - timedelta(days=1), clock.now() + timedelta(days=1), by=alice
    )

    assert (record.payable_excl_vat, record.currency, record.basis) == (Decimal("3.70"), "EUR", "net")
    assert (record.home_charging_compensation, record.home_agreement) == (True, agreement)
    assert record.content["home_charging_compensation"] is True
    assert record.account is None
    assert record.digest == sealing.digest_of(record.content)
    assert {name: count for name, count in found.counts.items() if count} == {"compensated": 1}
    assert found.differences == []


def test_b52_it_is_never_on_the_drivers_own_bill(
    charge: Charge, agree: Agree, driver: Driver, alice: Actor
) -> None:
    agree()
    session = charge(12_345, driver=driver)
    settle()
    own = accounts.of_driver(driver)

    assert not drafting.unbilled(own, THIS_MONTH).exists()
    assert not payers.missing(alice).exists()
    with pytest.raises(Conflict, match="paid to its driver"):
        payers.give(record_of(session), own, reason="A try", by=alice)


def test_b52_another_token_at_that_charger_is_billed_as_ever(
    charge: Charge, agree: Agree, driver: Driver, alice: Actor
) -> None:
    agree()
    guest = factories.make_driver(alice, "Guest")
    session = charge(12_345, driver=guest)
    settle()
    record = record_of(session)

    assert (record.home_charging_compensation, record.account) == (False, accounts.of_driver(guest))
    assert record.payable_incl_vat == Decimal("7.35")
    assert "home_charging_compensation" not in record.content


def test_b52_the_drivers_token_elsewhere_is_billed_as_ever(
    agree: Agree, driver: Driver, alice: Actor
) -> None:
    agree()
    other, _ = factories.make_station(alice)
    stations.add_evse(other, 1)
    token = factories.make_token(alice, driver=driver)
    session = sessions.end(sessions.begin(other, token=token.value), 12_345)
    settle()

    assert record_of(session).account == accounts.of_driver(driver)
    assert not record_of(session).home_charging_compensation


@pytest.mark.parametrize(
    ("since", "until", "paid"),
    [
        (BEFORE, None, True),
        (BEFORE, TODAY - timedelta(days=7), False),
        (AFTER, None, False),
    ],
)
def test_b52_an_agreement_pays_on_its_days_only(
    charge: Charge, agree: Agree, driver: Driver, since: Any, until: Any, paid: bool
) -> None:
    agree(valid_from=since, valid_to=until)
    session = charge(12_345, driver=driver)
    settle()

    assert record_of(session).home_charging_compensation is paid


def test_b52_the_employer_pays_what_the_driver_is_paid(
    charge: Charge, agree: Agree, driver: Driver, employer: BillingAccount, alice: Actor
) -> None:
    agree(employer=employer, vat_rate=Decimal(19))
    session = charge(12_345, driver=driver)
    settle()
    record = record_of(session)
    [invoice] = drafting.draft(employer, THIS_MONTH, by=alice)

    assert record.account == employer
    assert (record.payable_excl_vat, record.payable_incl_vat) == (Decimal("3.70"), Decimal("4.40"))
    assert (invoice.net, invoice.vat, invoice.due) == (Decimal("3.70"), Decimal("0.70"), Decimal("4.40"))


@pytest.fixture
def billed(charge: Charge, agree: Agree, driver: Driver, employer: BillingAccount, alice: Actor) -> Invoice:
    """The employer's invoice over two sessions of 3.70 and 3.00, for which the driver has a statement."""
    agree(employer=employer, vat_rate=Decimal(19))
    for wh in (12_345, 10_000):
        charge(wh, driver=driver)
    settle()
    self_billing.make(accounts.of_driver(driver), THIS_MONTH, by=alice)
    return issuing.issue(drafting.draft(employer, THIS_MONTH, by=alice)[0], by=alice)


def test_b52_b10_an_employers_invoice_taken_back_leaves_the_drivers_pay_and_is_billed_anew(
    billed: Invoice, charge: Charge, driver: Driver, employer: BillingAccount, alice: Actor
) -> None:
    crediting.credit(billed, by=alice, reason="Wrong address")
    charge(1_000, driver=driver)
    settle()
    [statement] = self_billing.make(accounts.of_driver(driver), NEXT_MONTH, by=alice)
    [again] = drafting.draft(employer, NEXT_MONTH, by=alice)

    assert sorted(share.net for share in statement.shares.all()) == [
        Decimal(net) for net in ("-3.70", "-3.00", "0.30", "3.00", "3.70")
    ]
    assert statement.due == Decimal("0.30")
    assert (again.net, again.due) == (Decimal("7.00"), Decimal("8.33"))
    assert {one.cdr.home_agreement_id for one in again.lines.all()} == {
        one.cdr.home_agreement_id for one in billed.lines.all()
    }
    assert AuditEntry.objects.filter(action="cdr.made_anew", organization=employer.organization).count() == 2


def test_b52_b17_a_line_of_an_employer_taken_back_leaves_its_record_and_the_drivers_pay(
    billed: Invoice, driver: Driver, alice: Actor
) -> None:
    line = billed.lines.get(leading=Decimal("3.70"))
    note = crediting.credit(billed, by=alice, reason="Half a year for free", parts={line.pk: None})

    assert note.net == Decimal("3.70")
    assert not Cdr.objects.filter(credit=True, organization=billed.organization).exists()
    assert not self_billing.waits(accounts.of_driver(driver))


def test_b52_b11_a_record_of_charging_at_home_that_is_taken_back_itself_takes_the_pay_with_it(
    billed: Invoice, driver: Driver, alice: Actor
) -> None:
    line = billed.lines.get(leading=Decimal("3.70"))
    credit = crediting.credit_record(line.cdr, by=alice, reason="It was a test")
    assert not Cdr.objects.filter(replaces=line.cdr).exists()

    [taken] = self_billing.waiting(accounts.of_driver(driver), NEXT_MONTH)["EUR"]
    assert (taken.cdr, taken.net) == (credit, Decimal("-3.70"))


def test_b52_no_tariff_is_needed_and_none_matters(alice: Actor, driver: Driver) -> None:
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    terms = Terms(rate_per_kwh=Decimal("0.3555"), currency="EUR", valid_from=BEFORE, meter_serial="M-1")
    home_agreements.agree(driver, station, terms, supply=PRIVATE, by=alice)
    token = factories.make_token(alice, driver=driver)
    session = sessions.end(sessions.begin(station, token=token.value), 10_000)
    settle()

    assert Settlement.objects.get(pk=session.pk).outcome == Outcome.SEALED
    assert record_of(session).payable_excl_vat == Decimal("3.56")


def test_b52_staff_are_paid_for_charging_at_home_too(
    charge: Charge, agree: Agree, driver: Driver, alice: Actor
) -> None:
    parties.save_buyer(accounts.of_driver(driver), {"staff": True}, by=alice)
    agree()
    session = charge(12_345, driver=driver)
    settle()

    assert record_of(session).home_charging_compensation


def test_b52_a_wallet_is_not_touched_by_a_session_at_home(
    station: ChargingStation, agree: Agree, driver: Driver, alice: Actor
) -> None:
    agree()
    wallets.open_(accounts.of_driver(driver), by=alice)
    token = factories.make_token(alice, driver=driver)
    session = sessions.begin(station, token=token.value)
    wallets.watch()

    assert not WalletReservation.objects.filter(transaction=session).exists()


@pytest.mark.parametrize("at_home", [True, False])
def test_b52_a_session_at_home_uses_up_no_budget_of_money(
    station: ChargingStation, agree: Agree, driver: Driver, alice: Actor, at_home: bool
) -> None:
    token = factories.make_token(alice, driver=driver)
    budgets.set_(driver, [("money", Decimal("1.00"), "day"), ("money", Decimal("1.00"), "session")], by=alice)
    if at_home:
        agree()
    session = sessions.begin(station, token=token.value, minutes=0)
    sessions.read(session, "4000", minutes_ago=0)
    while_running = spending.reached(session, session.started_at)
    sessions.end(session, 4000)
    ended = spending.used_up(token, session.started_at)
    settle()
    sealed = spending.used_up(token, session.started_at)

    assert record_of(session).home_charging_compensation is at_home
    assert [one is None for one in (while_running, ended, sealed)] == [at_home] * 3


@pytest.mark.parametrize("merged", [False, True])
def test_b52_b50_sessions_at_home_keep_no_other_from_reserving(
    station: ChargingStation, agree: Agree, driver: Driver, alice: Actor, monkeypatch: Any, merged: bool
) -> None:
    wallets.watch()
    agree()
    twin = factories.make_driver(alice, "F. Abend") if merged else driver
    running = []
    for who in (twin, factories.make_driver(alice)):
        wallets.allow(wallets.open_(accounts.of_driver(who), by=alice), Decimal(30), by=alice)
        evse = stations.add_evse(station, 5 + len(running))
        token = factories.make_token(alice, driver=who)
        running.append(sessions.begin(station, token=token.value, evse_id=evse.evse_id))
    if merged:
        Driver.objects.filter(pk=twin.pk).update(merged_into=driver)
    monkeypatch.setattr(wallets, "AT_ONCE", 1)
    wallets.watch()

    reserved = WalletReservation.objects.filter(transaction__in=running)
    assert [one.transaction for one in reserved] == [running[1]]


@pytest.fixture
def reserving(station: ChargingStation, driver: Driver, alice: Actor) -> WalletReservation:
    """Of a session that runs, before anything is agreed."""
    wallets.allow(wallets.open_(accounts.of_driver(driver), by=alice), Decimal(30), by=alice)
    token = factories.make_token(alice, driver=driver)
    sessions.begin(station, token=token.value)
    wallets.watch()
    made = WalletReservation.objects.get(wallet__account__driver=driver)
    assert made.wallet.reserved == made.amount > 0
    return made


def test_b52_b50_a_wallet_is_free_again_once_its_running_session_is_one_at_home(
    reserving: WalletReservation, agree: Agree
) -> None:
    agree()
    wallets.watch()
    reserving.refresh_from_db()

    assert (reserving.amount, reserving.wallet.reserved, reserving.settled_at) == (0, 0, None)
    assert reserving.released_at is not None
    assert reserving.stop_asked_at is None


def test_b52_b50_a_record_that_an_employer_pays_takes_nothing_from_the_drivers_wallet(
    reserving: WalletReservation, agree: Agree, employer: BillingAccount
) -> None:
    session = sessions.end(reserving.transaction, 12_345)
    agree(employer=employer, vat_rate=Decimal(19))
    settle()
    assert record_of(session).payable_incl_vat == Decimal("4.40")
    wallets.watch()
    reserving.refresh_from_db()

    assert (reserving.amount, reserving.wallet.reserved, reserving.settled_at) == (0, 0, None)
    assert reserving.released_at is not None


def test_b52_b50_a_record_that_the_driver_pays_is_reserved_whatever_is_agreed_later(
    reserving: WalletReservation, agree: Agree
) -> None:
    session = sessions.end(reserving.transaction, 12_345)
    settle()
    agree()
    wallets.watch()
    reserving.refresh_from_db()

    assert reserving.amount == reserving.wallet.reserved == record_of(session).payable_incl_vat
    assert (reserving.settled_at is not None, reserving.released_at) == (True, None)


def test_b52_another_meter_than_the_agreed_one_is_left_to_a_person(
    charge: Charge, agree: Agree, driver: Driver, station: ChargingStation, alice: Actor
) -> None:
    agree()
    ChargingStation.objects.filter(pk=station.pk).update(meter_serial_number="M-2")
    session = charge(12_345, driver=driver)
    settle()
    opened = BillingException.objects.get(transaction=session)
    assert (opened.cause, opened.detail) == ("other_meter", "M-2, M-1")
    assert not Cdr.objects.filter(transaction=session).exists()

    exceptions.resolve(opened, exceptions.Decision.ACCEPTED, by=alice, reason="It was replaced.")
    assert record_of(session).home_charging_compensation


def test_b52_a_mid_meter_is_asked_for_unless_the_policy_does_not(
    agree: Agree, organization: Organization, alice: Actor
) -> None:
    with pytest.raises(Invalid, match="MID"):
        agree(meter_serial=" ")
    home_agreements.require_mid(organization, False, by=alice)

    assert agree(meter_serial="").meter_serial == ""


def test_b52_agreements_for_a_driver_and_charger_do_not_overlap(
    agree: Agree, driver: Driver, alice: Actor
) -> None:
    first = agree(valid_to=AFTER)
    with pytest.raises(Conflict, match="already"):
        agree(valid_from=AFTER)
    with pytest.raises(IntegrityError), atomic():
        HomeAgreement.objects.create(
            organization_id=first.organization_id, driver=driver, station=first.station, currency="EUR",
            rate_per_kwh=1, valid_from=AFTER, made_at=clock.now(), made_by="a try",
        )  # fmt: skip

    assert agree(valid_from=AFTER + timedelta(days=1)).pk
    assert agree(factories.make_driver(alice)).pk


def test_b52_an_agreement_ends_and_another_goes_on(
    agree: Agree, charge: Charge, driver: Driver, alice: Actor
) -> None:
    ended = home_agreements.end(agree(), TODAY + timedelta(days=1), by=alice)
    with pytest.raises(Invalid):
        home_agreements.end(ended, TODAY - timedelta(days=3), by=alice)
    with pytest.raises(Conflict):
        home_agreements.end(ended, AFTER, by=alice)
    agree(valid_from=TODAY + timedelta(days=2), rate_per_kwh=Decimal("0.40"))
    session = charge(10_000, driver=driver)
    settle()

    assert record_of(session).payable_excl_vat == Decimal("3.00")
    assert AuditEntry.objects.filter(action="home_agreement.ended", object_id=str(ended.pk)).count() == 1


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("rate_per_kwh", {"rate_per_kwh": Decimal(0)}),
        ("rate_per_kwh", {"rate_per_kwh": Decimal("NaN")}),
        ("rate_per_kwh", {"rate_per_kwh": Decimal("0.1234567")}),
        ("valid_to", {"valid_to": BEFORE - timedelta(days=1)}),
        ("employer_vat_rate", {"vat_rate": Decimal(19)}),
        ("meter_serial", {"meter_serial": "x" * 51}),
    ],
)
def test_b52_terms_that_cannot_be_are_refused(
    agree: Agree, alice: Actor, field: str, terms: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as told:
        agree(**terms)

    assert told.value.field == field
    assert not HomeAgreement.objects.visible_to(alice).exists()


def test_b52_an_employer_is_a_company_and_says_its_vat(
    agree: Agree, driver: Driver, employer: BillingAccount
) -> None:
    with pytest.raises(Invalid) as told:
        agree(employer=employer)
    assert told.value.field == "employer_vat_rate"
    own = accounts.of_driver(driver)
    own.kind = AccountKind.COMPANY
    own.save(update_fields=["kind"])
    with pytest.raises(Invalid) as told:
        agree(employer=own, vat_rate=Decimal(19))
    assert told.value.field == "employer"


def test_b52_how_vat_is_treated_is_stated_and_not_guessed(
    driver: Driver, station: ChargingStation, agree: Agree, alice: Actor
) -> None:
    terms = Terms(rate_per_kwh=Decimal(1), currency="EUR", valid_from=BEFORE, meter_serial="M")
    with pytest.raises(Invalid) as told:
        home_agreements.agree(driver, station, terms, by=alice)
    assert told.value.field == "tax"
    with pytest.raises(Invalid) as told:
        home_agreements.agree(driver, station, terms, supply=Supply(tax="standard"), by=alice)
    assert told.value.field == "tax_rate"
    assert not HomeAgreement.objects.visible_to(alice).exists()

    assert agree().pk


def test_b52_a_stranger_agrees_on_nothing(
    agree: Agree, driver: Driver, station: ChargingStation, organization: Organization
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, name="bob")
    made = agree()
    terms = Terms(rate_per_kwh=Decimal(1), currency="EUR", valid_from=BEFORE, meter_serial="M")
    for who in (charlie, bob):
        with pytest.raises((NotFound, NotPermitted)):
            home_agreements.agree(driver, station, terms, supply=PRIVATE, by=who)
        with pytest.raises((NotFound, NotPermitted)):
            home_agreements.end(made, AFTER, by=who)
        with pytest.raises((NotFound, NotPermitted)):
            home_agreements.require_mid(organization, False, by=who)

    rows = HomeAgreement.objects.filter(organization=organization)
    assert list(rows.values_list("pk", "valid_to")) == [(made.pk, None)]


def test_b52_b10_a_credit_takes_a_compensation_back_as_one(
    charge: Charge, agree: Agree, driver: Driver, alice: Actor
) -> None:
    agreement = agree()
    session = charge(12_345, driver=driver)
    settle()
    credit = corrections.credit(record_of(session), by=alice, reason="A test drive")

    assert (credit.payable_excl_vat, credit.home_agreement) == (Decimal("-3.70"), agreement)
    assert credit.content["home_charging_compensation"] is True


def test_b52_b08_what_came_late_is_corrected_at_the_rate_of_the_record(
    charge: Charge, agree: Agree, driver: Driver, alice: Actor
) -> None:
    agreement = agree()
    session = charge(10_000, driver=driver)
    settle()
    Transaction.objects.filter(pk=session.pk).update(meter_last_wh=Decimal(12_000))
    with atomic():
        late_data.look({session.pk})
    opened = BillingException.objects.get(transaction=session, decision="")
    assert (opened.cause, opened.difference) == ("late_data", Decimal("0.60"))
    exceptions.resolve(opened, exceptions.Decision.CORRECTED, by=alice, reason="Read late")
    record = record_of(session)

    assert (record.payable_excl_vat, record.home_agreement) == (Decimal("3.60"), agreement)
    assert record.account is None


def test_b52_a_merged_drivers_agreements_are_the_kept_ones(
    agree: Agree, charge: Charge, driver: Driver, alice: Actor
) -> None:
    twin = factories.make_driver(alice, "F. Abend")
    agreement = agree(twin)
    merging.merge(driver, twin, by=alice)
    session = charge(10_000, driver=driver)
    settle()

    assert HomeAgreement.objects.get(pk=agreement.pk).driver == driver
    assert record_of(session).home_agreement == agreement


def test_b52_two_agreements_for_the_same_days_keep_two_drivers_apart(
    agree: Agree, driver: Driver, alice: Actor
) -> None:
    twin = factories.make_driver(alice, "F. Abend")
    agree(valid_to=TODAY)
    agree(twin, valid_from=TODAY)
    assert merging.look(driver, twin).obstacles == (merging.HOME,)
    with pytest.raises(Conflict, match="home charging"):
        merging.merge(driver, twin, by=alice)


def test_b52_b67_an_erased_drivers_agreements_end_and_stay(
    agree: Agree, driver: Driver, alice: Actor
) -> None:
    agreement = agree()
    erasing.erase(driver, by=alice)
    agreement.refresh_from_db()

    assert agreement.valid_to is not None
    assert agreement.valid_to <= TODAY + timedelta(days=1)
    assert agreement.driver_id == driver.pk


def test_b52_b67_a_person_gets_the_agreements_with_the_own_data(
    agree: Agree, driver: Driver, station: ChargingStation, alice: Actor
) -> None:
    agree(valid_to=AFTER)
    pieces = driver_export.archive_for_operator(driver, by=alice)
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        [told] = json.loads(archive.read("data.json"))["home_agreements"]

    assert (told["station"], told["rate_per_kwh"], told["until"]) == (
        station.identity,
        "0.300000",
        str(AFTER),
    )
