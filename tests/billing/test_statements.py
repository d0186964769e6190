"""Who charges at home gets a document of type 389: each record once, whatever happens (billing B-52, B-29)."""

import csv
import io
import threading
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import Sum
from django.db.transaction import atomic

from billing.documents import figures, pdf
from billing.models import (
    AccountException,
    BillingRun,
    Cdr,
    HomeAgreement,
    Invoice,
    InvoiceState,
    LedgerEntry,
    Payout,
    RunKind,
    Share,
)
from billing.services import (
    accounts,
    corrections,
    crediting,
    documents,
    drafting,
    erasing,
    exporting,
    home_agreements,
    parties,
    posting,
    reconciling,
    running,
    self_billing,
    snapshots,
    suppliers,
)
from billing.services.home_agreements import Terms
from billing.services.payments import allocating, receiving, watching
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Organization
from drivers.models import Driver
from stations.models import ChargingStation
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle, when_over

pytestmark = pytest.mark.usefixtures("committed")
TODAY = clock.now().date()
NEXT_MONTH = drafting.end_of(THIS_MONTH, "Europe/Berlin").strftime("%Y-%m")
Paid = Callable[..., Cdr]


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Frida Abend")


@pytest.fixture
def agreement(driver: Driver, station: ChargingStation, alice: Actor) -> HomeAgreement:
    terms = Terms(
        rate_per_kwh=Decimal("0.30"),
        currency="EUR",
        valid_from=TODAY - timedelta(days=40),
        meter_serial="M-1",
    )
    return home_agreements.agree(driver, station, terms, supply=Supply(tax="none"), by=alice)


@pytest.fixture
def paid(charge: Charge, driver: Driver, agreement: HomeAgreement) -> Paid:
    """The record of a session at home."""

    def made(wh: int = 10_000, who: Driver | None = None) -> Cdr:
        session = charge(wh, driver=who or driver)
        settle()
        return Cdr.objects.get(transaction=session, credit=False)

    return made


def make(driver: Driver, period: str = THIS_MONTH, *, by: Actor) -> list[Invoice]:
    return self_billing.make(accounts.of_driver(driver), period, by=by)


def sums(**of: Any) -> dict[str, Decimal]:
    rows = LedgerEntry.objects.filter(**of).order_by().values_list("account").annotate(Sum("amount"))
    return dict(rows)


def test_b52_a_month_of_charging_at_home_is_one_self_billed_document(
    paid: Paid, driver: Driver, alice: Actor, organization: Organization
) -> None:
    records = [paid(10_000), paid(12_345)]
    [statement] = make(driver, by=alice)
    found = reconciling.reconcile(
        organization, clock.now() - timedelta(days=1), clock.now() + timedelta(days=1), by=alice
    )

    assert (statement.document_type, statement.kind, statement.state) == ("389", "statement", "issued")
    assert statement.number == f"S-{statement.issued_on:%Y}-000001"
    assert (statement.net, statement.vat, statement.due) == (Decimal("6.70"), 0, Decimal("6.70"))
    assert [share.cdr for share in statement.shares.all()] == records
    assert sums(journal__invoice=statement) == {
        "payable": Decimal("-6.70"), "compensation": Decimal("6.70"),
    }  # fmt: skip
    assert found.differences == []
    assert found.counts["compensated"] == 2


def test_b52_the_document_says_who_supplies_and_why_it_has_no_vat(
    paid: Paid, driver: Driver, alice: Actor
) -> None:
    paid()
    [statement] = make(driver, by=alice)
    cii = documents.render(statement, "cii").decode()
    ubl = documents.render(statement, "ubl").decode()

    assert "<ram:TypeCode>389</ram:TypeCode>" in cii
    assert "<cbc:InvoiceTypeCode>389</cbc:InvoiceTypeCode>" in ubl
    seller, buyer = cii.split("<ram:BuyerTradeParty>")
    assert "Frida Abend" in seller
    assert "Hafenstraße 1" in buyer
    assert "<ram:CategoryCode>O</ram:CategoryCode>" in cii
    assert "does not act as a taxable person" in cii
    assert "Frida Abend" not in buyer
    assert "sealed" in statement.snapshot["seller"]
    assert "email" not in statement.snapshot["seller"]


