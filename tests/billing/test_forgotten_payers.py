"""Who is forgotten, and money that comes or is given afterwards."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from billing.models import BillingAccount, Cdr, Invoice, Method, Payment, PaymentState, Purpose
from billing.services import erasing
from core.access import Actor
from core.models import Organization
from drivers.models import Driver
from tests.billing.conftest import charge, station
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
