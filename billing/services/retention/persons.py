"""Sessions lose their person after a term that is shorter than the law's for documents (billing B-66).

What goes is the way from a session or a reservation to whose it was: the driver and the token, a random key in whose
place tells no two sessions of one person from those of two. Records and invoices keep the law's term
(:mod:`documents`). Nothing goes while it is not decided, not billed, not paid, or held. Each batch is a transaction
that marks its sessions and counts them.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.transaction import atomic

from billing.models import LegalHold, RetentionKind, Settlement, WalletReservation
from billing.services.retention import holds, reports
from core.ids import uuid7_of
from core.models import Organization
from stations.services import old_persons

AT_ONCE = 500


def before(now: datetime) -> datetime:
    """What ended before then has no person any more."""
    return now - timedelta(days=settings.PERSON_DATA_DAYS)


@atomic
def forget_some(organization: Organization, now: datetime) -> int:
    """One batch; 0 where nothing is due (any more) or a hold stands."""
    holds.lock(organization)
    if holds.stops_all(organization):
        return 0
    due, spared = before(now), _spared(organization)
    keys = _due(_SESSIONS, organization, due, spared)
    counted = {"sessions": len(keys), **old_persons.of_sessions(keys)}
    Settlement.objects.filter(pk__in=keys).update(person_removed_at=now)
    # What a session kept in a wallet tells whose it was.
    WalletReservation.objects.filter(pk__in=keys).exclude(released_at=None).delete()
    counted |= old_persons.of_reservations(_due(_RESERVATIONS, organization, due, spared))
    counted |= old_persons.of_logs(organization.pk, due, AT_ONCE, spared=spared)
    done = sum(counted.values())
    if done:
        reports.add(organization, RetentionKind.PERSONS, due.date(), counted)
    return done


def _due(statement: str, organization: Organization, due: datetime, spared: list[UUID | None]) -> list[UUID]:
    values: dict[str, Any] = {
        "organization": organization.pk,
        "before": due,
        "until": uuid7_of(due, 0),
        "most": AT_ONCE,
        "spared": spared,
        "known": f"{old_persons.PREFIX}%",
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [key for (key,) in cursor.fetchall()]


def _spared(organization: Organization) -> list[UUID | None]:
    """Drivers of payers that are held."""
    rows = LegalHold.objects.filter(organization=organization, lifted_at=None, account__driver__isnull=False)
    return list(rows.values_list("account__driver", flat=True))


_KEPT = """EXISTS (
        SELECT FROM billing_cdr c WHERE {of} AND NOT c.credit AND (
            EXISTS (SELECT FROM billing_legalhold h WHERE h.lifted_at IS NULL AND h.account_id = c.account_id)
            OR c.home_agreement_id IS NOT NULL AND c.payable_excl_vat <> 0
            AND NOT EXISTS (SELECT FROM billing_cdr k WHERE k.credit_reference_id = c.id)
            AND NOT EXISTS (
                SELECT FROM billing_share p JOIN billing_invoice i ON i.id = p.invoice_id
                WHERE p.cdr_id = c.id AND i.state = 'paid')
            OR c.account_id IS NOT NULL AND coalesce(c.payable_incl_vat, c.payable_excl_vat) <> 0
            AND NOT EXISTS (SELECT FROM billing_cdr k WHERE k.credit_reference_id = c.id)
            AND NOT EXISTS (
                SELECT FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
                WHERE l.cdr_id = c.id AND l.voided_at IS NULL
                    AND (i.state IN ('paid', 'credited', 'uncollectible') OR i.document_type = '381'))))"""
"""What was given up counts as settled: its term begins with the session, and the claim stands on the document."""
_SESSIONS = f"""
SELECT s.transaction_id FROM billing_settlement s
JOIN stations_transaction t ON t.id = s.transaction_id
WHERE s.person_removed_at IS NULL AND s.due_at < %(before)s AND t.ended_at < %(before)s
    AND s.outcome IN ('sealed', 'waived', 'not_billable') AND t.organization_id = %(organization)s
    AND NOT EXISTS (SELECT FROM billing_billingexception e WHERE e.transaction_id = t.id AND e.decision = '')
    AND (t.driver_id IS NULL OR t.driver_id <> ALL(%(spared)s::uuid[]))
    AND NOT {_KEPT.format(of="c.transaction_id = coalesce(s.merged_into_id, t.id)")}
ORDER BY s.due_at LIMIT %(most)s FOR UPDATE OF s SKIP LOCKED
"""
_RESERVATIONS = f"""
SELECT r.id FROM stations_reservation r JOIN stations_chargingstation s ON s.id = r.station_id
LEFT JOIN stations_reservedtariff f ON f.reservation_id = r.id
LEFT JOIN stations_reservationcost p ON p.reservation_id = r.id
LEFT JOIN billing_settlement used ON used.transaction_id = r.transaction_id
WHERE s.organization_id = %(organization)s AND r.id < %(until)s AND r.ended_at < %(before)s
    AND r.token_value NOT LIKE %(known)s
    AND (used.transaction_id IS NULL OR used.person_removed_at IS NOT NULL)
    AND (f.reservation_id IS NULL OR f.settled_at IS NOT NULL)
    AND (p.reservation_id IS NULL OR p.decision = 'waived' OR p.state = 'final' AND (p.currency = ''
        OR EXISTS (SELECT FROM billing_reservationsettlement b WHERE b.reservation_id = r.id)))
    AND (f.driver_id IS NULL OR f.driver_id <> ALL(%(spared)s::uuid[]))
    AND NOT EXISTS (
        SELECT FROM drivers_idtoken o WHERE o.driver_id = ANY(%(spared)s::uuid[])
            AND (o.id = r.token_id OR upper(o.value) = upper(r.token_value)))
    AND NOT {_KEPT.format(of="c.reservation_id = r.id")}
ORDER BY r.id LIMIT %(most)s FOR UPDATE OF r SKIP LOCKED
"""