def test_b52_b55_the_pdf_is_from_the_organization_to_the_driver(
    paid: Paid, driver: Driver, alice: Actor
) -> None:
    paid()
    [statement] = make(driver, by=alice)
    page = pdf.page(figures.of(snapshots.opened(statement.snapshot)))

    assert "Self-billed invoice" in page
    assert "Charging at home" in page
    assert page.index("Hafenstraße 1") < page.index("Frida Abend")
    assert "does not act as a taxable person" in page
    assert "Payable by" not in page


def test_b52_a_supplier_with_vat_gets_it_at_the_stated_rate(paid: Paid, driver: Driver, alice: Actor) -> None:
    account = accounts.of_driver(driver)
    suppliers.save(account, Supply(tax="standard", vat_rate=Decimal(19), tax_number="12/345"), by=alice)
    paid(12_345)
    [statement] = make(driver, by=alice)

    assert (statement.net, statement.vat, statement.due) == (
        Decimal("3.70"),
        Decimal("0.70"),
        Decimal("4.40"),
    )
    assert sums(journal__invoice=statement) == {
        "payable": Decimal("-4.40"), "compensation": Decimal("3.70"), "vat": Decimal("0.70"),
    }  # fmt: skip
    assert "<ram:CategoryCode>S</ram:CategoryCode>" in documents.render(statement, "cii").decode()


def test_b52_vat_without_a_number_is_refused(paid: Paid, driver: Driver, alice: Actor) -> None:
    suppliers.save(accounts.of_driver(driver), Supply(tax="standard", vat_rate=Decimal(19)), by=alice)
    paid()
    with pytest.raises(Invalid, match="VAT id"):
        make(driver, by=alice)

    assert not Invoice.objects.visible_to(alice).exists()


def test_b52_a_second_start_pays_nothing_twice_and_what_came_late_is_next_months(
    paid: Paid, driver: Driver, alice: Actor
) -> None:
    paid()
    [first] = make(driver, by=alice)
    late = paid(20_000)
    assert make(driver, by=alice) == []
    [second] = make(driver, NEXT_MONTH, by=alice)

    assert [share.cdr for share in second.shares.all()] == [late]
    assert (first.due, second.due) == (Decimal("3.00"), Decimal("6.00"))


