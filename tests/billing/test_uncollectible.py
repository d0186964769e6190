"""An invoice that nobody will pay is given up, and stays owed (billing B-14, B-48)."""

import csv
import io
import zipfile
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from billing.models import Invoice, InvoiceState, LedgerEntry, Payment, WriteOff
from billing.services import crediting, exporting, reconciling, uncollectible
from billing.services.dunning import policies, standing, taking
from billing.services.payments import allocating, receiving
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Event, Organization
from core.services import outbox
from tests import factories
from tests.billing.pages import browser_of
from tests.billing.payments.conftest import DUE, Issued, issued
from tests.portal.api.conftest import client_with

__all__ = ["issued"]
pytestmark = pytest.mark.usefixtures("committed")
WHY = "The payer moved away and is not found."


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def invoice(issued: Issued) -> Invoice:
    return issued("Dora Driver")


def pay(invoice: Invoice, amount: str, by: Actor) -> Payment:
    return receiving.record(invoice, Decimal(amount), received_on=clock.now().date(), by=by)


def balance(invoice: Invoice, account: str) -> Decimal:
    """Of the organization's ledger; receivables are those of the invoice's payer."""
    rows = LedgerEntry.objects.filter(journal__organization=invoice.organization_id, account=account)
    if account == "receivable":
        rows = rows.filter(payer=invoice.account_id)
    return rows.aggregate(total=Sum("amount"))["total"] or Decimal(0)


def state_of(invoice: Invoice) -> str:
    return Invoice.objects.values_list("state", flat=True).get(pk=invoice.pk)


def ledger_of(made: bytes) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        return list(csv.DictReader(io.StringIO(archive.read("ledger.csv").decode()), delimiter=";"))


def test_b14_what_is_given_up_is_written_off_and_still_owed(invoice: Invoice, alice: Actor) -> None:
    given_up = uncollectible.give_up(invoice, reason=WHY, by=alice)
    outbox.relay(patiently=True)

    assert state_of(invoice) == given_up.state == InvoiceState.UNCOLLECTIBLE
    assert allocating.open_amount(given_up) == DUE
    assert (balance(invoice, "write_off"), balance(invoice, "receivable")) == (DUE, Decimal(0))
    assert Event.objects.get(type="invoice.uncollectible", object_id=invoice.pk).data["open"] == "7.35"
    audited = AuditEntry.objects.get(action="invoice.given_up", object_id=str(invoice.pk))
    assert (audited.reason, audited.changes["state"]) == (WHY, ["issued", "uncollectible"])


def test_b14_giving_up_again_writes_nothing_off_twice(invoice: Invoice, alice: Actor) -> None:
    for _time in range(2):
        uncollectible.give_up(invoice, reason=WHY, by=alice)
    assert WriteOff.objects.filter(invoice=invoice).count() == 1
    assert AuditEntry.objects.filter(action="invoice.given_up", object_id=str(invoice.pk)).count() == 1


def test_b14_of_a_partly_paid_invoice_the_rest_is_written_off(invoice: Invoice, alice: Actor) -> None:
    pay(invoice, "5.00", alice)
    uncollectible.give_up(invoice, reason=WHY, by=alice)
    assert (balance(invoice, "write_off"), balance(invoice, "receivable")) == (Decimal("2.35"), Decimal(0))


def test_b14_a_payment_afterwards_settles_it_and_takes_the_loss_back(invoice: Invoice, alice: Actor) -> None:
    uncollectible.give_up(invoice, reason=WHY, by=alice)
    pay(invoice, "5.00", alice)
    assert state_of(invoice) == InvoiceState.UNCOLLECTIBLE
    assert (balance(invoice, "write_off"), balance(invoice, "receivable")) == (Decimal("2.35"), Decimal(0))

    pay(invoice, "2.35", alice)
    outbox.relay(patiently=True)
    assert state_of(invoice) == InvoiceState.PAID
    assert (balance(invoice, "write_off"), balance(invoice, "receivable")) == (Decimal(0), Decimal(0))
    assert balance(invoice, "bank") == DUE
    assert Event.objects.filter(type="invoice.paid", object_id=invoice.pk).count() == 1


