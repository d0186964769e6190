"""Who is forgotten, and money that comes or is given afterwards."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from billing.models import BillingAccount, Cdr, Invoice, Method, Payment, PaymentState, Purpose
from billing.services import erasing, signed_values
from core.access import Actor
from core.models import Organization
from drivers.models import Driver
from tests import factories
from tests.billing.conftest import Charge, charge, station
from tests.billing.ocmf.signing import Meter, reading
from tests.billing.ocmf.test_judging import keep
from tests.billing.pages import browser
from tests.billing.test_erasing import alice, bill, erika, member, organization, pay
from tests.billing.test_record_pages import home, nobodys

__all__ = [
    "alice", "bill", "browser", "charge", "erika", "home", "member", "nobodys", "organization", "station",
]  # fmt: skip
pytestmark = pytest.mark.usefixtures("committed")


def test_b67_a_payment_that_is_on_its_way_is_settled_before_a_person_is_forgotten(
    alice: Actor, erika: Driver, bill: Callable[[Driver], Invoice], organization: Organization
) -> None:
    """Its page is open: the money would arrive for somebody who is gone."""
    pay(bill(erika), alice)
    account = BillingAccount.objects.get(driver=erika)
    Payment.objects.create(
        organization=organization, account=account, method=Method.CARD, purpose=Purpose.TOP_UP,
        currency="EUR", amount=Decimal(50), provider="stripe", created_by="driver", state=PaymentState.PENDING,
    )  # fmt: skip

    assert erasing.obstacles(erika) != []


def test_b67_nothing_new_is_given_to_pay_to_who_was_forgotten(
    browser: Client, home: str, alice: Actor, erika: Driver, bill: Callable[[Driver], Invoice], nobodys: Cdr
) -> None:
    pay(bill(erika), alice)
    account = BillingAccount.objects.get(driver=erika)
    erasing.erase(erika, by=alice)
    at = f"{home}invoices/records/{nobodys.pk}/"
    offered = str(account.pk) in browser.get(f"{at}?payer=erased").content.decode()
    answer = browser.post(f"{at}payer/", {"account": str(account.pk), "reason": "By mistake"})

    assert not offered
    assert answer.status_code in (404, 409, 422)


def test_b61_a_session_from_before_the_meter_was_replaced_is_checked_with_the_key_of_then(
    charge: Charge, alice: Actor, organization: Organization
) -> None:
    serial = factories.unique("M")
    then, now = Meter(serial=serial), Meter(serial=serial)
    session = charge(minutes=1)
    keep(session, then.record(reading("B", 1)), then.record(reading("E", 2)))
    key = signed_values.register_key(organization, serial, then.public_key, by=alice)
    before = signed_values.judge(session).state
    signed_values.retire_key(key, by=alice)
    signed_values.register_key(organization, serial, now.public_key, by=alice)

    assert (before, signed_values.judge(session).state) == ("valid", "valid")
