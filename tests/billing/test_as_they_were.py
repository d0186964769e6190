"""Records say what was true at the start, documents what was true at issuing, and small sums wait (B-04 to B-21)."""

from decimal import Decimal

import pytest

from billing.documents import figures, pdf
from billing.models import (
    BillingException,
    Buyer,
    Cdr,
    Decision,
    Invoice,
    InvoiceState,
    Letterhead,
    Outcome,
    Seller,
    SessionOrigin,
    Settlement,
    SigningRule,
)
from billing.services import (
    crediting,
    documents,
    drafting,
    exceptions,
    free_sites,
    issuing,
    parties,
    running,
    settling,
    signed_values,
    snapshots,
)
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Organization
from drivers.models import Driver
from stations.models import ChargingStation, SessionCost, Site, Transaction
from stations.services import sites
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle, when_over
from tests.billing.ocmf.signing import Meter
from tests.billing.ocmf.test_judging import keep, pair
from tests.factories import sessions

pytestmark = pytest.mark.usefixtures("committed")
PNG, OTHER = (b"\x89PNG\r\n\x1a\n" + name for name in (b"first", b"second"))


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice)


@pytest.fixture
def site(alice: Actor) -> Site:
    made: Site = sites.create({"name": factories.unique("Site"), "time_zone": "Europe/Berlin"}, by=alice)
    return made


def record_of(session: Transaction) -> Cdr:
    return Cdr.objects.get(transaction=session, credit=False, credited_by=None)


def issued(driver: Driver, by: Actor) -> Invoice:
    return issuing.issue(drafting.draft(driver.billing_account, THIS_MONTH, by=by)[0], by=by)


def run(organization: Organization, by: Actor, period: str = THIS_MONTH) -> None:
    running.start(organization, period, issue=True, by=by)
    running.work()


# B-04


def test_b04_a_record_has_the_names_of_the_start_and_keeps_them_nowhere_else(
    station: ChargingStation, alice: Actor, driver: Driver, site: Site
) -> None:
    before = driver.name, site.name
    station.site = site
    station.save()
    token = factories.make_token(alice, driver=driver)
    session = sessions.begin(station, token=token.value)
    settling.listen()
    assert SessionOrigin.objects.filter(pk=session.pk).count() == 1
    Driver.objects.filter(pk=driver.pk).update(name="Renamed")
    Site.objects.filter(pk=session.site_id).update(name="Moved")
    sessions.end(session, 4000)
    settle()

    content = record_of(session).content
    assert (content["driver"], content["place"]["name"]) == before
    assert not SessionOrigin.objects.filter(pk=session.pk).exists()


def test_b04_a_session_of_whose_start_nobody_told_has_the_names_of_its_sealing(
    charge: Charge, driver: Driver
) -> None:
    session = charge(driver=driver)
    settling.listen()
    SessionOrigin.objects.filter(pk=session.pk).delete()
    Driver.objects.filter(pk=driver.pk).update(name="Renamed")
    settle()
    assert record_of(session).content["driver"] == "Renamed"


# B-08, B-10


@pytest.fixture
def late(charge: Charge, driver: Driver, alice: Actor) -> Transaction:
    """A session that is on an issued invoice, of which a reading of a kWh more came late."""
    session = charge(driver=driver)
    settle()
    issued(driver, alice)
    Transaction.objects.filter(pk=session.pk).update(meter_last_wh=13_345, energy_wh=13_345)
    settle()
    return session


def test_b08_a_bill_is_corrected_upwards_only_with_consent_by_credit_and_new_record(
    late: Transaction, driver: Driver, alice: Actor
) -> None:
    doubt = BillingException.objects.get(transaction=late)
    before = record_of(late)
    for consent in ("", "  "):
        with pytest.raises(Invalid, match="only if that person agrees"):
            exceptions.resolve(doubt, Decision.CORRECTED, by=alice, reason="late", consent=consent)
    assert record_of(late) == before
    assert SessionCost.objects.get(pk=late.pk).incl_vat == Decimal("7.35")

    exceptions.resolve(doubt, Decision.CORRECTED, by=alice, reason="late", consent="by mail of today")
    after = record_of(late)
    note = Invoice.objects.get(account=driver.billing_account, kind="credit")
    assert (after.replaces, after.payable_incl_vat) == (before, Decimal("7.94"))
    assert (after.content["driver"], note.due) == (before.content["driver"], Decimal("7.35"))
    assert BillingException.objects.get(pk=doubt.pk).consent == "by mail of today"
    following = drafting.end_of(THIS_MONTH, "Europe/Berlin").strftime("%Y-%m")
    assert [one.due for one in drafting.draft(driver.billing_account, following, by=alice)] == [
        Decimal("7.94")
    ]
    settle()
    assert not BillingException.objects.open().filter(transaction=late).exists()


