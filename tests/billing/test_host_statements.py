"""What can be wrong with hosts stops nobody else, and nobody is paid twice for a session (billing B-53, B-34)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import (
    AccountException,
    BillingException,
    Buyer,
    Cause,
    Cdr,
    HostAgreement,
    Invoice,
    RunKind,
)
from billing.services import (
    accounts,
    drafting,
    erasing,
    home_agreements,
    host_shares,
    hosts,
    running,
    self_billing,
)
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid
from core.models import Organization
from drivers.services import drivers
from stations.models import ChargingStation, Site
from stations.services import sites
from tests import factories
from tests.billing.conftest import THIS_MONTH, Agree, Charge, Host, sealed, settle
from tests.portal.api.conftest import client_with
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

pytestmark = pytest.mark.usefixtures("committed")
TODAY = clock.now().date()
NEXT_MONTH = drafting.end_of(THIS_MONTH, "Europe/Berlin").strftime("%Y-%m")


def today_in(zone: str) -> date:
    return clock.now().astimezone(ZoneInfo(zone)).date()


def run(organization: Organization, by: Actor) -> None:
    running.start(organization, THIS_MONTH, issue=True, kind=RunKind.STATEMENTS, by=by)
    running.work()


def test_b34_b53_a_record_that_is_shared_too_far_fails_its_host_and_stops_no_run(
    charge: Charge,
    agree: Agree,
    host: Host,
    alice: Actor,
    organization: Organization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town, shop = host("Town"), host("Shop")
    agree(town, percent=Decimal(50))
    agree(shop, percent=Decimal(10))
    sealed(charge)

    def wrong(_net: Any, _kwh: Any, rules: list[HostAgreement], _digits: int) -> list[Decimal]:
        return [Decimal(99) if rule.percent == 50 else Decimal("0.62") for rule in rules]

    monkeypatch.setattr(host_shares, "split", wrong)
    run(organization, alice)

    assert AccountException.objects.visible_to(alice).get().account == town
    assert Invoice.objects.visible_to(alice).get().account == shop
    [made] = organization.billingrun_set.all()
    assert (made.state, running.progress(made, by=alice)) == ("finished", {"open": 0, "done": 1, "failed": 1})


def test_b53_b33_an_agreement_from_before_all_time_breaks_no_preview(
    charge: Charge, agree: Agree, host: Host, alice: Actor, organization: Organization
) -> None:
    agree(host("Town"), percent=Decimal(50))
    HostAgreement.objects.filter(organization=organization).update(valid_from=date.min, valid_to=date.max)
    sealed(charge)
    [seen] = running.preview(organization, THIS_MONTH, kind=RunKind.STATEMENTS, by=alice)

    assert seen.net == Decimal("3.09")


def test_b33_b34_who_cannot_be_paid_hides_nobody_else_from_the_preview(
    charge: Charge, agree: Agree, host: Host, alice: Actor, organization: Organization
) -> None:
    town, shop = host("Town"), host("Shop")
    agree(town, percent=Decimal(50))
    agree(shop, percent=Decimal(10))
    Buyer.objects.filter(account=town).delete()
    sealed(charge)
    seen = running.preview(organization, THIS_MONTH, kind=RunKind.STATEMENTS, by=alice)
    told = {one.account: (one.due, one.why) for one in seen}
    body = {"period": THIS_MONTH, "kind": "statements", "dry_run": True}
    api = client_with(factories.make_key(organization))
    answer = api.post("/api/v1/billing-runs/", body, format="json").json()

    assert told[shop] == (Decimal("0.74"), "")
    assert "address of “Town”" in told[town][1]
    assert [one["account"] for one in answer["documents"]] == [str(shop.pk)]
    assert [one["account"] for one in answer["failed"]] == [str(town.pk)]


def test_b34_b53_a_session_without_a_known_vat_is_no_part_of_a_statement_until_a_person_says_it(
    charge: Charge,
    agree: Agree,
    host: Host,
    station: ChargingStation,
    alice: Actor,
    organization: Organization,
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50))
    sealed(charge)
    priced(alice, element(component("ENERGY", "0.50")), place=station, tax_included="YES")
    unknown = charge()
    settle()
    [seen] = running.preview(organization, THIS_MONTH, kind=RunKind.STATEMENTS, by=alice)
    run(organization, alice)

    assert not Cdr.objects.filter(transaction=unknown).exists()
    assert BillingException.objects.get(transaction=unknown).cause == Cause.UNPRICED
    assert (seen.net, seen.why) == (Decimal("3.09"), "")
    assert Invoice.objects.visible_to(alice).get().net == Decimal("3.09")


def test_b53_a_stations_agreement_begins_after_what_was_shared_of_it_elsewhere(
    charge: Charge, agree: Agree, host: Host, station: ChargingStation, alice: Actor
) -> None:
    town, shop = host("Town"), host("Shop")
    agree(town, percent=Decimal(60))
    sealed(charge)
    self_billing.make(town, THIS_MONTH, by=alice)
    elsewhere = sites.create({"name": factories.unique("Hill"), "time_zone": "Europe/Berlin"}, by=alice)
    ChargingStation.objects.filter(pk=station.pk).update(site=elsewhere)
    station.refresh_from_db()
    with pytest.raises(Conflict, match="says already"):
        agree(shop, station, percent=Decimal(60))

    assert not HostAgreement.objects.filter(account=shop).exists()
    assert agree(shop, elsewhere, percent=Decimal(60)).pk


def test_b53_b67_an_erased_hosts_share_stays_with_the_operator(
    charge: Charge, agree: Agree, site: Site, alice: Actor, organization: Organization
) -> None:
    driver = factories.make_driver(alice)
    account = accounts.of_driver(driver)
    begun = agree(account, percent=Decimal(10), valid_to=TODAY + timedelta(days=1))
    later = agree(account, percent=Decimal(20), valid_from=TODAY + timedelta(days=9))
    erasing.erase(driver, by=alice)
    sealed(charge)
    seen = running.preview(organization, THIS_MONTH, kind=RunKind.STATEMENTS, by=alice)
    run(organization, alice)
    begun.refresh_from_db()

    assert seen == []
    assert not AccountException.objects.visible_to(alice).exists()
    assert not Invoice.objects.visible_to(alice).exists()
    assert begun.valid_to == today_in(site.time_zone) - timedelta(days=1)
    assert not HostAgreement.objects.filter(pk=later.pk).exists()


def test_b53_what_is_shared_already_is_passed_over_without_a_look_at_each(
    charge: Charge, agree: Agree, host: Host, station: ChargingStation, alice: Actor
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50), valid_to=TODAY + timedelta(days=1))
    agree(town, percent=Decimal(10), valid_from=TODAY + timedelta(days=9))

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            self_billing.planned(town, NEXT_MONTH)
        return len(seen)

    for _ in range(2):
        sealed(charge)
    few = queries()
    for _ in range(3):
        sealed(charge)

    assert queries() == few
    self_billing.make(town, THIS_MONTH, by=alice)
    assert queries() < few


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_b53_the_day_of_a_record_is_that_of_its_place_when_it_was_sealed(
    charge: Charge, agree: Agree, host: Host, site: Site, alice: Actor, zone: str
) -> None:
    record, town = sealed(charge), host("Town")
    day = record.started_at.astimezone(ZoneInfo(site.time_zone)).date()
    agree(town, percent=Decimal(50), valid_from=day, valid_to=day)
    Site.objects.filter(pk=site.pk).update(time_zone=zone)

    assert self_billing.make(town, THIS_MONTH, by=alice)[0].net == Decimal("3.09")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_b52_b53_an_agreement_ends_today_where_its_place_is(
    agree: Agree, host: Host, site: Site, station: ChargingStation, alice: Actor, zone: str
) -> None:
    Site.objects.filter(pk=site.pk).update(time_zone=zone)
    terms = home_agreements.Terms(
        rate_per_kwh=Decimal(1), currency="EUR", valid_from=TODAY - timedelta(days=9), meter_serial="M"
    )
    driver = factories.make_driver(alice)
    home = home_agreements.agree(driver, station, terms, supply=Supply(tax="none"), by=alice)
    shared = agree(host("Town"), percent=Decimal(1))
    today = today_in(zone)
    with pytest.raises(Invalid, match="today or later"):
        home_agreements.end(home, today - timedelta(days=1), by=alice)
    with pytest.raises(Invalid, match="today or later"):
        hosts.end(shared, today - timedelta(days=1), by=alice)

    assert home_agreements.end(home, today, by=alice).valid_to == today
    assert hosts.end(shared, today, by=alice).valid_to == today


def test_b53_nothing_is_agreed_with_a_driver_who_is_no_more(agree: Agree, site: Site, alice: Actor) -> None:
    driver = factories.make_driver(alice)
    account = accounts.of_driver(driver)
    drivers.retire(driver, by=alice)
    body = {"account": str(account.pk), "site": str(site.pk), "percent": "9", "currency": "EUR",
            "valid_from": str(TODAY), "tax": "none"}  # fmt: skip
    api = client_with(factories.make_key(account.organization))
    answer = api.post("/api/v1/host-agreements/", body, format="json")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/account"), answer.content
    assert not HostAgreement.objects.filter(account=account).exists()
