"""Celery's names for what billing does by itself. Every task may run twice."""

from celery import shared_task

from billing.services import running, settling


@shared_task
def settle() -> None:
    """Seal sessions whose readings have settled; every 30 seconds."""
    settling.run()


@shared_task
def find_forgotten() -> None:
    """Find ended sessions of which no event told; every hour."""
    settling.sweep()


@shared_task
def run_month_end() -> None:
    """Serve the open month-end runs; every ten seconds, by any number of workers."""
    running.work()
