"""Overdue invoices are asked for: once a step, in order, on working days, and not while somebody stops it (B-47)."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import IntegrityError
from django.db.transaction import atomic

from billing import tasks
from billing.models import (
    BankDetails,
    DunningKind,
    HoldKind,
    Invoice,
    LedgerEntry,
    Method,
    Payment,
    StepState,
)
from billing.services import accounts, companies, crediting, documents, driver_export, parties
from billing.services import letters as post
from billing.services.dunning import consequences, holding, policies, sending, standing, working_days
from billing.services.dunning.policies import Step, Terms
from billing.services.payments import debits, receiving
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization, User
from drivers.models import Driver, IdToken, TokenStatus
from drivers.services import drivers, tokens
from portal.schedule import TIMETABLE
from stations.models import Transaction
from stations.services import driving
from tests import factories
from tests.billing.payments.conftest import Issued, bank, issued

__all__ = ["bank", "issued"]
pytestmark = pytest.mark.usefixtures("committed")
Overdue = Callable[..., Invoice]
REMINDER, SECOND, FINAL = DunningKind


@pytest.fixture
def overdue(issued: Issued, alice: Actor, organization: Organization) -> Overdue:
    """An issued invoice over 7.35 EUR with its files, of a driver with an address; dunning is switched on."""

    def made(**details: Any) -> Invoice:
        policies.switch(organization, enabled=True, starts_on=clock.now().date(), by=alice)
        details.setdefault("email", f"{factories.unique('bob')}@example.org")
        mandate = details.pop("mandate", None)
        invoice = issued(driver=factories.make_driver(alice, **details), mandate=mandate)
        documents.make_due()
        return invoice

    return made


def working(day: date) -> date:
    return working_days.from_then_on(day, ("DE",))


@contextmanager
def on(day: date, hour: int = 11) -> Iterator[None]:
    with time_machine.travel(datetime.combine(day, time(hour), UTC)):
        yield


def dun(day: date) -> None:
    with on(day):
        tasks.dun()
        tasks.dun()


def letters(invoice: Invoice) -> list[Any]:
    """To the payer of that invoice: other organizations' invoices have the same numbers."""
    driver = Driver.objects.get(billing_account=invoice.account)
    return [one for one in mail.outbox if driver.email in one.to and invoice.number in one.subject]


def steps(invoice: Invoice) -> list[str]:
    return [one.kind for one in invoice.dunning_steps.order_by("id")]


def after(invoice: Invoice, days: int) -> date:
    assert invoice.due_on is not None
    return working(invoice.due_on + timedelta(days=days))


def test_b47_an_overdue_invoice_is_reminded_of_once_with_its_pdf(overdue: Overdue) -> None:
    invoice = overdue()
    before = Invoice.objects.filter(pk=invoice.pk).values().get()
    assert invoice.due_on is not None
    dun(working(invoice.due_on + timedelta(days=1)))
    assert steps(invoice) == []
    dun(after(invoice, 7))

    [letter] = letters(invoice)
    assert letter.to == [invoice.account.driver.email if invoice.account.driver else ""]
    assert "7.35 EUR" in letter.body
    assert [name for name, _, kind in letter.attachments if kind == "application/pdf"] == [
        f"{invoice.number}.pdf"
    ]
    [step] = invoice.dunning_steps.all()
    assert (step.kind, step.state, step.fee, step.open_amount) == (REMINDER, "sent", 0, Decimal("7.35"))
    assert AuditEntry.objects.filter(action="invoice.dunned", object_id=str(invoice.pk)).count() == 1
    assert Invoice.objects.filter(pk=invoice.pk).values().get() == before


def test_b47_nobody_is_reminded_before_it_is_switched_on_nor_of_what_was_due_before(
    overdue: Overdue, organization: Organization, alice: Actor
) -> None:
    invoice = overdue()
    policies.switch(organization, enabled=False, by=alice)
    dun(after(invoice, 7))
    assert steps(invoice) == []
    assert invoice.due_on is not None
    policies.switch(organization, enabled=True, starts_on=invoice.due_on + timedelta(days=1), by=alice)
    dun(after(invoice, 7))
    assert steps(invoice) == []
    assert not policies.policy_of(factories.make_organization()).enabled


