"""A priced station of Alice's, and sessions whose readings have settled."""

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.models import BillingAccount, Cdr, HostAgreement
from billing.services import accounts, drafting, hosts, parties, running, settling
from billing.services.hosts import Terms
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor
from core.models import Organization
from stations.models import ChargingStation, Site, Transaction
from stations.services import sites, stations
from tests import factories
from tests.factories import sessions
from tests.stations.ocpp.charging import priced

Charge = Callable[..., Transaction]
Agree = Callable[..., HostAgreement]
Host = Callable[[str], BillingAccount]
WITH_VAT = Supply(tax="standard", vat_rate=Decimal(19), tax_number="12/345")
ADDRESS = {"street": "Am Kai 4", "postal_code": "20457", "city": "Hamburg", "country": "DE"}
THIS_MONTH = clock.now().astimezone(ZoneInfo("Europe/Berlin")).strftime("%Y-%m")
"""The month that sessions of these tests end in, where their accounts are."""
NEXT_PERIOD = f"{date.fromisoformat(f'{THIS_MONTH}-28') + timedelta(days=7):%Y-%m}"


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization)


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    priced(alice)
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    return station


@pytest.fixture
def charge(alice: Actor, station: ChargingStation) -> Charge:
    """A driver's session that just ended, ``minutes`` long, its end at ``wh``; each at an outlet of its own."""
    numbers = itertools.count(2)

    def made(wh: int = 12_345, **options: Any) -> Transaction:
        if "evse_id" not in options:
            options["evse_id"] = next(numbers)
            stations.add_evse(station, options["evse_id"])
        driver = options.pop("driver", None) or factories.make_driver(alice)
        token = factories.make_token(alice, driver=driver)
        stands = sessions.begin(station, token=token.value, **options)
        return sessions.end(stands, wh)

    return made


def when_over(monkeypatch: pytest.MonkeyPatch, period: str) -> None:
    """Runs of the month end see a clock that shows a day soon after that month."""
    later = drafting.end_of(period, "Europe/Berlin") + timedelta(days=2)
    monkeypatch.setattr(running, "clock", SimpleNamespace(now=lambda: later))


def settle(minutes: int = 6) -> None:
    """As the task does, so many minutes from now."""
    settling.listen()
    settling.settle_due(clock.now() + timedelta(minutes=minutes))


def sealed(charge: Charge, wh: int = 12_345) -> Cdr:
    session = charge(wh)
    settle()
    return Cdr.objects.get(transaction=session, credit=False)


@pytest.fixture
def site(alice: Actor, station: ChargingStation) -> Site:
    made = sites.create({"name": factories.unique("Quay"), "time_zone": "Europe/Berlin"}, by=alice)
    ChargingStation.objects.filter(pk=station.pk).update(site=made)
    station.refresh_from_db()
    return made


@pytest.fixture
def host(organization: Organization, alice: Actor) -> Host:
    def made(name: str) -> BillingAccount:
        account = accounts.open_company(organization, name, by=alice)
        parties.save_buyer(account, ADDRESS, by=alice)
        return account

    return made


@pytest.fixture
def agree(site: Site, alice: Actor) -> Agree:
    def made(account: BillingAccount, place: Site | ChargingStation = site, **terms: Any) -> HostAgreement:
        told = Terms(**{"currency": "EUR", "valid_from": clock.now().date() - timedelta(days=40), **terms})
        return hosts.agree(account, place, told, supply=WITH_VAT, by=alice)

    return made