def test_b45_what_the_bank_takes_back_of_it_is_written_off_again(invoice: Invoice, alice: Actor) -> None:
    uncollectible.give_up(invoice, reason=WHY, by=alice)
    part = pay(invoice, "5.00", alice)
    receiving.take_back(part, reason="returned", by=alice)
    assert state_of(invoice) == InvoiceState.UNCOLLECTIBLE
    assert (balance(invoice, "write_off"), balance(invoice, "receivable")) == (DUE, Decimal(0))


def test_b14_a_returned_payment_of_what_was_paid_after_all_makes_it_partly_paid(
    invoice: Invoice, alice: Actor
) -> None:
    uncollectible.give_up(invoice, reason=WHY, by=alice)
    receiving.take_back(pay(invoice, "7.35", alice), reason="returned", by=alice)
    assert state_of(invoice) == InvoiceState.PARTLY_PAID
    assert (balance(invoice, "write_off"), balance(invoice, "receivable")) == (Decimal(0), DUE)


def test_b47_nobody_is_reminded_of_it(invoice: Invoice, alice: Actor) -> None:
    overdue = clock.now() + timedelta(days=60)
    policies.switch(invoice.organization, enabled=True, by=alice)
    assert taking.candidates(overdue).filter(pk=invoice.pk).exists()
    uncollectible.give_up(invoice, reason=WHY, by=alice)
    assert not taking.candidates(overdue).filter(pk=invoice.pk).exists()
    assert standing.of(Invoice.objects.get(pk=invoice.pk), overdue).stop == standing.Stop.NOT_OWED


def test_b12_reconciliation_stays_equal_and_the_export_has_the_write_off(
    invoice: Invoice, alice: Actor, organization: Organization
) -> None:
    uncollectible.give_up(invoice, reason=WHY, by=alice)
    pay(invoice, "5.00", alice)
    now = clock.now()
    found = reconciling.reconcile(organization, now - timedelta(days=2), now + timedelta(days=1), by=alice)
    assert found.differences == []
    today = clock.now().date()
    rows = ledger_of(
        exporting.gobd(organization, today - timedelta(days=1), today + timedelta(days=1), by=alice)
    )
    given_up = [row for row in rows if row["account"] == "write_off"]
    assert [(row["number"], row["amount"]) for row in given_up] == [
        (invoice.number, "7.35"), (invoice.number, "-5.00"),
    ]  # fmt: skip
    assert sum(Decimal(row["amount"]) for row in rows if row["account"] == "cash" or row["payment"]) == 0
    assert {row["payment"] for row in rows} > {""}, "payments are posted too"


def test_b48_what_was_given_up_later_is_in_the_ledger_of_that_time(
    invoice: Invoice, alice: Actor, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    today, later = clock.now().date(), clock.now() + timedelta(days=400)
    with monkeypatch.context() as then:
        then.setattr(clock, "now", lambda: later)
        uncollectible.give_up(invoice, reason=WHY, by=alice)
    for middle, there in ((today, False), (later.date(), True)):
        made = exporting.gobd(organization, middle - timedelta(days=1), middle + timedelta(days=1), by=alice)
        assert any(row["account"] == "write_off" for row in ledger_of(made)) is there


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301, "a\x00b"])
def test_b14_it_is_given_up_with_a_reason_only(invoice: Invoice, alice: Actor, reason: str) -> None:
    with pytest.raises(Invalid):
        uncollectible.give_up(invoice, reason=reason, by=alice)
    assert state_of(invoice) == InvoiceState.ISSUED
    assert not WriteOff.objects.filter(invoice=invoice).exists()


