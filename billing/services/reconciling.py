"""Whether every ended session is accounted for, by what became of it (billing B-12).

Whatever fits none of these is a difference and has its id here: a session without a record that has an outcome
which asks for one, one with two live records, an invoice whose posting is not its amount, and by night also a series
with a gap and a record that is not as it was sealed. What drivers are paid for charging at home is ``compensated``, or
as any other record where an employer is billed for it. Reservations that no session used are not counted among the
sessions; what does not fit of them is a difference too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.transaction import atomic

from billing.models import Cdr, Reconciliation
from billing.services import alarms, sealing
from core import clock
from core.access import Actor, Permission
from core.errors import Invalid
from core.models import Organization

LOOKED_BACK = timedelta(days=62)
LOST_AFTER = timedelta(hours=3)
"""A session that nobody took in hand for so long is lost; the sweeper comes every hour."""
KEPT = 100
CLASSES = (
    "billed",
    "unbilled",
    "no_payer",
    "compensated",
    "zero",
    "credited",
    "waiting",
    "exception",
    "waived",
    "not_billable",
)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """``counts``: sessions by class. ``differences``: pairs of kind and id, of sessions and of invoices."""

    ended: int
    counts: Mapping[str, int]
    differences: list[tuple[str, str]]


def reconcile(organization: Organization, begin: datetime, end: datetime, *, by: Actor) -> Reconciled:
    """Sessions that ended and invoices issued from ``begin`` to before ``end``.

    Raises :class:`core.errors.Invalid` where the end is not after the beginning.
    """
    by.require(Permission.INVOICES_MANAGE, organization)
    if end <= begin:
        raise Invalid("The end must be after the beginning.", field="to")
    return _reconcile(organization, begin, end)


def check_all() -> int:
    """Check every organization and keep the result; how many do not add up, each of which is told."""
    return sum(_check(one) for one in Organization.objects.order_by("pk"))


@atomic
def _check(organization: Organization) -> bool:
    now = clock.now()
    found = _reconcile(organization, now - LOOKED_BACK, now)
    differences = [*found.differences, *_gaps(organization, now), *_changed(organization, now - LOOKED_BACK)]
    Reconciliation.objects.update_or_create(
        organization=organization,
        defaults={
            "begins_at": now - LOOKED_BACK, "ends_at": now, "checked_at": now,
            "counts": {"ended": found.ended, **found.counts}, "differing": len(differences),
            "differences": [{"kind": kind, "id": key} for kind, key in differences[:KEPT]],
        },
    )  # fmt: skip
    if differences:
        named = ", ".join(f"{kind} {key}" for kind, key in differences[:5])
        alarms.tell(
            "reconciliation", f"{len(differences)} do not add up: {named}",
            organization_id=organization.pk, object_id=organization.pk,
        )  # fmt: skip
    return bool(differences)


def _gaps(organization: Organization, now: datetime) -> list[tuple[str, str]]:
    """Series of this year and the last with a number missing that no restore skipped; older ones may have expired."""
    with connection.cursor() as cursor:
        cursor.execute(_GAPS, {"organization": organization.pk, "year": now.year - 1})
        return [("gap", str(key)) for (key,) in cursor.fetchall()]


def _changed(organization: Organization, since: datetime) -> list[tuple[str, str]]:
    """Records whose content is not what was sealed (B-04)."""
    rows = Cdr.objects.filter(organization=organization, ended_at__gte=since)
    sealed = rows.order_by("pk").values_list("pk", "content", "digest").iterator(chunk_size=500)
    return [("digest", str(key)) for key, content, digest in sealed if sealing.digest_of(content) != digest]


def _reconcile(organization: Organization, begin: datetime, end: datetime) -> Reconciled:
    values: dict[str, Any] = {
        "organization": organization.pk, "begin": begin, "end": end, "lost": clock.now() - LOST_AFTER,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, values)
        counted = dict(cursor.fetchall())
        cursor.execute(_SESSIONS_THAT_DIFFER, values)
        differing = [(kind, str(key)) for kind, key in cursor.fetchall()]
        cursor.execute(_RESERVATIONS_THAT_DIFFER, values)
        differing += [(kind, str(key)) for kind, key in cursor.fetchall()]
        cursor.execute(_POSTINGS, values)
        differing += [("posting", str(key)) for (key,) in cursor.fetchall()]
    counts = {name: counted.get(name, 0) for name in CLASSES}
    return Reconciled(sum(counted.values()), counts, differing)


_GAPS = """
SELECT s.id FROM billing_invoiceseries s
WHERE s.organization_id = %(organization)s AND s.year >= %(year)s
    AND s.next_number - 1 <> (SELECT count(*) FROM billing_invoice i WHERE i.series_id = s.id) + (
        SELECT coalesce(sum((a.changes->'next_number'->>1)::bigint - (a.changes->'next_number'->>0)::bigint), 0)
        FROM core_auditentry a WHERE a.organization_id = s.organization_id AND a.object_type = 'InvoiceSeries'
            AND a.object_id = s.id::text AND a.action = 'invoice.numbers_skipped')