def test_b08_a_bill_is_corrected_downwards_without_asking(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    session = charge(driver=driver)
    settle()
    Transaction.objects.filter(pk=session.pk).update(meter_last_wh=4_000, energy_wh=4_000)
    settle()
    doubt = BillingException.objects.get(transaction=session)
    exceptions.resolve(doubt, Decision.CORRECTED, by=alice, reason="late")
    assert record_of(session).payable_incl_vat == Decimal("2.38")
    assert Cdr.objects.filter(transaction=session, credit=True).count() == 1
    assert not Invoice.objects.filter(account=driver.billing_account).exists()


def test_b08_only_sealed_sessions_are_corrected_and_only_by_who_may(
    late: Transaction, charge: Charge, alice: Actor, organization: Organization
) -> None:
    waiting = charge(12_000)
    ChargingStation.objects.filter(pk=waiting.station_id).update(max_power_w=11_000)
    settle()
    doubt = BillingException.objects.get(transaction=waiting)
    with pytest.raises(Invalid, match="sealed"):
        exceptions.resolve(doubt, Decision.CORRECTED, by=alice, reason="why")
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.VIEWER, "bob")
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        with pytest.raises(error):
            exceptions.resolve(
                BillingException.objects.get(transaction=late), Decision.CORRECTED, by=actor, reason="mine",
                consent="sure",
            )  # fmt: skip
    assert Cdr.objects.filter(transaction=late).count() == 1


# B-13


def test_b13_staff_and_free_sites_are_not_billed_for_a_stated_reason(
    charge: Charge, alice: Actor, organization: Organization, site: Site
) -> None:
    worker, guest = factories.make_driver(alice), factories.make_driver(alice)
    first = charge(driver=worker)
    settle()
    parties.save_buyer(worker.billing_account, {"staff": True}, by=alice)
    free_sites.choose(organization, [site.pk], by=alice)
    by_staff, free = charge(driver=worker), charge(driver=guest)
    Transaction.objects.filter(pk=free.pk).update(site=site)
    settle()

    told = dict(Settlement.objects.filter(pk__in=[by_staff.pk, free.pk]).values_list("pk", "reason"))
    assert told == {by_staff.pk: "staff", free.pk: "free_site"}
    assert Settlement.objects.get(pk=free.pk).outcome == Outcome.NOT_BILLABLE
    assert not Cdr.objects.filter(transaction__in=[by_staff, free]).exists()
    assert record_of(first).payable_incl_vat == Decimal("7.35")
    assert free_sites.chosen(organization) == [site.pk]
    free_sites.choose(organization, [], by=alice)
    assert free_sites.chosen(organization) == []


