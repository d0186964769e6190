"""Which tariff holds for a session: found by place, driver, connector and time (tariffs T-43)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from core.statements import execute
from stations.models import TariffAssignment
from tariffs.structure import TariffType

AD_HOC = frozenset({"DirectPayment", "NoAuthorization"})
"""Types of tokens behind which there is no contract."""


class Applicable(NamedTuple):
    """The version that holds, and where it was found; ``at_receipt`` as in :class:`FrozenTariff`.

    ``basis`` as the contract says (T-36); empty where it says nothing, or there is none.
    """

    version_id: UUID
    tariff_id: UUID
    document: str
    currency: str
    level: str
    at_receipt: bool
    basis: str


class Place(NamedTuple):
    """Where a session is, and who charges: what a tariff can be assigned to. ``connector_id`` as the station counts."""

    organization_id: UUID
    site_id: UUID | None = None
    station_id: UUID | None = None
    evse_pk: UUID | None = None
    connector_id: int | None = None
    driver_id: UUID | None = None


def applicable(place: Place, at: datetime, *, kind: TariffType = TariffType.REGULAR) -> Applicable | None:
    """The version in force at that instant, the first there is of: driver, group, EVSE, station, site, organization.

    Of two at one place that of the ``kind`` goes before the one for all, then that of the connector's type.
    An EVSE with connectors of several types has none until it is known which one is used.
    """
    row = execute(FIND, {**place._asdict(), "kind": kind.value, "at": at, "received": at, "late": False})
    return None if row is None else Applicable(*row)


def applicable_at(asked: Sequence[tuple[Place, TariffType]], at: datetime) -> list[Applicable | None]:
    """What :func:`applicable` finds at each of the places for its kind, in their order, by one query."""
    columns = {f"{name}s": [getattr(place, name) for place, _kind in asked] for name in Place._fields}
    kinds = [kind.value for _place, kind in asked]
    with connection.cursor() as cursor:
        cursor.execute(FIND_EACH, {**columns, "kinds": kinds, "at": at})
        return [None if found is None else Applicable(found, *more) for found, *more in cursor.fetchall()]


def kind_of(token_type: str) -> TariffType:
    """For whom the tariff of a session with such a token is."""
    return TariffType.AD_HOC_PAYMENT if token_type in AD_HOC else TariffType.REGULAR


def is_missing(place: Place, at: datetime, token_type: str) -> bool:
    """Whether none holds for such a token though the organization prices sessions.

    Where the EVSE is not known yet, one that has a tariff is enough: the start is asked about again.
    """
    if applicable(place, at, kind=kind_of(token_type)) is not None:
        return False
    assigned = TariffAssignment.objects.filter(organization_id=place.organization_id)
    at_evses = assigned.filter(evse__station_id=place.station_id, ended_at=None)
    return assigned.exists() and not (place.evse_pk is None and at_evses.exists())


FIND = """
SELECT v.id, v.tariff_id, v.document, v.currency, a.level, w.late, a.basis
FROM (VALUES (%(at)s::timestamptz, false), (%(received)s::timestamptz, true)) AS w(instant, late)
CROSS JOIN LATERAL (
    SELECT x.tariff_id, x.basis, x.role <> '' AS particular, x.connector_type <> '' AS typed,
        CASE WHEN x.driver_id IS NOT NULL THEN 0 WHEN x.driver_group_id IS NOT NULL THEN 1
            WHEN x.evse_id IS NOT NULL THEN 2 WHEN x.station_id IS NOT NULL THEN 3
            WHEN x.site_id IS NOT NULL THEN 4 ELSE 5 END AS rank,
        CASE WHEN x.driver_id IS NOT NULL OR x.driver_group_id IS NOT NULL THEN 'contract'
            WHEN x.evse_id IS NOT NULL THEN 'evse' WHEN x.station_id IS NOT NULL THEN 'station'
            WHEN x.site_id IS NOT NULL THEN 'site' ELSE 'organization' END AS level
    FROM stations_tariffassignment x
    WHERE x.organization_id = %(organization_id)s::uuid AND x.role IN ('', %(kind)s::text)
        AND x.assigned_at <= w.instant AND (x.ended_at IS NULL OR x.ended_at > w.instant)
        AND (x.driver_id = %(driver_id)s::uuid OR x.evse_id = %(evse_pk)s::uuid
            OR x.station_id = %(station_id)s::uuid OR x.site_id = %(site_id)s::uuid
            OR x.driver_group_id = (SELECT group_id FROM drivers_driver WHERE id = %(driver_id)s::uuid)
            OR num_nonnulls(x.driver_id, x.driver_group_id, x.evse_id, x.station_id, x.site_id) = 0)
        AND (x.connector_type = '' OR x.connector_type = (
            SELECT min(k.type) FROM stations_connector k WHERE k.evse_id = %(evse_pk)s::uuid
                AND (%(connector_id)s::int IS NULL OR k.connector_id = %(connector_id)s::int)
            HAVING count(DISTINCT k.type) = 1))
) a
JOIN tariffs_tariffversion v ON v.tariff_id = a.tariff_id AND v.state <> 'draft'
    AND v.valid_from <= w.instant AND (v.valid_to IS NULL OR v.valid_to > w.instant)
WHERE NOT w.late OR %(late)s::boolean
ORDER BY w.late, a.rank, a.particular DESC, a.typed DESC
LIMIT 1
"""

FIND_EACH = f"""
SELECT f.*
FROM unnest(
    %(organization_ids)s::uuid[], %(site_ids)s::uuid[], %(station_ids)s::uuid[], %(evse_pks)s::uuid[],
    %(connector_ids)s::int[], %(driver_ids)s::uuid[], %(kinds)s::text[]
) WITH ORDINALITY AS p(organization_id, site_id, station_id, evse_pk, connector_id, driver_id, kind, number)
LEFT JOIN LATERAL ({
    FIND
    % {
        **{name: f"p.{name}" for name in (*Place._fields, "kind")},
        **dict.fromkeys(("at", "received"), "%(at)s"),
        "late": "false",
    }
}) f ON true
ORDER BY p.number
"""