def test_b14_what_is_not_owed_is_not_given_up(invoice: Invoice, alice: Actor, issued: Issued) -> None:
    paid = issued()
    pay(paid, "7.35", alice)
    note = crediting.credit(invoice, by=alice, reason="Wrong")
    for one in (paid, invoice, note):
        with pytest.raises(Conflict, match="Nothing is owed"):
            uncollectible.give_up(one, reason=WHY, by=alice)
    assert not WriteOff.objects.filter(invoice__in=[paid, invoice, note]).exists()


def test_b14_strangers_and_those_without_the_permission_give_nothing_up(
    invoice: Invoice, organization: Organization
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    vera = factories.make_actor(organization, Role.VIEWER, name="vera")
    for by, error in ((charlie, NotFound), (vera, NotPermitted)):
        with pytest.raises(error):
            uncollectible.give_up(invoice, reason=WHY, by=by)
    assert state_of(invoice) == InvoiceState.ISSUED


# By page and API


def test_b14_it_is_given_up_once_by_the_api(invoice: Invoice, organization: Organization) -> None:
    api = client_with(factories.make_key(organization))
    path = f"/api/v1/invoices/{invoice.pk}/"
    assert api.post(f"{path}give-up/", {}, format="json").status_code == 400
    key = {"Idempotency-Key": "give-up-1"}
    first = api.post(f"{path}give-up/", {"reason": WHY}, format="json", headers=key)
    again = api.post(f"{path}give-up/", {"reason": WHY}, format="json", headers=key)
    assert (first.status_code, first.json()["status"]) == (200, "uncollectible")
    assert (first.json()["open_amount"], first.json()["overdue"]) == ("7.35", False)
    assert again.json() == first.json()
    assert [one["number"] for one in api.get("/api/v1/invoices/?status=uncollectible").json()["results"]] == [
        invoice.number
    ]
    body = {"amount": "7.35", "received_on": str(clock.now().date())}
    assert api.post(f"{path}payments/", body, format="json").status_code == 201
    assert api.get(path).json()["status"] == "paid"


def test_b14_strangers_and_readers_give_nothing_up_by_the_api(
    invoice: Invoice, organization: Organization
) -> None:
    stranger = client_with(factories.make_key(factories.make_organization()))
    reader = client_with(factories.make_key(organization, "invoices:read"))
    path = f"/api/v1/invoices/{invoice.pk}/give-up/"
    assert stranger.post(path, {"reason": WHY}, format="json").status_code == 404
    assert reader.post(path, {"reason": WHY}, format="json").status_code == 403
    assert state_of(invoice) == InvoiceState.ISSUED


def test_b14_it_is_given_up_on_its_page_which_says_so(
    invoice: Invoice, organization: Organization, issued: Issued
) -> None:
    browser = browser_of(factories.make_member(organization).user)
    page = f"/o/{organization.slug}/invoices/{invoice.pk}/"
    assert "give-up/" in browser.get(page).content.decode()
    assert browser.post(f"{page}give-up/", {"reason": " "}).status_code == 422
    assert state_of(invoice) == InvoiceState.ISSUED
    browser.post(f"{page}give-up/", {"reason": WHY})
    assert state_of(invoice) == InvoiceState.UNCOLLECTIBLE
    shown = browser.get(page).content.decode()
    assert "Write-off" in shown
    assert WHY in shown
    assert "give-up/" not in shown
    assert "Record a payment" in shown


def test_b14_viewers_and_strangers_give_nothing_up_on_a_page(
    invoice: Invoice, organization: Organization
) -> None:
    page = f"/o/{organization.slug}/invoices/{invoice.pk}/give-up/"
    viewer = browser_of(factories.make_member(organization, Role.VIEWER, "vera").user)
    stranger = browser_of(factories.make_member(factories.make_organization(demo=True)).user)
    assert viewer.post(page, {"reason": WHY}).status_code == 403
    assert stranger.post(page, {"reason": WHY}).status_code == 404
    assert state_of(invoice) == InvoiceState.ISSUED
