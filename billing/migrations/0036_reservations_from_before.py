"""Reservations that had their price before reservations were billed stay unbilled, with that as the stated reason."""

from django.db import migrations

FORWARD = """
INSERT INTO billing_reservationsettlement (reservation_id, outcome, reason, settled_at)
SELECT k.reservation_id, 'not_billable', 'before_billing', now() FROM stations_reservationcost k
WHERE k.state = 'final' AND k.decision <> 'waived'
    AND NOT EXISTS (SELECT FROM billing_reservationsettlement s WHERE s.reservation_id = k.reservation_id)
ON CONFLICT DO NOTHING
"""
BACKWARD = "DELETE FROM billing_reservationsettlement WHERE reason = 'before_billing'"


class Migration(migrations.Migration):

    dependencies = [('billing', '0035_expired_documents')]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
