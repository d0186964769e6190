"""The month-end run over many sessions by two workers, which may be killed meanwhile (billing B-29 to B-34).

`python -m benchmarks.month_end --sessions 10000 --kills 100` makes the same rows and kills workers at random
points; the totals, numbers and postings are checked after every run, killed or not.
"""

import argparse
import random
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import psycopg

from benchmarks import harness
from benchmarks.harness import ROOT, MachineMeter, Place, Row, others_during

SLUG = "bench-month"
SESSIONS = 100_000
PER_ACCOUNT = 20
WORKERS = 2
LOOK_S = 0.25
SHORT_S = 0.01
LIFE_S = 0.5
PATIENCE_S = 3600
SELLER = {
    "street": "Kai 1", "postal_code": "20457", "city": "Hamburg", "country": "DE", "vat_id": "DE136695976"
}  # fmt: skip
PRICE = Decimal("0.50")
TARIFF = {
    "id": "MONTH", "currency": "EUR", "type": "REGULAR", "tax_included": "NO",
    "elements": [{"price_components": [{"type": "ENERGY", "price": PRICE, "vat": Decimal(19), "step_size": 1}]}],
}  # fmt: skip
WORKER = """
import django
django.setup()
from billing.services import running
print("at work", flush=True)
running.work()
"""


@dataclass
class Watch:
    """What the workers used: CPU seconds, and the resident set in MiB at a quarter and at the end."""

    cpu_s: float = 0.0
    sizes: list[float] = field(default_factory=list)
    kills: int = 0


def run(place: Place, *, quick: bool) -> list[Row]:
    """One run, nobody killed."""
    return measure(place, 1000 if quick else SESSIONS, kills=0)


