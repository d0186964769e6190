"""Statements go after their term with all that hangs on them, and not before they are paid (billing B-52, B-65)."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError
from django.db.transaction import atomic

from billing.models import Cdr, HomeAgreement, Invoice, Journal, Payout, RetentionReport, Share
from billing.services import accounts, drafting, home_agreements, issuing, self_billing, settling
from billing.services.home_agreements import Terms
from billing.services.payments import receiving
from billing.services.retention import holds
from billing.services.suppliers import Supply
from core.access import Actor
from core.models import Organization
from stations.models import ChargingStation, Site
from tests import factories
from tests.billing.conftest import Agree, Charge, Host, settle
from tests.billing.expiring import LONG_AGO, NOW, WHY, drop, expire, left, station
from tests.billing.pages import alice, member, organization

__all__ = ["alice", "member", "organization", "station"]
pytestmark = pytest.mark.usefixtures("committed")


def statement(charge: Charge, station: ChargingStation, alice: Actor, *, paid: bool) -> Invoice:
    """Of a session at home, years ago."""
    driver = factories.make_driver(alice)
    with time_machine.travel(LONG_AGO, tick=False):
        terms = Terms(
            rate_per_kwh=Decimal("0.30"), currency="EUR", valid_from=LONG_AGO.date(), meter_serial="M-1"
        )
        home_agreements.agree(driver, station, terms, supply=Supply(tax="none"), by=alice)
        charge(10_000, driver=driver)
        settling.sweep()
        settle()
        [made] = self_billing.make(accounts.of_driver(driver), f"{LONG_AGO:%Y-%m}", by=alice)
        if paid:
            self_billing.pay_out(made, paid_on=made.issued_on, by=alice)
    return made


def test_b65_a_paid_statement_goes_with_its_shares_payout_and_postings(
    charge: Charge, station: ChargingStation, alice: Actor, organization: Organization
) -> None:
    made = statement(charge, station, alice, paid=True)
    expire()

    assert not left(made)
    assert not Share.objects.visible_to(alice).exists()
    assert not Payout.objects.visible_to(alice).exists()
    assert not Journal.objects.filter(organization=organization).exists()
    assert not Cdr.objects.filter(organization=organization).exists()
    assert HomeAgreement.objects.filter(organization=organization).count() == 1


def test_b65_a_statement_that_is_not_paid_stays(
    charge: Charge, station: ChargingStation, alice: Actor, organization: Organization
) -> None:
    made = statement(charge, station, alice, paid=False)
    expire()

    assert left(made)
    assert Share.objects.visible_to(alice).count() == 1
    assert Cdr.objects.filter(organization=organization).count() == 1


@pytest.fixture
def hosted(
    charge: Charge, site: Site, host: Host, agree: Agree, alice: Actor
) -> tuple[Invoice, Invoice, Invoice]:
    """A host's paid statement over sessions of two drivers, the paid invoice of one and the owed one of the other."""
    with time_machine.travel(LONG_AGO, tick=False):
        account = host("Harbour Ltd")
        agree(account, percent=Decimal(50), valid_from=LONG_AGO.date())
        drivers = [factories.make_driver(alice) for _ in range(2)]
        for driver in drivers:
            charge(12_345, driver=driver)
        settling.sweep()
        settle()
        month = f"{LONG_AGO:%Y-%m}"
        paid, owed = (
            issuing.issue(drafting.draft(accounts.of_driver(one), month, by=alice)[0], by=alice)
            for one in drivers
        )
        receiving.record(paid, Decimal("7.35"), received_on=LONG_AGO.date(), by=alice)
        [made] = self_billing.make(account, month, by=alice)
        self_billing.pay_out(made, paid_on=made.issued_on, by=alice)
    return made, paid, owed


def test_b65_a_hosts_statement_goes_by_its_own_term_and_the_invoices_of_its_sessions_by_theirs(
    hosted: tuple[Invoice, Invoice, Invoice], organization: Organization, alice: Actor
) -> None:
    owed = hosted[2]
    for day in range(2):
        expire(NOW + timedelta(days=day))

    assert [left(one) for one in hosted] == [False, False, True]
    assert not Share.objects.visible_to(alice).exists()
    assert [one.account_id for one in Cdr.objects.filter(organization=organization)] == [owed.account_id]
    assert Journal.objects.filter(organization=organization).count() == 1
    counts = [one.counts for one in RetentionReport.objects.filter(organization=organization)]
    assert sum(one.get("invoices", 0) for one in counts) == 2


def test_b53_b65_who_was_paid_for_a_session_years_ago_is_not_paid_again_once_the_statement_is_gone(
    hosted: tuple[Invoice, Invoice, Invoice], organization: Organization, alice: Actor
) -> None:
    expire()
    account = hosted[0].account
    with time_machine.travel(NOW, tick=False):
        assert self_billing.waiting(account, f"{NOW:%Y-%m}") == {}
        assert not self_billing.waits(account)
        assert self_billing.make(account, f"{NOW:%Y-%m}", by=alice) == []


def test_b65_a_session_stays_while_the_statement_of_its_host_is_younger_owed_or_held(
    hosted: tuple[Invoice, Invoice, Invoice], organization: Organization, alice: Actor
) -> None:
    made, paid, _owed = hosted
    held = holds.place(organization, account=made.account, reason=WHY, by=alice)
    for day in range(2):
        expire(NOW + timedelta(days=day))
    assert (left(made), left(paid)) == (True, True)
    with pytest.raises(DatabaseError), atomic():
        drop(paid)

    holds.lift(held, reason="over", by=alice)
    for day in range(2, 4):
        expire(NOW + timedelta(days=day))
    assert (left(made), left(paid)) == (False, False)
