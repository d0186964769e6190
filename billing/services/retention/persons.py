"""Sessions lose their person after a term that is shorter than the law's for documents (billing B-66).

What goes is the way from a session to who charged: the driver and the token, a random key in whose place tells no two
sessions of one person from those of two. Records and invoices keep the law's term (:mod:`documents`). Nothing goes
while it is not decided, not paid, or held. Each batch is a transaction that marks its sessions and counts them.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.transaction import atomic

from billing.models import LegalHold, RetentionKind, Settlement
from billing.services.retention import holds, reports
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
    due = before(now)
    keys = _due(organization, due)
    counted = {"sessions": len(keys), **old_persons.of_sessions(keys)}
    Settlement.objects.filter(pk__in=keys).update(person_removed_at=now)
    counted |= old_persons.of_logs(organization.pk, due, AT_ONCE, spared=_spared(organization))
    done = sum(counted.values())
    if done:
        reports.add(organization, RetentionKind.PERSONS, due.date(), counted)
    return done


def _due(organization: Organization, due: datetime) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"organization": organization.pk, "before": due, "most": AT_ONCE})
        return [key for (key,) in cursor.fetchall()]


def _spared(organization: Organization) -> list[UUID | None]:
    """Drivers of payers that are held."""
    rows = LegalHold.objects.filter(organization=organization, lifted_at=None, account__driver__isnull=False)
    return list(rows.values_list("account__driver", flat=True))


_DUE = """
SELECT s.transaction_id FROM billing_settlement s
JOIN stations_transaction t ON t.id = s.transaction_id
LEFT JOIN billing_billingaccount a ON a.driver_id = t.driver_id
WHERE s.person_removed_at IS NULL AND s.due_at < %(before)s AND t.ended_at < %(before)s
    AND s.outcome IN ('sealed', 'waived', 'not_billable') AND t.organization_id = %(organization)s
    AND NOT EXISTS (SELECT FROM billing_billingexception e WHERE e.transaction_id = t.id AND e.decision = '')
    AND NOT EXISTS (SELECT FROM billing_legalhold h WHERE h.lifted_at IS NULL AND h.account_id = a.id)
    AND NOT EXISTS (
        SELECT FROM billing_cdr c WHERE c.transaction_id = t.id AND NOT c.credit AND (
            EXISTS (SELECT FROM billing_legalhold h WHERE h.lifted_at IS NULL AND h.account_id = c.account_id)
            OR c.account_id IS NOT NULL AND coalesce(c.payable_incl_vat, c.payable_excl_vat) <> 0
            AND NOT EXISTS (SELECT FROM billing_cdr k WHERE k.credit_reference_id = c.id)
            AND NOT EXISTS (
                SELECT FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
                WHERE l.cdr_id = c.id AND l.voided_at IS NULL AND i.state IN ('paid', 'credited'))))
ORDER BY s.due_at LIMIT %(most)s FOR UPDATE OF s SKIP LOCKED
"""
