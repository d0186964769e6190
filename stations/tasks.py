"""Celery's names for what the sweepers do. Every task may run twice."""

from celery import shared_task

from core import clock
from stations.services import scheduled_commands, sweeping


@shared_task
def sweep() -> None:
    """Repair what was lost on the way; every ten seconds."""
    sweeping.sweep()


@shared_task
def run_scheduled() -> None:
    """Issue the commands that are due by now; every five seconds."""
    scheduled_commands.run_due(clock.now())


@shared_task
def follow_sessions() -> None:
    """Price running sessions and keep their budgets; every ten seconds."""
    sweeping.follow_sessions()


@shared_task
def tell_costs() -> None:
    """Tell stations that show it what sessions cost so far; every ten seconds."""
    sweeping.tell_costs()


@shared_task
def keep_default_prices() -> None:
    """Let stations show the price that holds now while nobody is there; every minute."""
    sweeping.keep_default_prices()


@shared_task
def condense_readings() -> None:
    """Take new readings into the history; every five minutes."""
    sweeping.condense_readings()


@shared_task
def advance_rollouts() -> None:
    """Take firmware rollouts as far as they can go now; every two seconds."""
    sweeping.advance_rollouts()


@shared_task
def fetch_firmware() -> None:
    """Fetch firmware that was named by its address; every five seconds."""
    sweeping.fetch_firmware()


@shared_task
def erase_in_logs() -> None:
    """Take persons who are to be forgotten out of the logs; every minute."""
    sweeping.erase_in_logs()


@shared_task
def tidy() -> None:
    """Make partitions ahead, drop old ones, mark orphaned sessions; every hour."""
    sweeping.tidy()
