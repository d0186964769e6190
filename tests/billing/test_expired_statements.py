"""Statements go after their term with all that hangs on them, and not before they are paid (billing B-52, B-65)."""

from decimal import Decimal

import pytest
import time_machine

from billing.models import Cdr, HomeAgreement, Invoice, Journal, Payout, Share
from billing.services import accounts, home_agreements, self_billing, settling
from billing.services.home_agreements import Terms
from billing.services.suppliers import Supply
from core.access import Actor
from core.models import Organization
from stations.models import ChargingStation
from tests import factories
from tests.billing.conftest import Charge, settle
from tests.billing.expiring import LONG_AGO, expire, left, station
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
