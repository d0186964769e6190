"""Issued invoices of Alice's drivers, a bank account of hers, and Stripe's stand-in."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.models import BillingAccount, Cdr, Invoice, Mandate
from billing.services import drafting, issuing
from billing.services.payments import debits, provider_settings
from core import clock
from core.access import Actor
from core.models import Organization
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, alice, charge, organization, settle, station
from tests.billing.payments.stripe_standin import KEY, SECRET, StandIn, stand_in

__all__ = ["alice", "charge", "organization", "station"]
Issued = Callable[..., Invoice]
DUE = Decimal("7.35")
IBAN = "DE89370400440532013000"
PAYER_IBAN = "NL91ABNA0417164300"
TODAY = clock.now().date()
SIGNED_ON = TODAY - timedelta(days=30)
COLLECT_ON = TODAY + timedelta(days=35 - TODAY.weekday())
"""A Monday after every notice."""


def sign(account: BillingAccount, by: Actor, **values: Any) -> Mandate:
    given = {"iban": PAYER_IBAN, "holder": "Anna Driver", "signed_on": SIGNED_ON, **values}
    return debits.sign(account, by=by, **given)


@pytest.fixture
def issued(charge: Charge, alice: Actor) -> Issued:
    """An issued invoice over 7.35 EUR, of a driver of its own where none is given.

    With ``mandate``, the payer has signed one of these values before, so that the invoice announces it.
    """

    def made(name: str | None = None, **options: Any) -> Invoice:
        driver = options.pop("driver", None) or factories.make_driver(alice, name)
        period, mandate = options.pop("period", THIS_MONTH), options.pop("mandate", None)
        session = charge(12_345, minutes=1, driver=driver)
        settle()
        record = Cdr.objects.get(transaction=session, credit=False)
        assert record.account is not None
        if mandate is not None:
            sign(record.account, alice, **mandate)
        return issuing.issue(drafting.draft(record.account, period, by=alice)[0], by=alice)

    return made


@pytest.fixture
def bank(organization: Organization, alice: Actor) -> None:
    debits.set_details(
        organization,
        holder="Yard GmbH",
        iban=IBAN,
        creditor_id="DE98ZZZ09999999999",
        notice_days=14,
        by=alice,
    )


@pytest.fixture
def stripe(organization: Organization, alice: Actor, settings: Any) -> Iterator[StandIn]:
    """Stripe's stand-in, with the organization's keys for it."""
    with stand_in() as ledger:
        settings.STRIPE_API_BASE = ledger.base
        settings.EGRESS_ALLOW = ledger.allowed
        provider_settings.save(
            organization, key=KEY, webhook_secret=SECRET, hold_amount=Decimal(60), by=alice
        )
        yield ledger
