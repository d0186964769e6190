"""What sessions keep in a wallet is given back, whatever becomes of them; sessions share one wallet (billing B-50)."""

from decimal import Decimal

import pytest
from django.db.transaction import atomic

from billing.models import BillingException, Decision, Settlement, Wallet, WalletReservation
from billing.services import accounts, corrections, crediting, drafting, exceptions, issuing, late_data
from billing.services.payments import receiving, reservations, wallets
from core import clock
from core.access import Actor
from drivers.models import Driver
from stations.models import ChargingStation, Transaction
from stations.services import stations
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.payments.test_reserve import fill, rate, run, stops
from tests.factories import sessions

pytestmark = pytest.mark.usefixtures("committed")
COST = Decimal("7.35")


@pytest.fixture
def driver(alice: Actor) -> Driver:
    """With a wallet in which 30.00 can be spent."""
    driver = factories.make_driver(alice)
    fill(driver, "30", alice)
    return driver


def kept(session: Transaction) -> tuple[Decimal, Decimal, bool, bool]:
    """For the session, in its wallet, whether that is final, and whether it was given back."""
    row = WalletReservation.objects.get(pk=session.pk)
    return row.amount, row.wallet.reserved, row.settled_at is not None, row.released_at is not None


def ended(charge: Charge, driver: Driver, wh: int = 12_345) -> Transaction:
    """A session that reserved while it ran."""
    session = charge(wh, minutes=1, driver=driver)
    assert wallets.reserve(session) is not None
    wallets.watch()
    return session


@pytest.fixture
def sealed(charge: Charge, driver: Driver) -> Transaction:
    session = ended(charge, driver)
    settle()
    wallets.watch()
    assert kept(session) == (COST, COST, True, False)
    return session


def test_b50_an_ended_session_keeps_its_price_until_it_has_its_record(charge: Charge, driver: Driver) -> None:
    assert kept(ended(charge, driver))[:2] == (COST, COST)


def test_b50_a_record_that_is_taken_back_frees_what_it_kept(sealed: Transaction, alice: Actor) -> None:
    corrections.credit(sealed.cdrs.get(), by=alice, reason="wrong meter")
    wallets.watch()
    assert kept(sealed) == (0, 0, False, True)


def test_b50_a_record_that_is_corrected_keeps_the_new_amount(sealed: Transaction, alice: Actor) -> None:
    Transaction.objects.filter(pk=sealed.pk).update(meter_last_wh=Decimal(6000))
    with atomic():
        late_data.look([sealed.pk])
    found = BillingException.objects.open().get(transaction=sealed)
    exceptions.resolve(found, Decision.CORRECTED, by=alice, reason="counted twice")
    wallets.watch()
    assert kept(sealed) == (Decimal("3.57"), Decimal("3.57"), True, False)


@pytest.mark.parametrize("decision", [Decision.WAIVED, Decision.TEST])
def test_b50_an_exception_keeps_the_price_until_it_is_waived_or_called_a_test(
    charge: Charge, driver: Driver, alice: Actor, station: ChargingStation, decision: Decision
) -> None:
    ChargingStation.objects.filter(pk=station.pk).update(max_power_w=1000)
    session = ended(charge, driver)
    settle()
    wallets.watch()
    assert kept(session) == (COST, COST, False, False)

    found = BillingException.objects.open().get(transaction=session)
    exceptions.resolve(found, decision, by=alice, reason="broken meter")
    wallets.watch()
    assert kept(session) == (0, 0, False, True)


def test_b50_a_session_that_becomes_no_record_frees_what_it_kept(charge: Charge, driver: Driver) -> None:
    session = ended(charge, driver)
    settle(minutes=0)
    Settlement.objects.update_or_create(
        transaction=session,
        defaults={"outcome": "not_billable", "reason": "staff", "due_at": clock.now()},
    )
    wallets.watch()
    assert kept(session) == (0, 0, False, True)