ORDER BY s.id
"""
_CLASSED = """
WITH found AS (
    SELECT t.id, t.ended_at, s.outcome, c.live, c.records, c.lined, c.zero, c.payer, c.home,
        EXISTS (SELECT FROM billing_billingexception e
                WHERE e.transaction_id = t.id AND e.decision = '' AND e.cause <> 'late_data') AS asked
    FROM stations_transaction t
    LEFT JOIN billing_settlement s ON s.transaction_id = t.id
    LEFT JOIN LATERAL (
        SELECT count(*) AS records, count(*) FILTER (WHERE k.id IS NULL) AS live,
            bool_or(k.id IS NULL AND EXISTS (
                SELECT FROM billing_invoiceline l WHERE l.cdr_id = r.id AND l.voided_at IS NULL)) AS lined,
            bool_and(r.payable_excl_vat IS NOT DISTINCT FROM 0 AND r.payable_incl_vat IS NOT DISTINCT FROM 0)
                FILTER (WHERE k.id IS NULL) AS zero,
            bool_or(k.id IS NULL AND r.account_id IS NOT NULL) AS payer,
            bool_or(k.id IS NULL AND r.home_agreement_id IS NOT NULL) AS home
        FROM billing_cdr r LEFT JOIN billing_cdr k ON k.credit_reference_id = r.id
        WHERE r.transaction_id = t.id AND NOT r.credit) c ON true
    WHERE t.organization_id = %(organization)s AND t.status = 'ended'
        AND t.ended_at >= %(begin)s AND t.ended_at < %(end)s
), classed AS (
    SELECT id, CASE
        WHEN live > 1 THEN 'two_records'
        WHEN coalesce(outcome, 'waiting') <> 'sealed' AND live > 0 THEN 'record_not_expected'
        WHEN outcome IS NULL AND ended_at < %(lost)s THEN 'not_taken'
        WHEN coalesce(outcome, 'waiting') = 'waiting' THEN 'waiting'
        WHEN outcome = 'exception' AND NOT asked THEN 'nobody_asked'
        WHEN outcome <> 'sealed' THEN outcome
        WHEN records = 0 THEN 'no_record'
        WHEN live = 0 THEN 'credited'
        WHEN lined THEN 'billed'
        WHEN zero THEN 'zero'
        WHEN home AND NOT payer THEN 'compensated'
        WHEN NOT payer THEN 'no_payer'
        ELSE 'unbilled' END AS class
    FROM found)
"""
_COUNTS = _CLASSED + "SELECT class, count(*) FROM classed GROUP BY 1"
_SESSIONS_THAT_DIFFER = f"""{_CLASSED}
SELECT class, id FROM classed WHERE class NOT IN ({", ".join(f"'{name}'" for name in CLASSES)}) ORDER BY id
"""
_RESERVATIONS_THAT_DIFFER = """
SELECT class, id FROM (
    SELECT r.id, CASE
        WHEN c.live > 1 THEN 'two_records'
        WHEN c.live > 0 AND (s.outcome IS DISTINCT FROM 'sealed' OR k.decision = 'waived') THEN 'record_not_expected'
        WHEN c.live > 0 AND r.status = 'used' THEN 'used_after_all'
        WHEN s.outcome = 'sealed' AND c.records = 0 THEN 'no_record'
        WHEN s.outcome IS NULL AND k.state = 'final' AND k.decision <> 'waived' AND k.computed_at < %(lost)s
            THEN 'not_taken' END AS class
    FROM stations_reservationcost k
    JOIN stations_reservation r ON r.id = k.reservation_id
    JOIN stations_chargingstation t ON t.id = r.station_id
    LEFT JOIN billing_reservationsettlement s ON s.reservation_id = r.id
    CROSS JOIN LATERAL (
        SELECT count(*) AS records, count(*) FILTER (WHERE x.id IS NULL) AS live
        FROM billing_cdr b LEFT JOIN billing_cdr x ON x.credit_reference_id = b.id
        WHERE b.reservation_id = r.id AND NOT b.credit) c
    WHERE t.organization_id = %(organization)s AND k.ended_at >= %(begin)s AND k.ended_at < %(end)s) found
WHERE class IS NOT NULL ORDER BY id
"""
_POSTINGS = """
SELECT i.id FROM billing_invoice i LEFT JOIN billing_journal j ON j.invoice_id = i.id
WHERE i.organization_id = %(organization)s AND i.issued_at >= %(begin)s AND i.issued_at < %(end)s
    AND (CASE i.document_type WHEN '380' THEN i.due ELSE -i.due END) <> (
        SELECT coalesce(sum(e.amount), 0) FROM billing_ledgerentry e WHERE e.journal_id = j.id
            AND e.account = CASE i.document_type WHEN '389' THEN 'payable' ELSE 'receivable' END)
ORDER BY i.id
"""
