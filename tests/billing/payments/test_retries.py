"""Asking again for what a provider refused."""

from decimal import Decimal

import pytest
from django.test import Client

from billing.models import Payment, PaymentState
from billing.services import accounts
from billing.services.payments import asking
from core.access import Actor
from core.models import Organization
from tests import factories
from tests.billing.pages import alice, browser, member, organization
from tests.billing.payments.conftest import stripe

__all__ = ["alice", "browser", "member", "organization", "stripe"]
pytestmark = pytest.mark.usefixtures("committed", "stripe")


def test_a_top_up_that_is_tried_again_twice_is_asked_for_once(
    browser: Client, alice: Actor, organization: Organization
) -> None:
    """As `charge` and `pay_page` do: while one waits it is the answer."""
    account = accounts.of_driver(factories.make_driver(alice))
    refused = asking.top_up(account, Decimal(50), back="https://example.org/", by=alice)
    Payment.objects.filter(pk=refused.pk).update(state=PaymentState.FAILED)
    for _ in range(2):
        browser.post(f"/o/{organization.slug}/payments/{refused.pk}/retry/")

    assert Payment.objects.filter(account=account, state=PaymentState.PENDING).count() == 1
