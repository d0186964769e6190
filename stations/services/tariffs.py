"""Which tariff a session has: found by place and time, copied as it begins (tariffs T-42, T-43).

The copy is written by one statement inside the transaction that begins the session. What is scarce there is
time; whoever locks the EVSE and the session has done so before.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from core import clock
from core.statements import execute
from stations.domain.words import Flag
from stations.models import CostState, SessionCost, Transaction
from stations.services.transactions import standing
from tariffs.pricing import DEFAULT_ROUNDING, Basis
from tariffs.structure import TariffType

NO_TARIFF = "no_tariff"
AD_HOC = frozenset({"DirectPayment", "NoAuthorization"})
"""Types of tokens behind which there is no contract."""
LATEST_RECEIPT = timedelta(hours=24)
"""How late a start may be received so that, where none held at its own time, the tariff of the receipt counts."""


class Applicable(NamedTuple):
    """The version that holds, and where it was found; ``at_receipt`` as in :class:`FrozenTariff`."""

    version_id: UUID
    tariff_id: UUID
    document: str
    currency: str
    level: str
    at_receipt: bool


class Place(NamedTuple):
    """Where a session is: what a tariff can be assigned to."""

    organization_id: UUID
    site_id: UUID | None = None
    station_id: UUID | None = None
    evse_pk: UUID | None = None


def applicable(
    place: Place, at: datetime, *, contract: UUID | None = None, kind: TariffType = TariffType.REGULAR
) -> Applicable | None:
    """The version in force at that instant: contract, EVSE, station, site, organization, the first that has one.

    ``contract`` is a tariff's id; of two at one place that of the ``kind`` goes before the one for all.
    """
    row = execute(_FIND, {**_places(place), "contract": contract, "kind": kind.value,
                          "at": at, "received": at, "late": False})  # fmt: skip
    return None if row is None else Applicable(*row)


def kind_of(token_type: str) -> TariffType:
    """For whom the tariff of a session with such a token is."""
    return TariffType.AD_HOC_PAYMENT if token_type in AD_HOC else TariffType.REGULAR


def freeze(
    transaction: Transaction,
    *,
    received_at: datetime,
    contract: UUID | None = None,
    basis: Basis = DEFAULT_ROUNDING.basis,
) -> None:
    """Copy the tariff that held at the session's start; again, where its start arrives after other messages.

    Without one, the session is flagged and waits for a person, unless nothing is priced in the organization.
    """
    place = Place(
        transaction.organization_id, transaction.site_id, transaction.station_id, transaction.evse_id
    )
    told_late = Flag.OFFLINE in transaction.flags or received_at - transaction.started_at > LATEST_RECEIPT
    values = {
        **_places(place),
        "transaction": transaction.pk,
        "contract": contract,
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


def _places(place: Place) -> dict[str, UUID | None]:
    return {
        "organization": place.organization_id,
        "site": place.site_id,
        "station": place.station_id,
        "evse": place.evse_pk,
    }


_FIND = """
SELECT v.id, v.tariff_id, v.document, v.currency, a.level, w.late
FROM (VALUES (%(at)s::timestamptz, false), (%(received)s::timestamptz, true)) AS w(instant, late)
CROSS JOIN LATERAL (
    SELECT x.tariff_id, x.role <> '' AS particular,
        CASE WHEN x.evse_id IS NOT NULL THEN 1 WHEN x.station_id IS NOT NULL THEN 2
            WHEN x.site_id IS NOT NULL THEN 3 ELSE 4 END AS rank,
        CASE WHEN x.evse_id IS NOT NULL THEN 'evse' WHEN x.station_id IS NOT NULL THEN 'station'
            WHEN x.site_id IS NOT NULL THEN 'site' ELSE 'organization' END AS level
    FROM stations_tariffassignment x
    WHERE x.organization_id = %(organization)s::uuid AND x.role IN ('', %(kind)s::text)
        AND x.assigned_at <= w.instant AND (x.ended_at IS NULL OR x.ended_at > w.instant)
        AND (x.evse_id = %(evse)s::uuid OR x.station_id = %(station)s::uuid OR x.site_id = %(site)s::uuid
            OR (x.evse_id IS NULL AND x.station_id IS NULL AND x.site_id IS NULL))
    UNION ALL SELECT %(contract)s::uuid, true, 0, 'contract' WHERE %(contract)s::uuid IS NOT NULL
) a
JOIN tariffs_tariffversion v ON v.tariff_id = a.tariff_id AND v.state <> 'draft'
    AND v.valid_from <= w.instant AND (v.valid_to IS NULL OR v.valid_to > w.instant)
WHERE NOT w.late OR %(late)s::boolean
ORDER BY w.late, a.rank, a.particular DESC
LIMIT 1
"""
_FREEZE = f"""
WITH found AS ({_FIND}), frozen AS (
    INSERT INTO stations_frozentariff (transaction_id, version_id, level, document, currency, time_zone, policy,
        basis, at_receipt, frozen_at)
    SELECT %(transaction)s::uuid, f.id, f.level, f.document, f.currency,
        coalesce((SELECT time_zone FROM stations_site WHERE id = %(site)s::uuid),
            (SELECT time_zone FROM core_organization WHERE id = %(organization)s::uuid)),
        %(policy)s::text, %(basis)s::text, f.late, %(now)s::timestamptz
    FROM found f
    ON CONFLICT (transaction_id) DO UPDATE SET version_id = excluded.version_id, level = excluded.level,
        document = excluded.document, currency = excluded.currency, time_zone = excluded.time_zone,
        at_receipt = excluded.at_receipt, frozen_at = excluded.frozen_at
    RETURNING 1),
begun AS (
    INSERT INTO stations_sessioncost (transaction_id, state, cause, detail, since, currency, is_free, answer, texts,
        computed_at)
    SELECT %(transaction)s::uuid, 'running', '', '', %(now)s::timestamptz, '', false, '{{}}', '{{}}',
        %(now)s::timestamptz
    FROM found ON CONFLICT (transaction_id) DO UPDATE SET state = 'running', cause = '', detail = '',
        since = excluded.since)
SELECT EXISTS (SELECT FROM frozen)
        OR EXISTS (SELECT FROM stations_frozentariff WHERE transaction_id = %(transaction)s::uuid),
    EXISTS (SELECT FROM stations_tariffassignment WHERE organization_id = %(organization)s::uuid)
"""
