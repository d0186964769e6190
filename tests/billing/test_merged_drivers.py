"""What stations tell while two drivers become one is the kept driver's, and is billed to that one (B-10)."""

import pytest

from billing.models import BillingAccount, Cdr, Outcome, Settlement
from billing.services import accounts, merging, parties
from core import clock
from core.access import Actor
from drivers.models import Driver
from stations.models import AuthorizationAnswer, Transaction
from stations.services import sweeping
from tests import factories
from tests.billing.conftest import Charge, settle

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def kept(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Frida Abend")


@pytest.fixture
def twin(alice: Actor, kept: Driver) -> Driver:
    """A duplicate that was merged a moment ago."""
    twin = factories.make_driver(alice, "F. Abend")
    merging.merge(kept, twin, by=alice)
    twin.refresh_from_db()
    return twin


def begun_meanwhile(session: Transaction, twin: Driver) -> None:
    """As where the station was answered before the merge and the session written after it."""
    Transaction.objects.filter(pk=session.pk).update(driver=twin)
    AuthorizationAnswer.objects.filter(transaction_id=session.pk).update(driver=twin)


def test_what_began_while_two_were_merged_becomes_the_kept_drivers(
    charge: Charge, kept: Driver, twin: Driver
) -> None:
    session = charge(driver=kept)
    begun_meanwhile(session, twin)
    swept = [sweeping.follow_sessions()["merged_drivers"] for _time in range(2)]

    assert Transaction.objects.get(pk=session.pk).driver == kept
    assert not AuthorizationAnswer.objects.filter(driver=twin).exists()
    assert swept == [1, 0]


def test_b10_it_is_billed_to_the_kept_driver_even_before_that(
    charge: Charge, kept: Driver, twin: Driver
) -> None:
    session = charge(driver=kept)
    begun_meanwhile(session, twin)
    settle()
    record = Cdr.objects.get(transaction=session)

    assert record.account == accounts.of_driver(kept)
    assert not BillingAccount.objects.filter(driver=twin).exists()


def test_b13_it_is_not_billed_where_the_kept_driver_is_staff(
    charge: Charge, kept: Driver, twin: Driver, alice: Actor
) -> None:
    parties.save_buyer(accounts.of_driver(kept), {"staff": True}, by=alice)
    session = charge(driver=kept)
    begun_meanwhile(session, twin)
    settle()
    settlement = Settlement.objects.get(pk=session.pk)

    assert (settlement.outcome, settlement.reason) == (Outcome.NOT_BILLABLE, "staff")


def test_where_the_kept_driver_is_merged_in_turn_the_last_one_has_it(
    charge: Charge, kept: Driver, twin: Driver, alice: Actor
) -> None:
    last = factories.make_driver(alice, "Frida A.")
    merging.merge(last, kept, by=alice)
    session = charge(driver=last)
    begun_meanwhile(session, twin)
    sweeping.follow_sessions()

    assert Transaction.objects.get(pk=session.pk).driver == last


def test_a_driver_who_was_ended_otherwise_keeps_theirs(charge: Charge, kept: Driver) -> None:
    session = charge(driver=kept)
    Driver.objects.filter(pk=kept.pk).update(retired_at=clock.now())
    sweeping.follow_sessions()

    assert Transaction.objects.get(pk=session.pk).driver == kept
