"""What repairs the losses: idempotent jobs, each under an advisory lock so that one runs at a time (M-07)."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection
from django.db.transaction import atomic

from core import clock, turns
from drivers.services import imports
from stations.models import Connection, ConnectorState, ProfileSpan
from stations.services import (
    authorization_log,
    budgets,
    bulk_commands,
    card_registering,
    commands,
    connections,
    cost_displays,
    credentials,
    data_transfers,
    default_prices,
    erased_tokens,
    erasing,
    firmware_fetching,
    firmware_images,
    log_files,
    merged_drivers,
    monitoring,
    native_tariffs,
    offline,
    partitions,
    reading_history,
    reports,
    reservation_costs,
    reservations,
    session_costs,
    transactions,
)
from stations.services.certificates import sending
from stations.services.local_lists import upkeep as local_lists
from stations.services.rollouts import advancing
from stations.services.smart_charging import profiles
from stations.services.transactions import asking

KEEP_REFUSED = timedelta(days=30)
KEEP_CONNECTIONS = timedelta(days=365)


def alone(name: str, job: Callable[[], int]) -> int | None:
    """Run the job unless another process is at it; ``None`` then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [f"sweep:{name}"])
        if not cursor.fetchone()[0]:
            return None
        try:
            return job()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [f"sweep:{name}"])


def _each(jobs: Mapping[str, Callable[[], int]]) -> dict[str, int | None]:
    """One that stumbles, which is logged, keeps no other from its turn."""
    return {name: alone(name, partial(turns.guarded, name, job)) for name, job in jobs.items()}


def sweep() -> dict[str, int | None]:
    """Everything that is due often; answers with what each job repaired."""
    now = clock.now()
    jobs: dict[str, Callable[[], int]] = {
        "gateways": lambda: len(connections.free_dead_gateways(now)),
        "commands": lambda: commands.sweep(now),
        "bulk_commands": lambda: bulk_commands.expire(now),
        "reports": lambda: reports.expire(now),
        "credentials": lambda: credentials.expire(now),
        "certificates": lambda: sending.sweep(now),
        "offline": lambda: offline.watch(now),
        "reservations": lambda: reservations.expire(now),
        "local_lists": lambda: local_lists.keep(now),
        "cards": lambda: card_registering.settle_due(now),
        "session_states": lambda: asking.ask_after_reconnect(now),
    }
    return _each(jobs)


def follow_sessions() -> dict[str, int | None]:
    """What running sessions cost and may still use; apart from ``sweep``, which must not wait for it."""
    now = clock.now()
    jobs: dict[str, Callable[[], int]] = {
        "merged_drivers": lambda: merged_drivers.follow(now),
        "budgets": lambda: budgets.stop_reached(now),
        "costs": lambda: session_costs.sweep(now),
        "reservation_costs": lambda: reservation_costs.sweep(now),
    }
    return _each(jobs)


def tell_costs() -> int | None:
    """Stations that show what sessions cost so far, or compute it; apart from pricing, which does not wait for that."""
    told = alone("costs_told", lambda: cost_displays.tell_running(clock.now()))
    _each({"tariffs_changed": lambda: native_tariffs.change(clock.now())})
    return told


def keep_default_prices() -> int | None:
    """The prices that stations of 1.6 and 2.1 show while nobody is there."""
    _each({"default_tariffs": lambda: native_tariffs.keep(clock.now())})
    return alone("default_prices", lambda: default_prices.keep(clock.now()))


def advance_rollouts() -> int:
    """Firmware rollouts, each under its row's own lock, so that several workers may be at different ones."""
    return advancing.advance(clock.now())


def fetch_firmware() -> int:
    """Firmware that waits to be fetched; each image is taken by one worker."""
    return firmware_fetching.run(clock.now())


def erase_in_logs() -> int | None:
    """Take persons who are to be forgotten out of the logs, some days at a time."""
    return alone("erasures", lambda: erasing.search_due(clock.now()))


def condense_readings() -> int | None:
    """Take new readings into the history by minutes and quarters of an hour."""
    return alone("reading_history", lambda: reading_history.condense(clock.now()))


def tidy() -> dict[str, int | None]:
    """Everything that is due now and then: partitions, orphaned sessions, old connection rows."""
    now = clock.now()
    jobs: dict[str, Callable[[], int]] = {
        "partitions": lambda: sum(partitions.maintain(now)),
        "history_partitions": lambda: reading_history.maintain(now),
        "orphans": lambda: transactions.orphan_overdue(now),
        "data_transfers": lambda: data_transfers.forget(now),
        "connections": _forget_connections,
        "connector_states": _forget_connector_states,
        "charging_profiles": profiles.forget_over,
        "profile_spans": _forget_profile_spans,
        "monitoring": lambda: monitoring.forget_old(now),
        "authorizations": lambda: authorization_log.forget(now),
        "imports": lambda: imports.forget(now),
        "card_registrations": lambda: card_registering.forget(now),
        "erased_tokens": lambda: erased_tokens.replace_late(now) + erased_tokens.forget(now),
        "firmware": lambda: firmware_images.tidy(now),
        "log_files": lambda: log_files.forget(now),
    }
    return _each(jobs)


def _forget_connector_states() -> int:
    return ConnectorState.objects.filter(at__lt=_priced_again_until()).delete()[0]


def _forget_profile_spans() -> int:
    over = ProfileSpan.objects.filter(until__lt=_priced_again_until()).order_by("until")
    return ProfileSpan.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:10_000])).delete()[0]


def _priced_again_until() -> datetime:
    """As long as readings are kept, a session can be priced again."""
    return clock.now() - timedelta(days=settings.OCPP_READING_RETENTION_DAYS)


def _forget_connections() -> int:
    now = clock.now()
    with atomic():
        refused = Connection.objects.filter(outcome="refused", opened_at__lt=now - KEEP_REFUSED).delete()[0]
        closed = Connection.objects.filter(outcome="closed", opened_at__lt=now - KEEP_CONNECTIONS).delete()[0]
    return refused + closed
