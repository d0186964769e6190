"""Invoices of years ago, and the passes that let them expire, for the tests of terms."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection

from billing.models import Invoice
from billing.services import drafting, issuing, settling
from billing.services.payments import receiving
from billing.services.retention import documents, passes
from core.access import Actor
from drivers.models import Driver
from stations.models import ChargingStation, Transaction
from stations.services import stations
from tests import factories
from tests.billing.conftest import Charge, settle
from tests.stations.ocpp.charging import priced

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = datetime(2014, 6, 15, 12, tzinfo=UTC)
TERM = timedelta(days=1100)
WHY = "The tax office asked for it."
Old = Callable[..., Invoice]


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    """Priced since before the oldest of these sessions."""
    with time_machine.travel(LONG_AGO - timedelta(days=400), tick=False):
        priced(alice)
        made, _ = factories.make_station(alice)
        stations.add_evse(made, 1)
    return made


@pytest.fixture
def old(charge: Charge, alice: Actor) -> Old:
    """An invoice over 7.35 of a driver that was issued, and paid, years ago."""

    def made(at: datetime = LONG_AGO, driver: Driver | None = None, *, paid: bool = True) -> Invoice:
        with time_machine.travel(at, tick=False):
            driver = driver or factories.make_driver(alice)
            charge(12_345, driver=driver)
            settling.sweep()
            settle()
            [draft] = drafting.draft(driver.billing_account, f"{at:%Y-%m}", by=alice)
            invoice = issuing.issue(draft, by=alice)
            if paid:
                receiving.record(invoice, Decimal("7.35"), received_on=at.date(), by=alice)
        return invoice

    return made


def left(invoice: Invoice) -> bool:
    return Invoice.objects.filter(pk=invoice.pk).exists()


def expire(now: datetime = NOW) -> int:
    with time_machine.travel(now, tick=False):
        return passes.run(300)


def drop(invoice: Invoice, before: str = "2016-01-01") -> None:
    """As a pass does, past what the pass looks at."""
    found = documents.family_of(invoice.pk)
    values = [invoice.organization_id, list(found.invoices), list(found.payments), list(found.cdrs), before]
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_drop_expired(%s, %s::uuid[], %s::uuid[], %s::uuid[], %s)", values)


def session_of(invoice: Invoice) -> Transaction:
    found = invoice.lines.get().cdr.transaction
    assert found is not None
    return found