def test_b50_an_invoice_that_is_paid_otherwise_frees_what_its_sessions_kept(
    sealed: Transaction, alice: Actor
) -> None:
    record = sealed.cdrs.get()
    assert record.account is not None
    invoice = issuing.issue(drafting.draft(record.account, THIS_MONTH, by=alice)[0], by=alice)
    assert reservations.release_paid() == 0
    receiving.record(invoice, COST, received_on=clock.now().date(), by=alice)
    wallets.watch()
    assert reservations.release_paid() == 1
    assert kept(sealed) == (0, 0, True, True)


def test_b50_an_invoice_that_is_credited_frees_what_its_sessions_kept(
    sealed: Transaction, alice: Actor
) -> None:
    record = sealed.cdrs.get()
    assert record.account is not None
    invoice = issuing.issue(drafting.draft(record.account, THIS_MONTH, by=alice)[0], by=alice)
    crediting.credit(invoice, by=alice, reason="wrong meter")
    wallets.watch()
    assert kept(sealed) == (0, 0, False, True)


def test_b50_what_was_left_behind_before_is_found_by_the_sweeper(sealed: Transaction, alice: Actor) -> None:
    corrections.credit(sealed.cdrs.get(), by=alice, reason="wrong meter")
    WalletReservation.objects.filter(pk=sealed.pk).update(settled_at=clock.now())
    assert reservations.release_paid() == 1
    assert kept(sealed) == (0, 0, True, True)


def test_b50_a_record_that_somebody_else_pays_takes_nothing_from_the_drivers_wallet(
    charge: Charge, alice: Actor
) -> None:
    """Nobody was known to pay it, and somebody is named before the wallet of its driver looks at it."""
    session = charge(12_345, minutes=1)
    settle()
    record = session.cdrs.get()
    other = factories.make_driver(alice)
    fill(other, "30", alice)
    WalletReservation.objects.create(
        transaction=session, wallet=Wallet.objects.get(account__driver=other), amount=0, made_at=clock.now()
    )
    wallets.watch()
    assert record.account_id != accounts.of_driver(other).pk
    assert kept(session) == (0, 0, False, True)


def test_b50_two_sessions_share_one_wallet_and_the_second_is_not_stopped_for_what_the_first_does_not_need(
    station: ChargingStation, driver: Driver, alice: Actor
) -> None:
    fill(driver, "10", alice)
    rate(station, 20_000)
    stations.add_evse(station, 2)
    rate(station, 20_000, evse_id=2)
    first = run(station, driver, alice, "4000")
    wallets.watch()
    assert kept(first)[:2] == (Decimal(10), Decimal(10))
    second = run(station, driver, alice, "2000", evse_id=2)
    wallets.watch()

    needed = Decimal("2.98"), Decimal("1.79")
    assert (kept(first)[0], kept(second)[0], kept(first)[1]) == (*needed, sum(needed))
    assert (stops(first), stops(second)) == (0, 0)

    sessions.read(first, "11000", minutes_ago=0)
    wallets.watch()
    assert (stops(first), stops(second)) == (0, 0), "7.14 and 1.79 are still there"
    sessions.read(second, "4000", evse_id=2, minutes_ago=0)
    wallets.watch()
    assert stops(first) + stops(second) == 1, "the one that finds too little left"
    assert Wallet.objects.get(account__driver=driver).reserved == 10


def test_b50_one_session_that_stumbles_keeps_no_other_from_being_followed(
    charge: Charge, driver: Driver, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factories.make_driver(alice)
    fill(other, "30", alice)
    stumbles, goes_on = charge(12_345, minutes=1, driver=driver), charge(12_345, minutes=1, driver=other)
    for session in (stumbles, goes_on):
        wallets.reserve(session)
    keep = reservations._keep_price

    def fail(row: WalletReservation, wallet: Wallet) -> None:
        if row.pk == stumbles.pk:
            raise ArithmeticError("no such number")
        keep(row, wallet)

    monkeypatch.setattr(reservations, "_keep_price", fail)
    wallets.watch()
    assert (kept(stumbles)[0], kept(goes_on)[0]) == (Decimal(20), COST)
