"""The month-end run, killed anywhere and by several workers, ends as a clean one (billing B-29 to B-34, F-09)."""

import random
import subprocess
import sys
import threading
import time
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection

from billing.models import (
    AccountException,
    AccountKind,
    BillingAccount,
    BillingRun,
    Cdr,
    Invoice,
    InvoiceLine,
    InvoiceState,
    ItemState,
    LedgerEntry,
    RunState,
)
from billing.services import corrections, drafting, running
from core.access import Actor
from core.errors import Conflict, Invalid, NotFound
from core.models import Event, Organization
from core.services import outbox
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle, when_over
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("committed")
WORKER = """
import django
django.setup()
from billing.services import running
print("at work", flush=True)
running.work()
"""


@pytest.fixture
def accounts(charge: Charge, alice: Actor) -> list[Decimal]:
    """Twelve drivers with two sessions each; what each of them owes."""
    owed = []
    for number in range(12):
        driver = factories.make_driver(alice)
        sessions = [charge(1000 * (number + 1) + extra, driver=driver) for extra in (0, 345)]
        settle()
        records = Cdr.objects.filter(transaction__in=sessions)
        owed.append(sum((one.payable_incl_vat or Decimal(0) for one in records), Decimal(0)))
    return owed


def require_clean(organization: Organization, owed: list[Decimal]) -> None:
    """Every record on one live line, numbers without a gap, ledger and invoices equal."""
    issued = Invoice.objects.filter(organization=organization, state=InvoiceState.ISSUED)
    lines = InvoiceLine.objects.filter(invoice__in=issued)
    records = Cdr.objects.filter(organization=organization)
    posted = LedgerEntry.objects.filter(journal__organization=organization, account="receivable")

    assert sorted(issued.values_list("sequence", flat=True)) == list(range(1, len(owed) + 1))
    assert sorted(one.due for one in issued) == sorted(owed)
    assert sorted(lines.values_list("cdr", flat=True)) == sorted(records.values_list("pk", flat=True))
    assert sum(posted.values_list("amount", flat=True)) == sum(owed)
    assert not Invoice.objects.filter(organization=organization).exclude(pk__in=issued).exists()


def test_b33_preview_and_issue_give_equal_totals(
    accounts: list[Decimal], organization: Organization, alice: Actor
) -> None:
    seen = running.preview(organization, THIS_MONTH, by=alice)
    assert not Invoice.objects.filter(organization=organization).exists()
    run = running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()

    assert sorted(one.due for one in seen) == sorted(accounts)
    require_clean(organization, accounts)
    assert BillingRun.objects.get(pk=run.pk).state == RunState.FINISHED
    assert running.progress(run, by=alice) == {"open": 0, "done": 12, "failed": 0}


def test_b31_killed_at_random_points_it_ends_as_a_clean_run(
    accounts: list[Decimal], organization: Organization, alice: Actor
) -> None:
    running.start(organization, THIS_MONTH, issue=True, by=alice)
    for _time in range(4):
        with subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, stdout=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"at work\n"
            time.sleep(random.uniform(0.01, 0.15))
            worker.kill()
    running.work()

    require_clean(organization, accounts)


