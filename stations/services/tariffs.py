"""Which tariff a session has: found by place and time, copied as it begins (tariffs T-42, T-43).

The copy is written by one statement inside the transaction that begins the session. What is scarce there is
time; whoever locks the EVSE and the session has done so before.
"""

from datetime import datetime, timedelta

from core import clock
from core.statements import execute
from stations.domain.words import Flag
from stations.models import CostState, SessionCost, Transaction
from stations.services import reservation_costs
from stations.services.tariff_choice import FIND, Place, kind_of
from stations.services.transactions import standing
from tariffs.pricing import DEFAULT_ROUNDING, Basis

NO_TARIFF = "no_tariff"
LATEST_RECEIPT = timedelta(hours=24)
"""How late a start may be received so that, where none held at its own time, the tariff of the receipt counts."""


def freeze(transaction: Transaction, *, received_at: datetime, basis: Basis = DEFAULT_ROUNDING.basis) -> None:
    """Copy the tariff that held at the session's start; again, where its start arrives after other messages.

    Without one, the session is flagged and waits for a person, unless nothing is priced in the organization.
    A session that uses a reservation has the tariff of that (T-25).
    """
    if transaction.reservation_id is not None and reservation_costs.carry(transaction):
        return
    place = Place(
        transaction.organization_id,
        transaction.site_id,
        transaction.station_id,
        transaction.evse_id,
        transaction.connector_id,
        transaction.driver_id,
    )
    told_late = Flag.OFFLINE in transaction.flags or received_at - transaction.started_at > LATEST_RECEIPT
    values = {
        **place._asdict(),
        "transaction": transaction.pk,
        "kind": kind_of(transaction.token_type).value,
        "at": transaction.started_at,
        "received": received_at,
        "late": not told_late,
        "policy": DEFAULT_ROUNDING.policy,
        "basis": basis.value,
        "now": clock.now(),
    }
    row = execute(_FREEZE, values)
    assert row is not None  # it always selects one row
    frozen, priced_here = row
    missing = priced_here and not frozen
    if missing != (Flag.NO_TARIFF in transaction.flags):
        standing.set_flag(transaction, Flag.NO_TARIFF, missing)
        transaction.save(update_fields=["flags"])
    if missing:
        _leave_to_a_person(transaction)


def _leave_to_a_person(transaction: Transaction) -> None:
    now = clock.now()
    SessionCost.objects.get_or_create(
        transaction=transaction,
        defaults={"state": CostState.REVIEW, "cause": NO_TARIFF, "since": now, "computed_at": now},
    )


_FREEZE = f"""
WITH found AS ({FIND}), frozen AS (
    INSERT INTO stations_frozentariff (transaction_id, version_id, level, document, currency, time_zone, policy,
        basis, at_receipt, tariff_changes, frozen_at)
    SELECT %(transaction)s::uuid, f.id, f.level, f.document, f.currency,
        coalesce((SELECT time_zone FROM stations_site WHERE id = %(site_id)s::uuid),
            (SELECT time_zone FROM core_organization WHERE id = %(organization_id)s::uuid)),
        %(policy)s::text, coalesce(nullif(f.basis, ''), %(basis)s::text), f.late, '{{}}', %(now)s::timestamptz
    FROM found f
    ON CONFLICT (transaction_id) DO UPDATE SET version_id = excluded.version_id, level = excluded.level,
        document = excluded.document, currency = excluded.currency, time_zone = excluded.time_zone,
        basis = excluded.basis, at_receipt = excluded.at_receipt,
        tariff_changes = excluded.tariff_changes, frozen_at = excluded.frozen_at
        WHERE stations_frozentariff.level <> 'hand'
    RETURNING 1),
begun AS (
    INSERT INTO stations_sessioncost (transaction_id, state, cause, detail, since, currency, is_free, answer, texts,
        computed_at, decision, reason, decided_by)
    SELECT %(transaction)s::uuid, 'running', '', '', %(now)s::timestamptz, '', false, '{{}}', '{{}}',
        %(now)s::timestamptz, '', '', ''
    FROM found ON CONFLICT (transaction_id) DO UPDATE SET state = 'running', cause = '', detail = '',
        since = excluded.since
        WHERE stations_sessioncost.decision = '')
SELECT EXISTS (SELECT FROM frozen)
        OR EXISTS (SELECT FROM stations_frozentariff WHERE transaction_id = %(transaction)s::uuid),
    EXISTS (SELECT FROM stations_tariffassignment WHERE organization_id = %(organization_id)s::uuid)
"""