def test_b47_the_steps_come_in_order_as_far_apart_as_the_terms_say(overdue: Overdue) -> None:
    invoice = overdue()
    first = after(invoice, 40)
    for day in (first, first, working(first + timedelta(days=13)), working(first + timedelta(days=14))):
        dun(day)
    taken = {one.kind: one.taken_on for one in invoice.dunning_steps.all()}
    assert list(taken) == [REMINDER, SECOND]
    assert taken[SECOND] >= first + timedelta(days=14)

    dun(working(taken[SECOND] + timedelta(days=14)))
    dun(working(taken[SECOND] + timedelta(days=60)))
    assert steps(invoice) == [REMINDER, SECOND, FINAL]
    assert [one.subject.partition(": ")[2] for one in letters(invoice)] == [
        f"reminder of invoice {invoice.number}",
        f"second reminder of invoice {invoice.number}",
        f"final reminder of invoice {invoice.number}",
    ]


def test_b47_nothing_is_sent_on_a_weekend_or_a_holiday_of_either_side(overdue: Overdue) -> None:
    invoice = overdue()
    saturday = after(invoice, 30)
    saturday += timedelta(days=5 - saturday.weekday())
    dun(saturday)
    dun(saturday + timedelta(days=1))
    assert steps(invoice) == []

    assert working(date(2026, 12, 25)) == date(2026, 12, 28)
    assert working_days.is_working_day(date(2026, 12, 8), ("DE",))
    assert not working_days.is_working_day(date(2026, 12, 8), ("DE", "AT"))
    assert not working_days.is_working_day(date(2026, 12, 26), ())
    assert working_days.is_working_day(date(2026, 12, 28), ("QQ",))


def test_b47_a_payment_or_a_credit_note_stops_it_and_a_part_is_asked_for_as_it_is(
    overdue: Overdue, alice: Actor
) -> None:
    paid, credited, part = overdue(), overdue(), overdue()
    for invoice, amount in ((paid, "7.35"), (part, "5.00")):
        receiving.record(
            invoice, Decimal(amount), received_on=clock.now().date(), method=Method.MANUAL, by=alice
        )
    crediting.credit(credited, by=alice, reason="The charger was wrong.")
    dun(after(part, 7))
    assert (steps(paid), steps(credited), steps(part)) == ([], [], [REMINDER])
    assert part.dunning_steps.get().open_amount == Decimal("2.35")
    assert "2.35 EUR" in letters(part)[0].body


