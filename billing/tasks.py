"""Celery's names for what billing does by itself. Every task may run twice."""

from celery import shared_task

from billing.services import delivering, documents, receipts, reconciling, reserved, running, settling
from billing.services.dunning import taking
from billing.services.payments import (
    announcing,
    calls,
    comparing,
    events,
    following,
    holds,
    reservations,
    wallets,
    watching,
)
from billing.services.retention import passes
from core import turns
from core.turns import TURN_S


@shared_task
def settle() -> None:
    """Seal sessions whose readings have settled, and reservations without one; every 30 seconds, for a turn."""
    settling.run(TURN_S)
    reserved.seal_due()


@shared_task
def find_forgotten() -> None:
    """Find ended sessions of which no event told; every hour."""
    settling.sweep()


@shared_task
def run_month_end() -> None:
    """Serve the open month-end runs; every ten seconds, by any number of workers."""
    running.work(TURN_S)


@shared_task
def ask_providers() -> None:
    """Look at what payment providers told, and ask them what is due; every five seconds."""
    for work in (calls.run, events.run):
        turns.guarded(work.__module__, work)


@shared_task
def watch_payments() -> None:
    """Follow holds and wallets of running sessions, issue receipts, pay from wallets; every ten seconds."""
    for work in (holds.watch, wallets.watch, receipts.run, watching.pay_from_wallets):
        turns.guarded(work.__module__, work)


@shared_task
def read_quiet_payments() -> None:
    """Read payments and refunds of which nothing was heard, free what wallets keep for paid invoices; every five
    minutes."""
    following.sweep()
    following.sweep_refunds()
    reservations.release_paid()


@shared_task
def prove_wallets() -> None:
    """Compare every wallet with its entries; every night (B-48)."""
    watching.prove()


@shared_task
def compare_with_providers() -> None:
    """Compare payments with the provider's account, each once a day, and read open disputes; every hour (B-42)."""
    following.sweep_disputes()
    comparing.run()


@shared_task
def make_documents() -> None:
    """Make files of issued invoices, send what is ready, announce debits; every ten seconds, by any workers."""
    documents.make_due(TURN_S)
    delivering.send_due(TURN_S)
    announcing.send_due(TURN_S)


@shared_task
def find_documents() -> None:
    """Find issued invoices whose files were never asked for; every hour."""
    documents.sweep()


@shared_task
def reconcile() -> None:
    """Check that every ended session is accounted for; every night (B-12)."""
    reconciling.check_all()


@shared_task
def dun() -> None:
    """Ask for what is overdue and send what waits; every five minutes, by any number of workers (B-47)."""
    taking.run()


@shared_task
def let_terms_expire() -> None:
    """Pseudonymise sessions and delete documents that are over their terms; every hour, for a turn (B-65, B-66)."""
    passes.run(TURN_S)
