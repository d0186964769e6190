"""Data go after their terms, holds stop it, and a kill leaves nothing half gone (billing B-65, B-66)."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from billing import tasks
from billing.models import (
    Allocation,
    BillingAccount,
    Cdr,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    Journal,
    LedgerEntry,
    LegalHold,
    Payment,
    RetentionReport,
    Settlement,
)
from billing.services import crediting, documents, settling
from billing.services.payments import wallets
from billing.services.retention import documents as expiring
from billing.services.retention import holds, persons, terms
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from stations.domain import intents
from stations.models import ChargingStation, Reservation, SignedMeterData, Transaction
from stations.services import commands
from stations.services.access import actor_of_member
from tests import factories
from tests.billing.conftest import Charge, settle
from tests.billing.expiring import LONG_AGO, NOW, TERM, WHY, Old, expire, left, old, session_of, station
from tests.billing.pages import alice, browser_of, member, organization

__all__ = ["alice", "member", "old", "organization", "station"]
pytestmark = pytest.mark.usefixtures("committed")


def test_b65_invoice_record_payment_ledger_file_and_signed_values_go_together_after_the_term(
    old: Old, organization: Organization
) -> None:
    invoice, younger = old(), old(datetime(2020, 6, 15, 12, tzinfo=UTC))
    documents.make_due()
    files = list(InvoiceDocument.objects.filter(invoice=invoice).values_list("file", flat=True))
    session, journals = session_of(invoice), Journal.objects.filter(organization=organization).count()
    SignedMeterData.objects.create(
        station=session.station, transaction=session, evse_id=1, context="", occurred_at=LONG_AGO, data="x",
        encoding="OCMF", digest=b"x" * 32,
    )  # fmt: skip
    expire()
    report = RetentionReport.objects.get(organization=organization, kind="documents")

    assert (left(invoice), left(younger)) == (False, True)
    assert not any(storages["documents"].exists(name) for name in files)
    assert len(files) == 3
    assert not SignedMeterData.objects.filter(transaction=session).exists()
    ours = {"invoice__organization": organization}
    assert [one.objects.filter(**ours).count() for one in (Allocation, InvoiceLine)] == [1, 1]
    assert Payment.objects.filter(organization=organization).count() == 1
    assert Cdr.objects.get(lines__invoice=younger)
    assert (journals, Journal.objects.filter(organization=organization).count()) == (4, 2)
    assert not LedgerEntry.objects.filter(payer=invoice.account).exists()
    assert Transaction.objects.filter(pk=session.pk).exists(), "the session stays for statistics"
    assert report.counts == {"invoices": 1, "payments": 1, "records": 1, "files": 3}
    assert str(report.before) == "2016-01-01"


def test_b65_again_and_again_nothing_more_goes(old: Old, organization: Organization) -> None:
    old()
    expire()
    before = RetentionReport.objects.get(organization=organization, kind="documents").counts
    expire()

    assert RetentionReport.objects.get(organization=organization, kind="documents").counts == before


@pytest.mark.parametrize(
    ("country", "settings_", "years"),
    [("DE", {}, 10), ("NL", {}, 7), ("DE", {"DE": 8}, 8), ("XX", {}, 10), ("DE", {"DE": 1}, 5)],
)
def test_b65_the_term_is_that_of_the_country_or_of_the_settings(
    settings: Any, country: str, settings_: dict[str, int], years: int
) -> None:
    settings.RETENTION_YEARS = settings_

    assert terms.years(country, NOW.date()) == years


def test_b65_it_counts_from_the_end_of_the_year_of_issue(old: Old) -> None:
    invoice = old()
    expire(datetime(2024, 12, 31, 12, tzinfo=UTC))
    kept = left(invoice)
    expire(datetime(2025, 1, 1, 12, tzinfo=UTC))

    assert (kept, left(invoice)) == (True, False)


def test_b65_what_is_owed_stays_and_what_was_credited_goes_with_its_note(old: Old, alice: Actor) -> None:
    owed, credited = old(paid=False), old(paid=False)
    with time_machine.travel(LONG_AGO, tick=False):
        note = crediting.credit(credited, by=alice, reason=WHY)
    expire()

    assert (left(owed), left(credited), left(note)) == (True, False, False)
    assert Cdr.objects.get(organization=owed.organization).account == owed.account


def test_b65_an_invoice_stays_while_its_credit_note_is_younger(old: Old, alice: Actor) -> None:
    invoice = old(paid=False)
    with time_machine.travel(datetime(2018, 1, 1, tzinfo=UTC), tick=False):
        note = crediting.credit(invoice, by=alice, reason=WHY)
    expire()

    assert (left(invoice), left(note)) == (True, True)


def test_b65_what_a_wallet_paid_by_credit_stays_while_that_is_owed(old: Old, alice: Actor) -> None:
    invoice = old(paid=False)
    with time_machine.travel(LONG_AGO, tick=False):
        wallet = wallets.open_(invoice.account, by=alice)
        wallets.allow(wallet, Decimal(50), by=alice)
        wallets.pay(invoice, by=alice)
    expire()

    assert Invoice.objects.get(pk=invoice.pk).state == "paid"


@pytest.mark.parametrize("whole", [True, False])
def test_b65_b66_a_legal_hold_stops_everything_until_it_is_lifted(
    old: Old, organization: Organization, alice: Actor, whole: bool
) -> None:
    invoice, other = old(), old()
    session = session_of(invoice)
    hold = holds.place(organization, account=None if whole else invoice.account, reason=WHY, by=alice)
    expire()
    held = left(invoice), left(other), Transaction.objects.get(pk=session.pk).driver_id is not None
    holds.lift(hold, reason="It is over.", by=alice)
    expire(NOW + timedelta(days=1))

    assert held == (True, whole, True)
    assert (left(invoice), left(other)) == (False, False)
    assert Transaction.objects.get(pk=session.pk).driver_id is None
    assert {one.action for one in AuditEntry.objects.filter(object_id=str(hold.pk))} == {
        "legal_hold.placed", "legal_hold.lifted",
    }  # fmt: skip


def test_b65_the_database_refuses_what_must_be_kept_whoever_asks(
    old: Old, organization: Organization, alice: Actor
) -> None:
    young, held = old(datetime(2025, 3, 1, tzinfo=UTC)), old()
    holds.place(organization, account=held.account, reason=WHY, by=alice)

    def drop(invoice: Invoice, before: str) -> None:
        with atomic(), connection.cursor() as cursor:
            values = [organization.pk, [invoice.pk], [], [], before]
            cursor.execute("SELECT billing_drop_expired(%s, %s::uuid[], %s::uuid[], %s::uuid[], %s)", values)

    for invoice, before, why in (
        (young, "2026-11-01", "below five years"),
        (young, "2016-01-01", "must be kept"),
        (held, "2016-01-01", "legal hold"),
    ):
        with pytest.raises(DatabaseError, match=why):
            drop(invoice, before)
    for statement in (
        "DELETE FROM billing_invoice",
        "DELETE FROM billing_cdr",
        "DELETE FROM billing_ledgerentry",
    ):
        with pytest.raises(DatabaseError, match=r"cannot be deleted|neither changed nor deleted"), atomic():
            connection.cursor().execute(statement)
    assert (left(young), left(held)) == (True, True)


def test_b29_b65_a_kill_in_the_middle_leaves_the_family_whole_and_the_next_pass_takes_it(
    old: Old, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = old()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(expiring.reports, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            expire()
    assert left(invoice)
    assert Payment.objects.filter(organization=organization).count() == 1
    assert not RetentionReport.objects.filter(organization=organization).exists()

    expire()
    assert not left(invoice)


def test_b66_a_session_loses_driver_and_token_after_the_term_and_its_record_keeps_them(
    charge: Charge, organization: Organization, old: Old
) -> None:
    first = old(datetime(2023, 1, 10, 12, tzinfo=UTC))
    driver = first.account.driver
    second = old(datetime(2023, 2, 10, 12, tzinfo=UTC), driver)
    session, value = session_of(first), session_of(first).token_value
    Transaction.objects.filter(pk=session.pk).update(stop_token_value=value.lower())
    expire()
    session.refresh_from_db()
    other = session_of(second)
    report = RetentionReport.objects.get(organization=organization, kind="persons")

    assert (session.driver_id, session.token_id) == (None, None)
    assert session.token_value.startswith("anon-")
    assert session.stop_token_value == session.token_value
    assert other.token_value.startswith("anon-")
    assert other.token_value != session.token_value, "nothing tells which sessions were of one person"
    assert first.lines.get().cdr.content["driver"] == driver.name
    assert first.lines.get().cdr.content["token"]["uid"] == value
    assert (session.started_at, session.energy_wh) == (first.lines.get().cdr.started_at, Decimal(12_345))
    assert report.counts["sessions"] == 2


def test_b66_before_the_term_unpaid_or_undecided_a_session_keeps_its_person(
    old: Old, charge: Charge, settings: Any
) -> None:
    young, owed = old(NOW - timedelta(days=1000)), old(datetime(2022, 1, 1, tzinfo=UTC), paid=False)
    with time_machine.travel(LONG_AGO, tick=False):
        doubtful = charge(12_345)
        ChargingStation.objects.filter(pk=doubtful.station_id).update(max_power_w=1_000)
        settling.sweep()
        settle()
    expire()
    settings.PERSON_DATA_DAYS = 0
    expire(NOW + TERM)

    keys = [session_of(young).pk, session_of(owed).pk, doubtful.pk]
    assert Transaction.objects.filter(pk__in=keys).exclude(driver=None).count() == 3


def test_b66_reservations_and_commands_lose_tokens_too_and_are_counted(
    organization: Organization, station: ChargingStation, alice: Actor
) -> None:
    with time_machine.travel(LONG_AGO, tick=False):
        token = factories.make_token(alice, driver=factories.make_driver(alice))
        kept = Reservation.objects.create(
            station=station, number=7, token=token, token_value=token.value, token_type="ISO14443",
            status="expired", expires_at=LONG_AGO, created_at=LONG_AGO, created_by="Alice", ended_at=LONG_AGO,
        )  # fmt: skip
        wish = intents.RequestStartTransaction(token_value=token.value, token_type="ISO14443", evse_id=1)
        command = commands.issue(station, wish, by=alice)
    expire()
    kept.refresh_from_db()
    command.refresh_from_db()

    assert kept.token_id is None
    assert kept.token_value.startswith("anon-")
    assert command.parameters["token_value"].startswith("anon-")
    assert command.parameters["evse_id"] == 1
    counted = RetentionReport.objects.get(organization=organization, kind="persons").counts
    assert counted == {"reservations": 1, "commands": 1}


def test_b29_b66_a_kill_leaves_the_batch_as_it_was_and_the_next_pass_takes_it(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(old(datetime(2022, 1, 1, tzinfo=UTC)))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(persons.reports, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            expire()
    half = (
        Transaction.objects.get(pk=session.pk).driver_id,
        Settlement.objects.get(pk=session.pk).person_removed_at,
    )
    expire()

    assert half == (session.driver_id, None)
    assert Transaction.objects.get(pk=session.pk).driver_id is None


def test_b66_the_drivers_invoice_still_opens_and_leads_to_no_session(
    old: Old, organization: Organization
) -> None:
    invoice = old(datetime(2022, 1, 1, tzinfo=UTC))
    driver = invoice.account.driver
    driver.user = factories.make_member(organization, Role.VIEWER, "erika").user
    driver.save()
    expire()
    page = browser_of(driver.user).get(f"/me/invoices/{invoice.pk}/").content.decode()

    assert invoice.number in page
    assert f"/me/sessions/{session_of(invoice).pk}/" not in page


def test_b65_the_task_runs_a_pass(old: Old) -> None:
    invoice = old()
    with time_machine.travel(NOW, tick=False):
        tasks.let_terms_expire()

    assert not left(invoice)


def test_b65_holds_are_placed_and_lifted_once_with_a_reason_by_who_may(
    organization: Organization, alice: Actor, old: Old
) -> None:
    account = old().account
    stranger = actor_of_member(factories.make_member(factories.make_organization(), Role.ADMIN, "charlie"))
    billing = actor_of_member(factories.make_member(organization, Role.BILLING, "bob"))
    elsewhere = BillingAccount.objects.create(
        organization=factories.make_organization(), kind="company", name="Elsewhere", time_zone="UTC"
    )
    for by, refused in ((stranger, NotFound), (billing, NotPermitted)):
        with pytest.raises(refused):
            holds.place(organization, reason=WHY, by=by)
    with pytest.raises(Invalid):
        holds.place(organization, reason=" ", by=alice)
    hold = holds.place(organization, account=account, reason=WHY, by=alice)
    with pytest.raises(Conflict):
        holds.place(organization, account=account, reason=WHY, by=alice)
    with pytest.raises(Invalid):
        holds.place(organization, account=elsewhere, reason=WHY, by=alice)
    with pytest.raises(NotFound):
        holds.lift(hold, reason=WHY, by=stranger)
    holds.lift(hold, reason=WHY, by=alice)
    with pytest.raises(Conflict):
        holds.lift(hold, reason=WHY, by=alice)

    assert LegalHold.objects.filter(organization=organization).count() == 1


def test_b65_the_command_shows_terms_holds_and_report_and_places_a_hold(
    old: Old, organization: Organization
) -> None:
    account = old().account

    def told(*words: str) -> str:
        out = io.StringIO()
        with time_machine.travel(NOW, tick=False):
            call_command("retention", organization.slug, *words, stdout=out)
        return out.getvalue()

    held = told("--hold", WHY, "--payer", str(account.pk))
    with pytest.raises(CommandError, match="hold already"):
        told("--hold", WHY, "--payer", str(account.pk))
    lifted = told("--lift", "It is over.", "--payer", str(account.pk))
    expire()

    assert "issued before 2016-01-01" in held
    assert f"hold on {account.pk} since 2026-11-20" in held
    assert "hold on" not in lifted
    assert "2026-11-20 documents before 2016-01-01: 1 invoices, 1 payments, 1 records" in told()
    with pytest.raises(CommandError, match="no organization"):
        call_command("retention", "nobody")