def test_f10_several_workers_serve_one_run(
    accounts: list[Decimal], organization: Organization, alice: Actor
) -> None:
    run = running.start(organization, THIS_MONTH, issue=True, by=alice)

    def serve() -> None:
        try:
            running.work()
        finally:
            connection.close()

    workers = [threading.Thread(target=serve) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    require_clean(organization, accounts)
    assert BillingRun.objects.get(pk=run.pk).state == RunState.FINISHED


def test_b30_a_second_start_is_told_that_one_is_running(organization: Organization, alice: Actor) -> None:
    running.start(organization, THIS_MONTH, issue=False, by=alice)
    with pytest.raises(Conflict, match="going on already"):
        running.start(organization, THIS_MONTH, issue=False, by=alice)
    assert BillingRun.objects.filter(organization=organization).count() == 1
    with pytest.raises(Invalid):
        running.start(organization, "2026-00", issue=False, by=alice)


def test_b33_drafts_of_one_run_are_issued_by_the_next(
    accounts: list[Decimal], organization: Organization, alice: Actor
) -> None:
    running.start(organization, THIS_MONTH, issue=False, by=alice)
    running.work()
    drafts = Invoice.objects.filter(organization=organization)
    assert {one.state for one in drafts} == {InvoiceState.DRAFT}
    running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()

    require_clean(organization, accounts)


def test_b33_preview_holds_drafts_that_were_made_before(
    accounts: list[Decimal], organization: Organization, alice: Actor
) -> None:
    running.start(organization, THIS_MONTH, issue=False, by=alice)
    running.work()
    seen = running.preview(organization, THIS_MONTH, by=alice)
    running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()

    assert sorted(one.due for one in seen) == sorted(accounts)
    require_clean(organization, accounts)
    assert running.preview(organization, THIS_MONTH, by=alice) == []


def test_b30_a_run_leaves_accounts_alone_that_have_drafts_of_other_months_only(
    accounts: list[Decimal], organization: Organization, alice: Actor
) -> None:
    running.start(organization, THIS_MONTH, issue=False, by=alice)
    running.work()
    other = running.start(organization, "2020-01", issue=True, by=alice)
    running.work()

    assert not other.items.exists()
    assert not Invoice.objects.filter(organization=organization).exclude(state=InvoiceState.DRAFT).exists()


def test_b30_a_run_for_an_earlier_month_takes_no_account_that_owes_for_later_ones(
    accounts: list[Decimal], organization: Organization, alice: Actor
) -> None:
    assert not running.start(organization, "2020-01", issue=True, by=alice).items.exists()


def test_b34_the_report_names_the_documents_of_its_run_only_with_vat_of_each_rate_and_seconds(
    accounts: list[Decimal], organization: Organization, alice: Actor, charge: Charge
) -> None:
    first = running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    charge()
    settle()
    second = running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    first.refresh_from_db()

    [one], [other] = list(running.amounts(first)), list(running.amounts(second))
    assert (one["documents"], one["due"]) == (12, sum(accounts))
    assert other["documents"] == 1
    [rate] = running.rates(first)
    assert (rate["net"], rate["vat"]) == (one["net"], one["vat"])
    assert first.took is not None
    assert first.took.total_seconds() > 0


def draft_all(organization: Organization, by: Actor) -> None:
    running.start(organization, THIS_MONTH, issue=False, by=by)
    running.work()


def test_b33_sessions_that_come_after_the_draft_of_their_month_join_it(
    charge: Charge, organization: Organization, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    first = charge(4000, driver=driver)
    settle()
    draft_all(organization, alice)
    before = Invoice.objects.get(organization=organization)
    second = charge(2000, driver=driver)
    settle()
    [seen] = running.preview(organization, THIS_MONTH, by=alice)
    run = running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    issued = Invoice.objects.get(organization=organization, state=InvoiceState.ISSUED)

    assert running.progress(run, by=alice) == {"open": 0, "done": 1, "failed": 0}
    assert {line.cdr.transaction_id for line in issued.lines.all()} == {first.pk, second.pk}
    assert (seen.due, issued.due, issued.sequence) == (Decimal("3.57"), Decimal("3.57"), 1)
    assert Invoice.objects.get(pk=before.pk).state == InvoiceState.DISCARDED
    assert not before.lines.filter(voided_at=None).exists()


def test_b11_a_record_credited_after_its_draft_leaves_it_and_the_run_goes_on(
    charge: Charge, organization: Organization, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    kept, wrong = charge(4000, driver=driver), charge(2000, driver=driver)
    settle()
    draft_all(organization, alice)
    corrections.credit(Cdr.objects.get(transaction=wrong), by=alice, reason="wrong tariff")
    [seen] = running.preview(organization, THIS_MONTH, by=alice)
    running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    issued = Invoice.objects.get(organization=organization, state=InvoiceState.ISSUED)

    assert [line.cdr.transaction_id for line in issued.lines.all()] == [kept.pk]
    assert (seen.due, issued.due) == (Decimal("2.38"), Decimal("2.38"))


def test_b20_what_comes_after_the_months_invoice_is_carried_and_fails_nobody(
    charge: Charge, organization: Organization, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = factories.make_driver(alice)
    charge(4000, driver=driver)
    settle()
    running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    late = charge(2000, driver=driver)
    settle()
    carried = running.start(organization, THIS_MONTH, issue=True, by=alice)
    assert running.preview(organization, THIS_MONTH, by=alice) == []
    running.work()
    assert running.progress(carried, by=alice) == {"open": 0, "done": 1, "failed": 0}
    assert Invoice.objects.filter(organization=organization).count() == 1
    assert not AccountException.objects.filter(organization=organization).exists()

    when_over(monkeypatch, following(THIS_MONTH))
    running.start(organization, following(THIS_MONTH), issue=True, by=alice)
    running.work()
    next_one = Invoice.objects.get(organization=organization, period=following(THIS_MONTH))
    assert [line.cdr.transaction_id for line in next_one.lines.all()] == [late.pk]


def following(period: str) -> str:
    return drafting.end_of(period, "Europe/Berlin").strftime("%Y-%m")


def test_b34_an_account_that_fails_stops_no_other(
    accounts: list[Decimal],
    organization: Organization,
    alice: Actor,
    charge: Charge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = factories.make_driver(alice)
    charge(driver=driver)
    settle()
    failing = driver.billing_account
    BillingAccount.objects.filter(pk=failing.pk).update(kind=AccountKind.COMPANY)
    run = running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    failed = run.items.get(state=ItemState.FAILED)

    assert failed.account == failing
    assert "address" in failed.error
    again = running.start(organization, THIS_MONTH, issue=True, by=alice)
    running.work()
    exception = AccountException.objects.get(account=failing)
    assert (exception.reason, exception.closed_at) == (failed.error, None)
    outbox.relay()
    alerts = Event.objects.filter(organization_id=organization.pk, type="billing.alert")
    assert [str(one.object_id) for one in alerts.order_by("id")] == [str(run.pk), str(again.pk)]
    BillingAccount.objects.filter(pk=failing.pk).update(kind=AccountKind.DRIVER)
    when_over(monkeypatch, following(THIS_MONTH))
    running.start(organization, following(THIS_MONTH), issue=True, by=alice)
    running.work()
    exception.refresh_from_db()
    assert exception.closed_at is not None
    assert running.progress(run, by=alice) == {"open": 0, "done": 12, "failed": 1}


def test_b31_an_account_waits_where_the_database_fails_and_is_done_by_the_next_turn(
    accounts: list[Decimal], organization: Organization, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = running.start(organization, THIS_MONTH, issue=True, by=alice)
    with monkeypatch.context() as patched:
        patched.setattr(drafting, "catch_up", Mock(side_effect=OperationalError("the server went away")))
        with pytest.raises(OperationalError):
            running.work()
    waiting = running.progress(run, by=alice)
    running.work()

    assert waiting == {"open": 12, "done": 0, "failed": 0}
    require_clean(organization, accounts)


def test_b30_a_stranger_starts_and_sees_no_run(organization: Organization, alice: Actor) -> None:
    run = running.start(organization, THIS_MONTH, issue=False, by=alice)
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    for forbidden in (
        lambda: running.start(organization, "2020-01", issue=True, by=charlie),
        lambda: running.preview(organization, THIS_MONTH, by=charlie),
        lambda: running.progress(run, by=charlie),
    ):
        with pytest.raises(NotFound):
            forbidden()
    assert not BillingRun.objects.visible_to(charlie).filter(pk=run.pk).exists()


def test_b19_a_month_that_has_not_begun_is_neither_previewed_nor_run(
    organization: Organization, alice: Actor
) -> None:
    for refused in (
        lambda: running.preview(organization, following(THIS_MONTH), by=alice),
        lambda: running.start(organization, following(THIS_MONTH), issue=False, by=alice),
    ):
        with pytest.raises(Invalid, match="not begun"):
            refused()
    assert not BillingRun.objects.filter(organization=organization).exists()


def test_b19_a_month_is_over_once_it_is_where_each_payer_is(
    charge: Charge, organization: Organization, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge()
    settle()
    BillingAccount.objects.filter(organization=organization).update(time_zone="America/Los_Angeles")
    border = drafting.end_of(THIS_MONTH, "America/Los_Angeles")
    monkeypatch.setattr(running, "clock", SimpleNamespace(now=lambda: border - timedelta(seconds=1)))
    with pytest.raises(Conflict, match="not over yet"):
        running.require_over(organization, THIS_MONTH)
    monkeypatch.setattr(running, "clock", SimpleNamespace(now=lambda: border))
    running.require_over(organization, THIS_MONTH)
