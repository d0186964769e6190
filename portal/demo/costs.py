"""What past sessions cost: the tariff of the demo frozen on each, priced by the engine in the background.

The rows are those of a session that just ended, so that the sweeper of costs and the settling of billing find them
and do their work after the start; the first two drivers are billed at once, to have an invoice and a draft to look at.
"""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.db.transaction import atomic

from billing.models import BillingAccount, Outcome, Settlement
from billing.services import accounts, drafting, issuing, parties, sealing
from core import clock
from core.models import Organization
from core.services import outbox
from drivers.models import Driver
from portal.demo.registering import actor
from stations.models import CostState, FrozenTariff, Level, SessionCost, Transaction
from tariffs.models import TariffVersion
from tariffs.pricing import DEFAULT_ROUNDING

SETTLING = timedelta(minutes=5)
BILLED = 2
AT_ONCE = 8
"""As many sessions of each stand on the invoice, so that the start need not wait; the others become records later."""
ADDRESS = {"street": "Kaiweg 3", "postal_code": "20457", "city": "Hamburg", "country": "DE"}


def freeze(sessions: Sequence[Transaction], organization: Organization) -> None:
    """Inside the transaction that writes the sessions."""
    version = TariffVersion.objects.filter(tariff__organization=organization).exclude(valid_from=None).first()
    if version is None:
        return
    now = clock.now()
    copied = {
        "version": version,
        "level": Level.ORGANIZATION,
        "document": version.document,
        "currency": version.currency,
        "policy": DEFAULT_ROUNDING.policy,
        "basis": DEFAULT_ROUNDING.basis.value,
        "frozen_at": now,
    }
    FrozenTariff.objects.bulk_create(
        [FrozenTariff(transaction=one, time_zone=one.station.site.time_zone, **copied) for one in sessions],
        batch_size=500,
    )
    SessionCost.objects.bulk_create(
        [
            SessionCost(transaction=one, state=CostState.RUNNING, since=now, computed_at=now)
            for one in sessions
        ],
        batch_size=500,
    )
    Settlement.objects.bulk_create(
        [Settlement(transaction=one, due_at=(one.ended_at or now) + SETTLING) for one in sessions],
        batch_size=500,
    )


def bill(organization: Organization) -> None:
    """An issued invoice for the first driver with sessions, a draft for the second; a second call changes nothing."""
    if BillingAccount.objects.filter(organization=organization).exists():
        return
    charged = Driver.objects.live().filter(organization=organization, transactions__settlement__isnull=False)
    period = clock.now().astimezone(ZoneInfo(organization.time_zone)).strftime("%Y-%m")
    by = actor(organization, "demo")
    for place, driver in enumerate(charged.distinct().order_by("id")[:BILLED]):
        with atomic():
            outbox.keep_silent()
            _seal(driver)
            account = accounts.of_driver(driver)
            parties.save_buyer(account, {"name": driver.name, **ADDRESS}, by=by)
            made = drafting.draft(account, period, by=by)
            for invoice in made if place == 0 else ():
                issuing.issue(invoice, by=by)


def _seal(driver: Driver) -> None:
    waiting = Settlement.objects.select_for_update(of=("self",)).select_related("transaction__driver")
    newest = waiting.filter(transaction__driver=driver, outcome=Outcome.WAITING).order_by("-pk")
    for row in newest[:AT_ONCE]:
        sealing.seal(row, row.transaction, now=clock.now())