def measure(place: Place, sessions: int, *, kills: int) -> list[Row]:
    """Make the records, run the month over them, check what came out."""
    period = _records(place, sessions)
    owed = _owed(place)
    machine, watch = MachineMeter(), Watch()
    begin = time.monotonic()
    _start(period)
    _work(watch, kills)
    took = time.monotonic() - begin
    others = others_during(machine, took)
    documents = _require_clean(place, sessions, owed)
    early, late = watch.sizes[len(watch.sizes) // 4], watch.sizes[-1]
    return [
        Row(
            f"a month-end run over {sessions:,} sessions",
            f"{took:.0f} s, {early:.0f} MiB a worker at a quarter and {late:.0f} MiB at the end",
            "100,000 within 10 minutes on two cores, flat memory",
            f"{documents:,} invoices issued by {WORKERS} workers, killed {watch.kills} times; workers "
            f"{watch.cpu_s / sessions * 1e6:.0f} us of CPU per session; every session on one line, numbers without "
            f"a gap, lines, invoices and postings equal; PDF and mail come afterwards and are not in it; "
            f"processes of others {others:.0%}",
        )
    ]


def _records(place: Place, sessions: int) -> str:
    """One session charged, priced and sealed by the portal's services; the others are copies of its rows."""
    from billing.models import Cdr
    from billing.services import settling
    from core import clock

    organization = _charge()
    settling.listen()
    settling.settle_due(clock.now() + timedelta(hours=1))
    record = Cdr.objects.get(organization=organization)
    assert record.account is not None
    values = {"record": record.pk, "sessions": sessions, "accounts": max(1, sessions // PER_ACCOUNT)}
    with psycopg.connect(place.owner_url, autocommit=True) as connection:
        for statement in COPIES:
            connection.execute(statement, values)
        connection.execute("ANALYZE")
    return str(record.ended_at.astimezone(ZoneInfo(record.account.time_zone)).strftime("%Y-%m"))


def _charge() -> Any:
    from billing.services import parties
    from core import access, clock
    from core.models import Membership
    from core.services import accounts
    from drivers.services import drivers, tokens
    from stations.domain.events import Stamp, TokenShown, TransactionStarted, TransactionStopped
    from stations.domain.station import StationRef
    from stations.services import access as site_access
    from stations.services import session_costs, stations, tariff_assignments, transactions
    from tariffs import publishing

    by = access.system("benchmark")
    organization = accounts.create_organization(SLUG, name="Benchmark", by=by)
    accounts.add_member("month@example.org", organization, access.Role.ADMIN, by=by)
    actor = site_access.actor_of_member(Membership.objects.get(organization=organization))
    parties.save_seller(organization, SELLER, by=actor)
    version = publishing.publish(publishing.create(TARIFF, by=actor), by=actor)
    tariff_assignments.assign(version.tariff, place=None, by=actor, role=None)
    tokens.create(value="04A2B6C8DA", by=actor, driver=drivers.create(name="Driver", by=actor))
    station, _ = stations.create({"identity": "MONTH-1"}, by=actor)
    stations.add_evse(station, 1)
    side = StationRef(station_id=station.pk, organization_id=organization.pk, site_id=None)
    now = clock.now()
    begun = Stamp(occurred_at=now - timedelta(hours=1), received_at=now)
    session = transactions.start(
        side,
        TransactionStarted(
            evse_id=1, connector_id=1, token=TokenShown(value="04A2B6C8DA", type=""),
            meter_start_wh=Decimal(0), stamp=begun,
        ),
    ).transaction  # fmt: skip
    assert session.number is not None
    end = Stamp(occurred_at=now, received_at=now)
    transactions.stop(
        side, TransactionStopped(number=session.number, meter_stop_wh=Decimal(12_345), stamp=end)
    )
    session_costs.settle(session)
    return organization


def _start(period: str) -> None:
    from billing.services import running
    from core import access
    from core.models import Organization

    organization = Organization.objects.get(slug=SLUG)
    running.start(organization, period, issue=True, by=access.system("benchmark"))


def _work(watch: Watch, kills: int) -> None:
    """Workers until the run is finished; the killed ones are followed by new ones."""
    from billing.models import BillingRun, RunState

    deadline = time.monotonic() + PATIENCE_S
    workers = [_Worker() for _ in range(WORKERS)]
    while BillingRun.objects.filter(organization__slug=SLUG, state=RunState.OPEN).exists():
        if time.monotonic() > deadline:
            raise SystemExit("The run did not end in time.")
        time.sleep(LOOK_S if watch.kills >= kills else SHORT_S)
        workers = [worker.looked_at(watch, kills) for worker in workers]
    for worker in workers:
        worker.process.wait(60)
        watch.cpu_s += worker.cpu_s


class _Worker:
    """A process that serves the run; one that is to be killed has half a second of work at most."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, stdout=subprocess.PIPE)
        self.cpu_s, self.dies_at = 0.0, 0.0

    def looked_at(self, watch: Watch, kills: int) -> "_Worker":
        """Itself, or who takes its place."""
        if self.process.poll() is not None:
            watch.cpu_s += self.cpu_s
            return _Worker()
        seen = psutil.Process(self.process.pid)
        times = seen.cpu_times()
        self.cpu_s = times.user + times.system
        if self._is_at_work():
            watch.sizes.append(seen.memory_info().rss / 2**20)
            if watch.kills < kills and time.monotonic() > self.dies_at:
                watch.kills += 1
                self.process.kill()
                self.process.wait()
        return self

    def _is_at_work(self) -> bool:
        assert self.process.stdout is not None
        if not self.dies_at and select.select([self.process.stdout], [], [], 0)[0]:
            self.dies_at = time.monotonic() + random.uniform(0, LIFE_S)
        return self.dies_at > 0


def _owed(place: Place) -> Decimal:
    with psycopg.connect(place.owner_url) as connection:
        row = connection.execute(OWED, {"slug": SLUG}).fetchone()
    assert row is not None
    return Decimal(row[0])


def _require_clean(place: Place, sessions: int, owed: Decimal) -> int:
    """How many invoices there are; each session on one live line, no gap, and equal sums, or it ends here."""
    with psycopg.connect(place.owner_url) as connection:
        row = connection.execute(CLEAN, {"slug": SLUG}).fetchone()
    assert row is not None
    invoices, first, last, drafts, billed, lines, due, posted = row
    accounts = max(1, sessions // PER_ACCOUNT)
    found = (invoices, first, last, drafts, billed, lines, due, posted)
    if found != (accounts, 1, accounts, 0, sessions, sessions, owed, owed):
        raise SystemExit(f"The run is not clean: {found}, owed {owed}.")
    return int(invoices)


COPIES = (
    """
    CREATE TEMPORARY TABLE payers AS
    SELECT n, gen_random_uuid() AS driver, gen_random_uuid() AS account FROM generate_series(1, %(accounts)s - 1) AS n
    """,
    """
    INSERT INTO drivers_driver SELECT r.* FROM billing_cdr c
        JOIN billing_billingaccount a ON a.id = c.account_id JOIN drivers_driver d ON d.id = a.driver_id, payers,
        LATERAL jsonb_populate_record(d, jsonb_build_object(
            'id', payers.driver, 'name', 'Driver ' || n, 'email', '', 'user_id', NULL)) AS r
    WHERE c.id = %(record)s
    """,
    """
    INSERT INTO billing_billingaccount SELECT r.* FROM billing_cdr c
        JOIN billing_billingaccount a ON a.id = c.account_id, payers,
        LATERAL jsonb_populate_record(a, jsonb_build_object(
            'id', account, 'driver_id', driver, 'name', 'Driver ' || n)) AS r
    WHERE c.id = %(record)s
    """,
    """
    CREATE TEMPORARY TABLE charged AS
    SELECT n, gen_random_uuid() AS session, gen_random_uuid() AS record,
        coalesce(payers.account, (SELECT account_id FROM billing_cdr WHERE id = %(record)s)) AS account
    FROM generate_series(1, %(sessions)s - 1) AS n
    LEFT JOIN payers USING (n)
    """,
    """
    UPDATE charged SET account = payers.account FROM payers
    WHERE charged.n >= %(accounts)s AND payers.n = charged.n %% %(accounts)s
    """,
    """
    INSERT INTO stations_transaction SELECT r.* FROM billing_cdr c
        JOIN stations_transaction t ON t.id = c.transaction_id, charged,
        LATERAL jsonb_populate_record(t, jsonb_build_object(
            'id', session, 'reference', 'MONTH-' || n, 'number', NULL,
            'start_digest', NULL)) AS r
    WHERE c.id = %(record)s
    """,
    """
    INSERT INTO billing_cdr SELECT r.* FROM billing_cdr c, charged, LATERAL jsonb_populate_record(c, jsonb_build_object(
            'id', record, 'reference', record::text, 'transaction_id', session, 'account_id', charged.account)) AS r
    WHERE c.id = %(record)s
    """,
)
OWED = """
SELECT sum(c.payable_incl_vat) FROM billing_cdr c JOIN core_organization o ON o.id = c.organization_id
WHERE o.slug = %(slug)s
"""
CLEAN = """
WITH mine AS (
    SELECT i.* FROM billing_invoice i JOIN core_organization o ON o.id = i.organization_id WHERE o.slug = %(slug)s),
live AS (SELECT l.* FROM billing_invoiceline l JOIN mine ON mine.id = l.invoice_id WHERE l.voided_at IS NULL)
SELECT
    (SELECT count(*) FROM mine WHERE state = 'issued'), (SELECT min(sequence) FROM mine),
    (SELECT max(sequence) FROM mine), (SELECT count(*) FROM mine WHERE state <> 'issued'),
    (SELECT count(DISTINCT cdr_id) FROM live), (SELECT count(*) FROM live), (SELECT sum(due) FROM mine),
    (SELECT sum(e.amount) FROM billing_ledgerentry e JOIN billing_journal j ON j.id = e.journal_id
        JOIN core_organization o ON o.id = j.organization_id
        WHERE o.slug = %(slug)s AND e.account = 'receivable')
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.month_end", description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help=f"how many ({SESSIONS:,})")
    parser.add_argument("--kills", type=int, default=0, help="how often a worker is killed (0)")
    options = parser.parse_args()
    with harness.servers() as place:
        print(harness.machine(), harness.HEAD, sep="\n\n", flush=True)
        for row in measure(place, options.sessions, kills=options.kills):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
