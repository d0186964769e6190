"""Hosts get their shares of each record, which add up exactly, once (billing B-53)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError
from django.db.transaction import atomic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import HostAgreement, Invoice, LedgerEntry, Share
from billing.services import (
    accounts,
    corrections,
    documents,
    drafting,
    erasing,
    home_agreements,
    host_shares,
    hosts,
    merging,
    self_billing,
)
from billing.services.hosts import Terms
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.models import ChargingStation, Site
from tests import factories
from tests.billing.conftest import THIS_MONTH, Agree, Charge, Host, sealed, settle

TODAY = clock.now().date()
BEFORE, AFTER = TODAY - timedelta(days=40), TODAY + timedelta(days=40)
NEXT_MONTH = drafting.end_of(THIS_MONTH, "Europe/Berlin").strftime("%Y-%m")


def rule(percent: str = "0", **more: str) -> HostAgreement:
    return HostAgreement(percent=Decimal(percent), **{name: Decimal(value) for name, value in more.items()})


def test_b53_shares_add_up_to_the_cent() -> None:
    rules = [rule("70.25"), rule("22.5"), rule("7.25")]

    assert host_shares.split(Decimal("10.01"), Decimal(9), rules, 2) == [
        Decimal("7.03"), Decimal("2.25"), Decimal("0.73"),
    ]  # fmt: skip


def test_b53_percent_kwh_and_session_add_up_and_have_a_least() -> None:
    net, kwh = Decimal("10.00"), Decimal(20)

    assert host_shares.split(net, kwh, [rule("10", per_kwh="0.02", per_session="0.30")], 2) == [
        Decimal("1.70")
    ]
    assert host_shares.split(net, kwh, [rule("10", minimum="2.50")], 2) == [Decimal("2.50")]
    assert host_shares.split(Decimal("1.00"), kwh, [rule(minimum="2.50")], 2) == [Decimal("1.00")]
    assert host_shares.split(Decimal("-3.00"), kwh, [rule("10")], 2) == [0]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    net=st.integers(min_value=0, max_value=10**7).map(lambda cents: Decimal(cents).scaleb(-2)),
    kwh=st.integers(min_value=0, max_value=10**6).map(lambda wh: Decimal(wh).scaleb(-3)),
    percents=st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=5),
    minimum=st.integers(min_value=0, max_value=2000),
)
def test_b53_whatever_is_agreed_the_shares_are_whole_cents_within_the_amount(
    net: Decimal, kwh: Decimal, percents: list[int], minimum: int
) -> None:
    rules = [rule(str(Decimal(one).scaleb(-4)), minimum=str(Decimal(minimum).scaleb(-2))) for one in percents]
    parts = host_shares.split(net, kwh, rules, 2)

    assert all(part >= 0 and part == round(part, 2) for part in parts)
    assert sum(parts) <= net


@pytest.mark.usefixtures("committed")
def test_b53_each_host_gets_its_share_on_a_document_of_its_own(
    charge: Charge, agree: Agree, host: Host, alice: Actor, organization: Organization
) -> None:
    town, shop = host("Town"), host("Shop")
    agree(town, percent=Decimal("22.5"))
    agree(shop, percent=Decimal("7.25"), per_kwh=Decimal("0.01"))
    record = sealed(charge)
    [of_town] = self_billing.make(town, THIS_MONTH, by=alice)
    [of_shop] = self_billing.make(shop, THIS_MONTH, by=alice)
    entries = LedgerEntry.objects.filter(journal__invoice=of_town).values_list("account", "amount")

    assert record.payable_excl_vat == Decimal("6.18")
    assert (of_town.document_type, of_town.net, of_town.vat) == ("389", Decimal("1.39"), Decimal("0.26"))
    assert of_shop.net == Decimal("0.57")
    assert dict(entries) == {
        "payable": Decimal("-1.65"), "host_share": Decimal("1.39"), "vat": Decimal("0.26"),
    }  # fmt: skip
    assert self_billing.make(town, NEXT_MONTH, by=alice) == []
    assert "Share of 6.18 EUR without VAT" in str(of_town.snapshot["lines"][0]["texts"])
    assert "Share of a charging session" in documents.render(of_town, "cii").decode()


@pytest.mark.usefixtures("committed")
def test_b53_the_customers_bill_is_not_touched_by_it(
    charge: Charge, agree: Agree, host: Host, alice: Actor
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50))
    record = sealed(charge)
    self_billing.make(town, THIS_MONTH, by=alice)
    assert record.account is not None
    [invoice] = drafting.draft(record.account, THIS_MONTH, by=alice)

    assert invoice.due == Decimal("7.35")


@pytest.mark.usefixtures("committed")
def test_b53_a_record_that_is_taken_back_takes_its_share_back_once(
    charge: Charge, agree: Agree, host: Host, alice: Actor
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50))
    record = sealed(charge)
    self_billing.make(town, THIS_MONTH, by=alice)
    credit = corrections.credit(record, by=alice, reason="The wrong price")
    sealed(charge, 30_000)
    [second] = self_billing.make(town, NEXT_MONTH, by=alice)

    assert {share.cdr: share.net for share in second.shares.all()}[credit] == Decimal("-3.09")
    assert second.net == Decimal("4.41")
    assert not self_billing.waits(town)


@pytest.mark.usefixtures("committed")
def test_b53_a_stations_own_agreements_hold_instead_of_its_sites(
    charge: Charge, agree: Agree, host: Host, station: ChargingStation, alice: Actor
) -> None:
    town, shop = host("Town"), host("Shop")
    agree(town, percent=Decimal(50))
    agree(shop, station, percent=Decimal(10))
    sealed(charge)

    assert self_billing.make(town, THIS_MONTH, by=alice) == []
    assert self_billing.make(shop, THIS_MONTH, by=alice)[0].net == Decimal("0.62")


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize(("since", "until"), [(AFTER, None), (BEFORE, BEFORE)])
def test_b53_nothing_is_shared_outside_of_an_agreements_days(
    charge: Charge, agree: Agree, host: Host, alice: Actor, since: Any, until: Any
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50), valid_from=since, valid_to=until)
    sealed(charge)

    assert self_billing.make(town, THIS_MONTH, by=alice) == []


@pytest.mark.usefixtures("committed")
def test_b53_charging_at_home_is_shared_with_nobody(
    charge: Charge, agree: Agree, host: Host, station: ChargingStation, alice: Actor
) -> None:
    town, driver = host("Town"), factories.make_driver(alice)
    agree(town, percent=Decimal(50))
    terms = home_agreements.Terms(
        rate_per_kwh=Decimal("0.30"), currency="EUR", valid_from=BEFORE, meter_serial="M-1"
    )
    home_agreements.agree(driver, station, terms, supply=Supply(tax="none"), by=alice)
    charge(10_000, driver=driver)
    settle()

    assert self_billing.make(town, THIS_MONTH, by=alice) == []


@pytest.mark.usefixtures("committed")
def test_b53_no_more_than_everything_is_shared_on_any_day(agree: Agree, host: Host) -> None:
    agree(host("Town"), percent=Decimal(60), valid_to=TODAY)
    with pytest.raises(Conflict, match="More than everything"):
        agree(host("Shop"), percent=Decimal(41), valid_from=TODAY)

    assert agree(host("Club"), percent=Decimal(41), valid_from=TODAY + timedelta(days=1)).pk
    assert agree(host("Bank"), percent=Decimal(40)).pk


@pytest.mark.usefixtures("committed")
def test_b53_an_account_has_one_agreement_for_a_place_at_a_time(agree: Agree, host: Host, site: Site) -> None:
    town = host("Town")
    made = agree(town, percent=Decimal(10))
    with pytest.raises(Conflict, match="already"):
        agree(town, percent=Decimal(10), valid_from=AFTER)
    with pytest.raises(IntegrityError), atomic():
        HostAgreement.objects.create(
            organization_id=made.organization_id, account=town, site=site, percent=1, currency="EUR",
            valid_from=AFTER, made_at=clock.now(), made_by="a try",
        )  # fmt: skip


@pytest.mark.usefixtures("committed")
def test_b53_what_a_statement_says_is_not_shared_anew(
    charge: Charge, agree: Agree, host: Host, alice: Actor
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50))
    sealed(charge)
    self_billing.make(town, THIS_MONTH, by=alice)
    with pytest.raises(Conflict, match="says already"):
        agree(host("Shop"), percent=Decimal(10))

    assert agree(host("Club"), percent=Decimal(10), valid_from=TODAY + timedelta(days=2)).pk


@pytest.mark.usefixtures("committed")
def test_b53_the_database_shares_no_more_than_there_is(
    charge: Charge, agree: Agree, host: Host, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50))
    sealed(charge)
    monkeypatch.setattr(host_shares, "split", lambda *_: [Decimal(99)])
    with pytest.raises(DatabaseError, match="hosts have"):
        self_billing.make(town, THIS_MONTH, by=alice)

    assert not Invoice.objects.visible_to(alice).exists()
    assert not Share.objects.visible_to(alice).exists()


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("percent", {}),
        ("percent", {"percent": Decimal("100.0001")}),
        ("percent", {"percent": Decimal("NaN")}),
        ("per_session", {"per_session": Decimal("0.001")}),
        ("minimum", {"minimum": Decimal(-1)}),
        ("valid_to", {"percent": Decimal(1), "valid_to": BEFORE - timedelta(days=1)}),
    ],
)
def test_b53_terms_that_cannot_be_are_refused(
    agree: Agree, host: Host, alice: Actor, field: str, terms: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as told:
        agree(host("Town"), **terms)

    assert told.value.field == field
    assert not HostAgreement.objects.visible_to(alice).exists()


@pytest.mark.usefixtures("committed")
def test_b53_an_agreement_ends(agree: Agree, host: Host, alice: Actor) -> None:
    made = agree(host("Town"), percent=Decimal(10))
    with pytest.raises(Invalid):
        hosts.end(made, TODAY - timedelta(days=3), by=alice)

    assert hosts.end(made, AFTER, by=alice).valid_to == AFTER
    with pytest.raises(Conflict):
        hosts.end(made, AFTER, by=alice)


@pytest.mark.usefixtures("committed")
def test_b53_a_stranger_agrees_on_nothing(
    agree: Agree, host: Host, site: Site, organization: Organization
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, name="bob")
    town = host("Town")
    made = agree(town, percent=Decimal(10))
    for who in (charlie, bob):
        with pytest.raises((NotFound, NotPermitted)):
            hosts.agree(town, site, Terms(currency="EUR", valid_from=AFTER, percent=Decimal(1)), by=who)
        with pytest.raises((NotFound, NotPermitted)):
            hosts.end(made, AFTER, by=who)

    rows = HostAgreement.objects.filter(organization=organization)
    assert list(rows.values_list("pk", "valid_to")) == [(made.pk, None)]


@pytest.mark.usefixtures("committed")
def test_b53_a_duplicate_who_is_a_host_is_settled_first(agree: Agree, alice: Actor) -> None:
    kept, twin = factories.make_driver(alice, "Frida Abend"), factories.make_driver(alice, "F. Abend")
    accounts.of_driver(kept)
    agree(accounts.of_driver(twin), percent=Decimal(10))

    assert merging.look(kept, twin).obstacles == (merging.MONEY,)


@pytest.mark.usefixtures("committed")
def test_b53_b67_an_erased_hosts_agreements_end_and_stay(agree: Agree, alice: Actor) -> None:
    driver = factories.make_driver(alice)
    made = agree(accounts.of_driver(driver), percent=Decimal(10))
    erasing.erase(driver, by=alice)
    made.refresh_from_db()

    assert made.valid_to is not None


@pytest.mark.usefixtures("committed")
def test_b53_one_account_with_two_agreements_has_each_share_once(
    charge: Charge, agree: Agree, host: Host, station: ChargingStation, alice: Actor
) -> None:
    town = host("Town")
    agree(town, percent=Decimal(50), valid_to=TODAY + timedelta(days=1))
    agree(town, percent=Decimal(10), valid_from=AFTER)
    sealed(charge)
    self_billing.make(town, THIS_MONTH, by=alice)

    assert self_billing.make(town, NEXT_MONTH, by=alice) == []
    assert Share.objects.visible_to(alice).get().net == Decimal("3.09")