def test_b13_strangers_and_those_limited_to_a_site_make_none_free(
    organization: Organization, site: Site, alice: Actor
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        with pytest.raises(error):
            free_sites.choose(organization, [site.pk], by=actor)
    foreign: Site = sites.create({"name": factories.unique("Site"), "time_zone": "Europe/Berlin"}, by=charlie)
    with pytest.raises(Invalid, match="no such site"):
        free_sites.choose(organization, [foreign.pk], by=alice)
    assert free_sites.chosen(organization) == []


# B-21


def test_b21_a_month_below_the_least_amount_is_carried_to_the_next_one(
    charge: Charge, driver: Driver, alice: Actor, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "YEAR_END", "-13")  # so that it says the same in December
    charge(1000, driver=driver)
    settle()
    account = driver.billing_account
    parties.save_buyer(account, {"minimum_amount": Decimal(5)}, by=alice)
    assert running.preview(organization, THIS_MONTH, by=alice) == []
    run(organization, alice)
    assert not Invoice.objects.filter(account=account).exists()
    with pytest.raises(Conflict, match="minimum amount"):
        drafting.draft(account, THIS_MONTH, by=alice)
    charge(12_345, driver=driver)
    settle()
    run(organization, alice)
    assert Invoice.objects.get(account=account).due == Decimal("7.95")


def test_b21_at_the_end_of_the_year_the_least_amount_does_not_count(
    charge: Charge, driver: Driver, alice: Actor, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge(1000, driver=driver)
    settle()
    parties.save_buyer(driver.billing_account, {"minimum_amount": Decimal(5)}, by=alice)
    december = f"{THIS_MONTH[:4]}-12"
    when_over(monkeypatch, december)
    [seen] = running.preview(organization, december, by=alice)
    run(organization, alice, december)
    assert (seen.due, Invoice.objects.get(account=driver.billing_account).due) == (Decimal("0.60"),) * 2


def test_b21_what_a_run_of_december_left_is_not_carried_any_further(
    charge: Charge, driver: Driver, alice: Actor
) -> None:
    charge(1000, driver=driver)
    settle()
    parties.save_buyer(driver.billing_account, {"minimum_amount": Decimal(5)}, by=alice)
    january = f"{int(THIS_MONTH[:4]) + 1}-01"
    assert len(drafting.draft(driver.billing_account, january, by=alice)) == 1


@pytest.mark.parametrize("amount", ["-1", "NaN", "1E+12"])
def test_b21_a_least_amount_that_is_none_is_refused(
    charge: Charge, driver: Driver, alice: Actor, amount: str
) -> None:
    charge(driver=driver)
    settle()
    with pytest.raises(Invalid):
        parties.save_buyer(driver.billing_account, {"minimum_amount": Decimal(amount)}, by=alice)
    assert not Buyer.objects.filter(account=driver.billing_account).exists()


# B-15: the logo


def shown(invoice: Invoice) -> str:
    opened = snapshots.opened(invoice.snapshot)
    return pdf.page(figures.of(opened), documents.logo_of(invoice))


def test_b15_an_issued_document_keeps_the_logo_that_it_was_issued_with(
    charge: Charge, driver: Driver, alice: Actor, organization: Organization
) -> None:
    parties.save_seller(organization, {"logo": PNG}, by=alice)
    charge(driver=driver)
    settle()
    invoice = issued(driver, alice)
    before = shown(invoice)
    parties.save_seller(organization, {"logo": OTHER}, by=alice)
    note = crediting.credit(invoice, by=alice, reason="wrong")

    assert "data:image/png" in before
    assert shown(Invoice.objects.get(pk=invoice.pk)) == before
    assert documents.logo_of(note) == PNG, "it looks like the invoice that it takes back"
    other = charge(driver=driver)
    settle()
    following = drafting.end_of(THIS_MONTH, "Europe/Berlin").strftime("%Y-%m")
    [draft] = drafting.draft(driver.billing_account, following, by=alice)
    assert documents.logo_of(issuing.issue(draft, by=alice)) == OTHER, other
    assert Letterhead.objects.filter(organization=organization).count() == 2


def test_b15_an_invoice_without_a_logo_gets_none_later(
    charge: Charge, driver: Driver, alice: Actor, organization: Organization
) -> None:
    charge(driver=driver)
    settle()
    invoice = issued(driver, alice)
    Seller.objects.filter(pk=organization.pk).update(logo=PNG)
    assert documents.logo_of(invoice) == b""
    assert invoice.state == InvoiceState.ISSUED


# B-63


@pytest.fixture
def meter(organization: Organization, alice: Actor, site: Site) -> Meter:
    """One whose key is known, at a site that bills by signed values only."""
    made = Meter(serial=factories.unique("M"))
    signed_values.register_key(organization, made.serial, made.public_key, by=alice)
    signed_values.set_policy(site, SigningRule.REQUIRED, by=alice)
    return made


def test_b63_the_bill_is_made_from_the_signed_pair_even_where_the_unsigned_register_differs(
    charge: Charge, site: Site, meter: Meter
) -> None:
    session = charge(13_000)
    Transaction.objects.filter(pk=session.pk).update(site=site)
    keep(session, *pair(meter), key=meter.public_key)
    settle()
    record = record_of(session)

    # 2119.91 - 2107.38 = 12.53 kWh; x 0.50 x 1.19 = 7.45535
    assert (record.energy_kwh, record.payable_incl_vat) == (Decimal("12.53"), Decimal("7.46"))
    assert (record.meter_start_wh, record.meter_end_wh) == (Decimal(2_107_380), Decimal(2_119_910))
    assert Decimal(record.content["reported_end_wh"]) == 13_000
    assert SessionCost.objects.get(pk=session.pk).incl_vat == Decimal("7.46"), "the page says what is billed"
    assert Transaction.objects.get(pk=session.pk).meter_last_wh == 13_000
    settle()
    assert not BillingException.objects.filter(transaction=session).exists(), "nothing came late"


def test_b63_what_is_only_recorded_is_billed_by_the_register(
    charge: Charge, site: Site, meter: Meter, alice: Actor
) -> None:
    signed_values.set_policy(site, SigningRule.RECORDED, by=alice)
    session = charge(13_000)
    Transaction.objects.filter(pk=session.pk).update(site=site)
    keep(session, *pair(meter), key=meter.public_key)
    settle()
    assert record_of(session).energy_kwh == 13