def test_b47_a_letter_that_waits_is_withdrawn_when_the_money_comes_first(
    overdue: Overdue, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = overdue()
    with monkeypatch.context() as patched:
        patched.setattr(sending, "send_due", lambda turn_s: 0)
        dun(after(invoice, 7))
    assert invoice.dunning_steps.get().state == StepState.WAITING
    receiving.record(invoice, Decimal("7.35"), received_on=clock.now().date(), method=Method.MANUAL, by=alice)
    dun(after(invoice, 7))
    assert (steps(invoice), letters(invoice)) == ([], [])
    assert AuditEntry.objects.filter(action="invoice.dunning_withdrawn", object_id=str(invoice.pk)).exists()


def test_b47_a_dispute_and_a_debit_under_way_stop_it(
    overdue: Overdue, alice: Actor, organization: Organization, bank: None
) -> None:
    disputed, collected = overdue(), overdue(mandate={})
    payment = receiving.record(
        disputed, Decimal("5.00"), received_on=clock.now().date(), method=Method.MANUAL, by=alice
    )
    Payment.objects.filter(pk=payment.pk).update(disputed_at=clock.now())
    day = after(collected, 7)
    with on(working(day - timedelta(days=3))):
        debits.make_file(organization, day, by=alice)
    dun(day)
    assert (steps(disputed), steps(collected)) == ([], [])
    with on(day):
        assert standing.of(disputed, clock.now()).stop == standing.Stop.DISPUTED
        assert standing.of(collected, clock.now()).stop == standing.Stop.BEING_PAID


def test_b47_a_hold_and_a_promise_stop_it_until_they_end_and_the_pause_is_not_made_up_for(
    overdue: Overdue, alice: Actor
) -> None:
    held, promised = overdue(), overdue()
    with pytest.raises(Invalid):
        holding.hold(promised, HoldKind.PROMISE, reason="With the salary", by=alice)
    last = after(promised, 20)
    holding.hold(held, HoldKind.HOLD, reason="The manager knows", by=alice)
    holding.hold(promised, HoldKind.PROMISE, reason="With the salary", until=last, by=alice)
    with pytest.raises(Conflict):
        holding.hold(held, HoldKind.DISPUTE, reason="Again", by=alice)
    dun(after(held, 7))
    dun(last)
    assert (steps(held), steps(promised)) == ([], [])
    dun(working(last + timedelta(days=1)))
    assert (steps(held), steps(promised)) == ([], [REMINDER])

    holding.release(held, by=alice)
    with pytest.raises(Conflict):
        holding.release(held, by=alice)
    late = after(held, 60)
    dun(late)
    dun(working(late + timedelta(days=1)))
    assert steps(held) == [REMINDER]
    said = AuditEntry.objects.filter(object_id=str(held.pk), action__startswith="invoice.dunning_")
    assert [one.action for one in said.order_by("id")] == ["invoice.dunning_held", "invoice.dunning_released"]
    assert said.earliest("id").reason == "The manager knows"


def test_b47_a_held_payer_is_reminded_of_nothing(overdue: Overdue, alice: Actor) -> None:
    invoice, other = overdue(), overdue()
    holding.hold(invoice.account, HoldKind.DISPUTE, reason="Asks a lawyer", by=alice)
    dun(after(invoice, 7))
    assert (steps(invoice), steps(other)) == ([], [REMINDER])
    holding.release(invoice.account, by=alice)
    dun(after(invoice, 7))
    assert steps(invoice) == [REMINDER]


def test_b47_a_fee_is_asked_for_in_the_letter_and_changes_neither_invoice_nor_ledger(
    overdue: Overdue, organization: Organization, alice: Actor
) -> None:
    terms = Terms("", "EUR", (Step(REMINDER, 5, Decimal("2.50")), Step(FINAL, 9, Decimal(4))))
    policies.save_terms(organization, terms, by=alice)
    invoice = overdue()
    posted = LedgerEntry.objects.filter(payer=invoice.account).count()
    dun(after(invoice, 5))
    dun(working(after(invoice, 5) + timedelta(days=5)))
    first, last = letters(invoice)
    assert "Fee of this reminder: 2.50 EUR" in first.body
    assert "To be paid: 9.85 EUR" in first.body
    assert "Fees of earlier reminders: 2.50 EUR" in last.body
    assert "To be paid: 13.85 EUR" in last.body
    assert steps(invoice) == [REMINDER, FINAL]
    assert Invoice.objects.get(pk=invoice.pk).due == Decimal("7.35")
    assert LedgerEntry.objects.filter(payer=invoice.account).count() == posted
    assert standing.of(invoice, clock.now()).fees == Decimal("6.50")


def test_b47_a_country_has_steps_and_words_of_its_own_and_fees_hold_in_their_currency_only(
    overdue: Overdue, organization: Organization, alice: Actor
) -> None:
    words = {"de": "Bitte zahlen Sie.", "en": "Kindly pay."}
    policies.save_terms(organization, Terms("DEU", "SEK", (Step(SECOND, 3, Decimal(60), words),)), by=alice)
    invoice = overdue(language="de")
    dun(after(invoice, 3))
    [letter] = letters(invoice)
    assert letter.subject.endswith(f": Zweite Mahnung zu Rechnung {invoice.number}")
    assert letter.body.startswith("Bitte zahlen Sie.\n\nRechnung: ")
    assert "7,35 EUR" in letter.body
    assert "Gebühr" not in letter.body
    assert steps(invoice) == [SECOND]
    policies.drop_terms(organization, "DE", by=alice)
    assert [one.country for one in policies.all_terms(organization)] == [""]


@pytest.mark.parametrize(
    "terms",
    [
        Terms("", "EUR", ()),
        Terms("", "EUR", (Step(REMINDER, 0),)),
        Terms("", "EUR", (Step(REMINDER, 9), Step(SECOND, 9))),
        Terms("", "EUR", (Step(FINAL, 9), Step(SECOND, 20))),
        Terms("", "EUR", (Step(REMINDER, 9, Decimal("-1")),)),
        Terms("", "JPY", (Step(REMINDER, 9, Decimal("0.5")),)),
        Terms("", "EUX", (Step(REMINDER, 9),)),
        Terms("XXX", "EUR", (Step(REMINDER, 9),)),
        Terms("", "EUR", (Step(REMINDER, 9, Decimal(0), {"fr": "Payez."}),)),
    ],
)
def test_b47_terms_that_cannot_be_are_refused(organization: Organization, alice: Actor, terms: Terms) -> None:
    with pytest.raises(Invalid):
        policies.save_terms(organization, terms, by=alice)
    assert policies.all_terms(organization) == [policies.DEFAULT]


def test_b47_a_step_is_one_row_whatever_worker_comes_second(overdue: Overdue) -> None:
    invoice = overdue()
    dun(after(invoice, 7))
    row = invoice.dunning_steps.get()
    row.pk = None
    with pytest.raises(IntegrityError), atomic():
        row.save(force_insert=True)


@pytest.mark.parametrize("killed_after", ["step", "mark"])
def test_b29_a_worker_that_dies_at_a_commit_asks_for_nothing_twice(
    overdue: Overdue, alice: Actor, monkeypatch: pytest.MonkeyPatch, killed_after: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    invoice = overdue()
    day = after(invoice, 7)
    with monkeypatch.context() as patched, on(day):
        room, name = (sending, "send_due") if killed_after == "step" else (post, "send")
        patched.setattr(room, name, die)
        with pytest.raises(Killed):
            tasks.dun()
    dun(day)
    if killed_after == "step":
        assert len(letters(invoice)) == 1
        return
    assert letters(invoice) == []
    dun(working(day + timedelta(days=1)))
    assert [(one.state, bool(one.reason)) for one in invoice.dunning_steps.all()] == [("failed", True)]
    assert letters(invoice) == []
    dun(after(invoice, 60))
    assert steps(invoice) == [REMINDER]
    sending.again(invoice, by=alice)
    with pytest.raises(Conflict):
        sending.again(invoice, by=alice)
    dun(after(invoice, 60))
    assert len(letters(invoice)) == 1
    assert invoice.dunning_steps.get(kind=REMINDER).state == StepState.SENT


def test_b47_a_payer_without_an_address_gets_no_step_until_one_is_known(
    overdue: Overdue, alice: Actor
) -> None:
    invoice = overdue(email="")
    dun(after(invoice, 7))
    assert steps(invoice) == []
    with on(after(invoice, 7)):
        assert standing.of(invoice, clock.now()).stop == standing.Stop.NO_ADDRESS
    parties.save_buyer(invoice.account, {"email": "late@example.org"}, by=alice)
    dun(after(invoice, 7))
    assert steps(invoice) == [REMINDER]


def test_b47_a_draft_a_credit_note_and_a_receipt_are_never_asked_for(overdue: Overdue, alice: Actor) -> None:
    note = crediting.credit(overdue(), by=alice, reason="The charger was wrong.")
    assert standing.of(note, clock.now()).stop == standing.Stop.NOT_OWED
    dun(after(note, 40))
    assert steps(note) == []


def test_b47_blocking_cards_is_a_decision_after_the_final_step_and_cuts_no_session(
    overdue: Overdue, alice: Actor, organization: Organization
) -> None:
    invoice = overdue()
    driver = Driver.objects.get(billing_account=invoice.account)
    card = IdToken.objects.get(driver=driver)
    session = Transaction.objects.filter(driver=driver).latest("id")
    Transaction.objects.filter(pk=session.pk).update(status="active", ended_at=None)
    with pytest.raises(Conflict):
        consequences.block_cards(invoice, reason="Too early", by=alice)
    for days in (40, 60, 90):
        dun(after(invoice, days))
    assert steps(invoice) == [REMINDER, SECOND, FINAL]
    card.refresh_from_db()
    assert card.status == TokenStatus.ACCEPTED

    bob = factories.make_actor(organization, Role.VIEWER, "bob")
    with pytest.raises(NotPermitted):
        consequences.block_cards(invoice, reason="Bob may not", by=bob)
    tokens.block(card, reason="Lost for a day", until=clock.now() + timedelta(days=1), by=alice)
    assert consequences.block_cards(invoice, reason="Nothing came", by=alice) == 1
    card.refresh_from_db()
    assert (card.status, card.blocked_until) == (TokenStatus.BLOCKED, None)
    assert Transaction.objects.get(pk=session.pk).status == "active"
    assert invoice.dunning_steps.get(kind=FINAL).cards_blocked_by == alice.label[:200]
    assert AuditEntry.objects.filter(action="invoice.cards_blocked", reason="Nothing came").exists()


def test_b47_who_may_not_changes_nothing(overdue: Overdue, organization: Organization, alice: Actor) -> None:
    invoice = overdue()
    stranger = factories.make_actor(factories.make_organization())
    viewer = factories.make_actor(organization, Role.VIEWER, "vera")
    for actor, error in ((stranger, NotFound), (viewer, NotPermitted)):
        for act in (
            lambda by: holding.hold(invoice, HoldKind.HOLD, reason="No", by=by),
            lambda by: holding.hold(invoice.account, HoldKind.HOLD, reason="No", by=by),
            lambda by: holding.release(invoice, by=by),
            lambda by: sending.again(invoice, by=by),
            lambda by: policies.switch(organization, enabled=False, by=by),
            lambda by: policies.save_terms(organization, policies.DEFAULT, by=by),
        ):
            with pytest.raises(error):
                act(actor)
    assert policies.policy_of(organization).enabled
    assert not invoice.dunning_holds.exists()


def test_b67_the_person_gets_what_was_written_and_noted_with_the_own_data(
    overdue: Overdue, alice: Actor
) -> None:
    invoice = overdue()
    dun(after(invoice, 7))
    holding.hold(invoice, HoldKind.DISPUTE, reason="Says it was no kWh", by=alice)
    driver = Driver.objects.get(billing_account=invoice.account)
    person = User.objects.create_user(f"{factories.unique('x')}@example.org")
    drivers.give_account(driver, person, by=alice)
    pieces = driver_export.archive(driver, by=driving.actor_of_driver(driver))
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        told = json.loads(archive.read("data.json"))
    [letter] = told["invoices"][0]["reminders"]
    assert (letter["step"], letter["text"]) == (REMINDER, letters(invoice)[0].body)
    assert [(one["kind"], one["reason"]) for one in told["reminder_holds"]] == [
        (HoldKind.DISPUTE, "Says it was no kWh")
    ]


def test_b47_the_task_is_on_the_timetable() -> None:
    assert {"task": "billing.tasks.dun", "schedule": 300.0, "options": {"expires": 300}} in TIMETABLE.values()


def test_b47_b44_nobody_is_reminded_while_the_announced_debit_is_still_to_come(
    overdue: Overdue, alice: Actor, organization: Organization, bank: None
) -> None:
    BankDetails.objects.filter(pk=organization.pk).update(notice_days=40)
    invoice = overdue(mandate={})
    told = date.fromisoformat(invoice.snapshot["payment"]["collect_on"])
    day = after(invoice, 7)
    assert day < told
    dun(day)
    assert steps(invoice) == []
    with on(day):
        assert standing.of(invoice, clock.now()).stop == standing.Stop.BEING_PAID
    dun(working(told + timedelta(days=8)))
    assert steps(invoice) == [REMINDER]


def test_b47_the_cards_of_a_companys_drivers_are_blocked(alice: Actor, organization: Organization) -> None:
    company = accounts.open_company(organization, "Kurier", by=alice)
    driver = factories.make_driver(alice)
    card = factories.make_token(alice, driver=driver)
    companies.join(company, driver, by=alice)
    owed = Invoice(account=company, account_id=company.pk)
    assert [one.pk for one in consequences.cards_of(owed)] == [card.pk]
    companies.leave(company, driver, by=alice)
    assert not consequences.cards_of(owed).exists()