def test_b29_two_starts_at_once_pay_once(
    paid: Paid, driver: Driver, alice: Actor, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [paid(10_000), paid(20_000)]
    running.start(organization, THIS_MONTH, issue=True, kind=RunKind.STATEMENTS, by=alice)
    when_over(monkeypatch, NEXT_MONTH)
    running.start(organization, NEXT_MONTH, issue=True, kind=RunKind.STATEMENTS, by=alice)
    with pytest.raises(Conflict, match="already"):
        running.start(organization, THIS_MONTH, issue=True, kind=RunKind.STATEMENTS, by=alice)

    def work() -> None:
        try:
            running.work()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert sorted(Share.objects.visible_to(alice).values_list("cdr", flat=True)) == sorted(
        one.pk for one in records
    )
    assert Invoice.objects.visible_to(alice).get().due == Decimal("9.00")
    assert not BillingRun.objects.visible_to(alice).filter(state="open").exists()


def test_b29_killed_while_it_posts_nothing_was_paid_and_no_number_is_spent(
    paid: Paid, driver: Driver, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid()

    def killed(_: Invoice) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(posting, "post", killed)
        with pytest.raises(KeyboardInterrupt):
            make(driver, by=alice)
    assert not Invoice.objects.visible_to(alice).exists()
    assert not Share.objects.visible_to(alice).exists()
    [statement] = make(driver, by=alice)

    assert statement.sequence == 1


def test_b33_the_preview_writes_nothing_and_says_what_the_run_issues(
    paid: Paid, alice: Actor, organization: Organization
) -> None:
    paid(12_345)
    [seen] = running.preview(organization, THIS_MONTH, kind=RunKind.STATEMENTS, by=alice)
    assert not Invoice.objects.visible_to(alice).exists()
    run = running.start(organization, THIS_MONTH, issue=True, kind=RunKind.STATEMENTS, by=alice)
    running.work()
    [made] = running.amounts(run)

    assert seen.due == made["due"] == Decimal("3.70")


def test_b34_who_cannot_be_paid_is_told_and_stops_nobody(
    paid: Paid, driver: Driver, station: ChargingStation, alice: Actor, organization: Organization
) -> None:
    other = factories.make_driver(alice, "Gustav")
    terms = Terms(
        rate_per_kwh=Decimal(1), currency="EUR", valid_from=TODAY - timedelta(days=9), meter_serial="M"
    )
    home_agreements.agree(
        other, station, terms, supply=Supply(tax="standard", vat_rate=Decimal(19)), by=alice
    )
    paid()
    paid(who=other)
    running.start(organization, THIS_MONTH, issue=True, kind=RunKind.STATEMENTS, by=alice)
    running.work()

    assert Invoice.objects.visible_to(alice).get().account == accounts.of_driver(driver)
    failed = AccountException.objects.visible_to(alice).get()
    assert (failed.account, failed.kind, failed.closed_at) == (accounts.of_driver(other), "statements", None)
    running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    assert AccountException.objects.visible_to(alice).filter(closed_at=None).exists()


def test_b52_what_is_taken_back_before_is_on_no_statement(paid: Paid, driver: Driver, alice: Actor) -> None:
    corrections.credit(paid(), by=alice, reason="A test drive")
    kept = paid(20_000)
    [statement] = make(driver, by=alice)

    assert [share.cdr for share in statement.shares.all()] == [kept]
    assert not self_billing.waits(accounts.of_driver(driver))


def test_b52_b10_what_is_taken_back_after_is_taken_off_the_next_once(
    paid: Paid, driver: Driver, alice: Actor, organization: Organization
) -> None:
    first = paid()
    make(driver, by=alice)
    credit = crediting.credit_record(first, by=alice, reason="A test drive")
    assert make(driver, NEXT_MONTH, by=alice) == []
    kept = paid(20_000)
    [second] = make(driver, NEXT_MONTH, by=alice)
    later = drafting.end_of(NEXT_MONTH, "Europe/Berlin").strftime("%Y-%m")

    assert {share.cdr: share.net for share in second.shares.all()} == {
        credit: Decimal("-3.00"), kept: Decimal("6.00"),
    }  # fmt: skip
    assert second.due == Decimal("3.00")
    assert make(driver, later, by=alice) == []
    assert sums(journal__organization=organization, account="payable") == {"payable": Decimal("-6.00")}
    assert "<ram:BilledQuantity" in documents.render(second, "cii").decode()


def test_b52_the_database_pays_for_a_record_once(paid: Paid, driver: Driver, alice: Actor) -> None:
    record = paid()
    [statement] = make(driver, by=alice)
    share = statement.shares.get()
    told = {name: getattr(share, name) for name in ("vat_rate", "vat_category", "net", "home_agreement_id")}
    for change in (
        lambda: Share.objects.create(invoice=statement, cdr=record, place=2, **told),
        lambda: Share.objects.filter(pk=share.pk).update(net=Decimal(99)),
        lambda: Share.objects.filter(pk=share.pk).delete(),
    ):
        with pytest.raises(DatabaseError), atomic():
            change()

    assert Share.objects.visible_to(alice).get().net == Decimal("3.00")


def test_b52_a_statement_is_never_collected_reminded_of_or_paid_like_an_invoice(
    paid: Paid, driver: Driver, alice: Actor, organization: Organization
) -> None:
    paid()
    [statement] = make(driver, by=alice)
    with pytest.raises(Conflict, match="Nothing is owed"):
        receiving.record(statement, statement.due, received_on=TODAY, by=alice)
    with pytest.raises(Conflict):
        crediting.credit(statement, by=alice, reason="A try")
    watching.pay_from_wallets()

    assert allocating.open_amount(statement) == 0
    assert drafting.taken(accounts.of_driver(driver), THIS_MONTH).count() == 0
    statement.refresh_from_db()
    assert statement.state == InvoiceState.ISSUED


def test_b52_it_is_paid_out_once_and_the_ledger_is_even(
    paid: Paid, driver: Driver, alice: Actor, organization: Organization
) -> None:
    paid()
    [statement] = make(driver, by=alice)
    with pytest.raises(Invalid):
        self_billing.pay_out(statement, paid_on=TODAY + timedelta(days=3), by=alice)
    self_billing.pay_out(statement, paid_on=statement.issued_on, note="Payroll", by=alice)
    with pytest.raises(Conflict, match="not paid yet"):
        self_billing.pay_out(statement, paid_on=statement.issued_on, by=alice)
    statement.refresh_from_db()

    assert statement.state == InvoiceState.PAID
    assert Payout.objects.visible_to(alice).get().note == "Payroll"
    assert sums(journal__organization=organization) == {
        "payable": Decimal("0.0000"), "compensation": Decimal("3.00"), "bank": Decimal("-3.00"),
    }  # fmt: skip


def test_b52_b67_nobody_is_forgotten_before_they_are_paid(paid: Paid, driver: Driver, alice: Actor) -> None:
    paid()
    assert erasing.obstacles(driver) == [erasing.UNPAID]
    [statement] = make(driver, by=alice)
    assert erasing.obstacles(driver) == [erasing.OWED]
    self_billing.pay_out(statement, paid_on=statement.issued_on, by=alice)
    erasing.erase(driver, by=alice)

    assert Share.objects.visible_to(alice).count() == 1
    assert HomeAgreement.objects.visible_to(alice).get().valid_to is not None


def test_b52_a_stranger_makes_and_pays_no_statement(
    paid: Paid, driver: Driver, alice: Actor, organization: Organization
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    paid()
    with pytest.raises((NotFound, NotPermitted)):
        make(driver, by=charlie)
    [statement] = make(driver, by=alice)
    with pytest.raises((NotFound, NotPermitted)):
        self_billing.pay_out(statement, paid_on=statement.issued_on, by=charlie)
    with pytest.raises((NotFound, NotPermitted)):
        running.start(organization, THIS_MONTH, issue=True, kind=RunKind.STATEMENTS, by=charlie)
    with pytest.raises((NotFound, NotPermitted)):
        suppliers.save(accounts.of_driver(driver), Supply(tax="none"), by=charlie)

    assert not Payout.objects.visible_to(alice).exists()
    assert not Invoice.objects.visible_to(charlie).exists()


def test_b52_the_buyers_details_are_the_accounts(paid: Paid, driver: Driver, alice: Actor) -> None:
    address = {"street": "Heimweg 2", "postal_code": "20099", "city": "Hamburg", "country": "DE"}
    parties.save_buyer(accounts.of_driver(driver), address, by=alice)
    paid()
    [statement] = make(driver, by=alice)

    assert "Heimweg 2" in documents.render(statement, "cii").decode()
    assert "Heimweg 2" not in str(statement.snapshot)


def test_b52_b68_a_suppliers_tax_number_is_on_the_documents_and_sealed_in_the_snapshot(
    paid: Paid, driver: Driver, alice: Actor
) -> None:
    supply = Supply(tax="standard", vat_rate=Decimal(19), tax_number="12/345/6789")
    suppliers.save(accounts.of_driver(driver), supply, by=alice)
    paid()
    [statement] = make(driver, by=alice)

    assert "12/345/6789" not in str(statement.snapshot)
    assert snapshots.opened(statement.snapshot)["seller"]["tax_number"] == "12/345/6789"
    assert "12/345/6789" in documents.render(statement, "cii").decode()
    assert "12/345/6789" in documents.render(statement, "ubl").decode()
    assert "12/345/6789" in pdf.page(figures.of(snapshots.opened(statement.snapshot)))


def test_b52_b10_what_is_taken_back_bears_the_vat_that_was_paid_with_it(
    paid: Paid, driver: Driver, alice: Actor
) -> None:
    account = accounts.of_driver(driver)
    suppliers.save(account, Supply(tax="standard", vat_rate=Decimal(19), tax_number="12/345"), by=alice)
    first = paid()
    make(driver, by=alice)
    suppliers.save(account, Supply(tax="standard", vat_rate=Decimal(7), tax_number="12/345"), by=alice)
    credit = crediting.credit_record(first, by=alice, reason="A test drive")
    kept = paid(20_000)
    [second] = make(driver, NEXT_MONTH, by=alice)
    cii = documents.render(second, "cii").decode()

    assert {share.cdr: share.vat_rate for share in second.shares.all()} == {credit: 19, kept: 7}
    assert [(Decimal(one["net"]), Decimal(one["vat"])) for one in second.vat_groups] == [
        (Decimal("6.00"), Decimal("0.42")), (Decimal("-3.00"), Decimal("-0.57")),
    ]  # fmt: skip
    assert (second.net, second.due) == (Decimal("3.00"), Decimal("2.85"))
    assert sums(journal__invoice=second, account="vat") == {"vat": Decimal("-0.15")}
    assert "<ram:RateApplicablePercent>19" in cii


def test_b52_b10_what_was_paid_outside_of_vat_is_not_taken_back_on_a_document_with_it(
    paid: Paid, driver: Driver, alice: Actor
) -> None:
    account = accounts.of_driver(driver)
    first = paid()
    make(driver, by=alice)
    suppliers.save(account, Supply(tax="standard", vat_rate=Decimal(19), tax_number="12/345"), by=alice)
    crediting.credit_record(first, by=alice, reason="A test drive")
    kept = paid(20_000)
    [second] = make(driver, NEXT_MONTH, by=alice)

    assert [share.cdr for share in second.shares.all()] == [kept]
    assert second.due == Decimal("7.14")
    assert self_billing.waits(account)


def test_b52_a_statement_is_paid_no_earlier_than_it_says(paid: Paid, driver: Driver, alice: Actor) -> None:
    paid()
    [statement] = make(driver, by=alice)
    for day in (statement.issued_on - timedelta(days=1), date.min):
        with pytest.raises(Invalid, match="not paid before") as told:
            self_billing.pay_out(statement, paid_on=day, by=alice)
        assert told.value.field == "paid_on"

    assert not Payout.objects.visible_to(alice).exists()


def test_b52_the_audit_export_has_the_postings_of_payouts(
    paid: Paid, driver: Driver, alice: Actor, organization: Organization
) -> None:
    paid()
    [statement] = make(driver, by=alice)
    self_billing.pay_out(statement, paid_on=statement.issued_on, by=alice)
    day = statement.issued_on
    with zipfile.ZipFile(io.BytesIO(exporting.gobd(organization, day, day, by=alice))) as archive:
        rows = list(csv.DictReader(archive.read("ledger.csv").decode().splitlines(), delimiter=";"))

    assert sorted((one["number"], one["account"], one["amount"]) for one in rows) == sorted(
        (statement.number, account, amount)
        for account, amount in (
            ("bank", "-3.00"), ("compensation", "3.00"), ("payable", "-3.00"), ("payable", "3.00"),
        )
    )  # fmt: skip
