"""What filled and left wallets goes after its term; balances stay the sums of entries (billing B-65, B-48)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from billing.models import (
    BillingAccount,
    Invoice,
    Journal,
    LedgerEntry,
    Method,
    Payment,
    Purpose,
    RetentionReport,
    Wallet,
    WalletReservation,
)
from billing.services import accounts, drafting, issuing, settling
from billing.services.payments import receiving, refunding, wallets
from billing.services.retention import holds
from core.access import Actor
from core.models import Organization
from drivers.models import Driver
from tests import factories
from tests.billing.conftest import Charge, settle
from tests.billing.expiring import LONG_AGO, NOW, TERM, WHY, drop, expire, left, session_of, station
from tests.billing.pages import alice, member, organization

__all__ = ["alice", "member", "organization", "station"]
pytestmark = pytest.mark.usefixtures("committed")
LATELY = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice)


@pytest.fixture
def payer(driver: Driver, alice: Actor) -> BillingAccount:
    account = accounts.of_driver(driver)
    wallets.open_(account, by=alice)
    return account


def fill(payer: BillingAccount, amount: str, at: datetime, by: Actor) -> Payment:
    with time_machine.travel(at, tick=False):
        return receiving.book(
            organization_id=payer.organization_id, account=payer, amount=Decimal(amount), currency="EUR",
            method=Method.MANUAL, received_on=at.date(), purpose=Purpose.TOP_UP, by=by,
        )  # fmt: skip


def spend(charge: Charge, driver: Driver, at: datetime, by: Actor) -> Invoice:
    """7.35 for a session, from the wallet."""
    with time_machine.travel(at, tick=False):
        session = charge(12_345, driver=driver)
        wallets.reserve(session)
        settling.sweep()
        settle()
        invoice = issuing.issue(drafting.draft(accounts.of_driver(driver), f"{at:%Y-%m}", by=by)[0], by=by)
        wallets.pay(invoice, by=by)
    return invoice


def told(payer: BillingAccount) -> tuple[Decimal, list[Decimal], Decimal]:
    """The balance, what was carried forward, and the sum of the entries of the wallet."""
    entries = LedgerEntry.objects.filter(payer=payer)
    carried = list(entries.filter(account="carried").values_list("amount", flat=True))
    proven = -sum((one.amount for one in entries.filter(account="wallet")), Decimal(0))
    return Wallet.objects.get(account=payer).balance, carried, proven


def test_b65_a_wallet_that_was_emptied_leaves_no_posting(
    charge: Charge, payer: BillingAccount, driver: Driver, organization: Organization, alice: Actor
) -> None:
    filled = fill(payer, "40.00", LONG_AGO, alice)
    invoice = spend(charge, driver, LONG_AGO, alice)
    with time_machine.travel(LONG_AGO, tick=False):
        refunding.refund(filled, Decimal("32.65"), reason="rest", by=alice)
    expire()

    assert (left(invoice), Payment.objects.filter(account=payer).count()) == (False, 0)
    assert told(payer) == (0, [], 0)
    assert not Journal.objects.filter(organization=organization).exists()
    counts = [
        one.counts for one in RetentionReport.objects.filter(organization=organization, kind="documents")
    ]
    assert [(one["invoices"], one["payments"]) for one in counts] == [(1, 2)]


def test_b65_money_that_is_there_still_keeps_its_top_up_and_what_was_spent_is_carried_forward_once(
    charge: Charge, payer: BillingAccount, driver: Driver, alice: Actor
) -> None:
    filled = fill(payer, "40.00", LONG_AGO, alice)
    spent = [spend(charge, driver, LONG_AGO + timedelta(days=days), alice) for days in (0, 40)]
    for day in range(2):
        expire(NOW + timedelta(days=day))

    assert [left(one) for one in spent] == [False, False]
    assert told(payer) == (Decimal("25.30"), [Decimal("-14.70")], Decimal("25.30"))
    assert payer.pk not in {one.account_id for one, _proven in wallets.differences()}
    refunding.refund(filled, Decimal("25.30"), reason="rest", by=alice)
    assert told(payer)[0] == 0


def test_b65_a_top_up_goes_once_younger_ones_explain_what_is_there(
    charge: Charge, payer: BillingAccount, driver: Driver, alice: Actor
) -> None:
    old = fill(payer, "10.00", LONG_AGO, alice)
    fill(payer, "30.00", LATELY, alice)
    first = spend(charge, driver, LONG_AGO + timedelta(days=40), alice)
    expire()
    assert (left(first), Payment.objects.filter(pk=old.pk).exists()) == (False, True), "32.65 are there"

    young = spend(charge, driver, LATELY, alice)
    expire(NOW + timedelta(days=1))
    assert (left(young), Payment.objects.filter(pk=old.pk).exists()) == (True, False)
    assert told(payer) == (Decimal("25.30"), [Decimal("2.65")], Decimal("25.30"))


def test_b65_a_wallet_that_owes_and_a_hold_keep_what_it_paid(
    charge: Charge, payer: BillingAccount, driver: Driver, organization: Organization, alice: Actor
) -> None:
    with time_machine.travel(LONG_AGO, tick=False):
        wallets.allow(Wallet.objects.get(account=payer), Decimal(50), by=alice)
    invoice = spend(charge, driver, LONG_AGO, alice)
    assert Wallet.objects.get(account=payer).balance == Decimal("-7.35")
    expire()
    assert left(invoice)
    with pytest.raises(DatabaseError, match="must be kept"), atomic():
        drop(invoice)

    fill(payer, "7.35", LATELY, alice)
    held = holds.place(organization, account=payer, reason=WHY, by=alice)
    expire(NOW + timedelta(days=1))
    assert left(invoice)
    holds.lift(held, reason="over", by=alice)
    expire(NOW + timedelta(days=2))
    assert not left(invoice)
    assert told(payer) == (0, [Decimal("-7.35")], 0)


def test_b65_the_database_keeps_a_top_up_whose_money_is_there(
    payer: BillingAccount, organization: Organization, alice: Actor
) -> None:
    filled = fill(payer, "10.00", LONG_AGO, alice)
    expire()
    with pytest.raises(DatabaseError, match="must be kept"), atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT billing_drop_expired(%s, '{}'::uuid[], %s::uuid[], '{}'::uuid[], '2016-01-01')",
            [organization.pk, [filled.pk]],
        )
    assert told(payer) == (Decimal(10), [], Decimal(10))


def test_b66_what_a_session_kept_in_a_wallet_goes_with_its_person(
    charge: Charge, payer: BillingAccount, driver: Driver, alice: Actor
) -> None:
    fill(payer, "40.00", LATELY - TERM, alice)
    invoice = spend(charge, driver, LATELY - TERM, alice)
    session = session_of(invoice)
    assert WalletReservation.objects.get(pk=session.pk).released_at is not None
    expire()

    session.refresh_from_db()
    assert (session.driver_id, left(invoice)) == (None, True)
    assert not WalletReservation.objects.filter(pk=session.pk).exists()
