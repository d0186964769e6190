"""A session that a restart cut in two: the later half names the one whose record counts both (billing B-06)."""

import django.db.models.deletion
from django.db import migrations, models

FITS = """
CREATE OR REPLACE FUNCTION billing_exception_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.decision = '' AND NEW.cause <> 'late_data' AND EXISTS (
        SELECT FROM billing_cdr c WHERE c.transaction_id = NEW.transaction_id AND NOT c.credit{standing}) THEN
        RAISE EXCEPTION 'the session is sealed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""
"""A record that was taken back keeps nobody from asking a person: both halves together may leave a doubt."""
STANDING = "\n        AND NOT EXISTS (SELECT FROM billing_cdr k WHERE k.credit_reference_id = c.id)"


class Migration(migrations.Migration):

    dependencies = [('billing', '0044_note_credits')]

    operations = [
        migrations.RunSQL(FITS.format(standing=STANDING), FITS.format(standing="")),
        migrations.AddField(
            model_name='settlement',
            name='merged_into',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='halves', to='billing.settlement'),
        ),
        migrations.AddConstraint(
            model_name='settlement',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('merged_into', None), models.Q(('reason', 'merged'), _negated=True)), models.Q(('merged_into__isnull', False), ('outcome', 'not_billable'), ('reason', 'merged')), _connector='OR'), name='settlement_merged_says_into_what'),
        ),
        migrations.AlterField(
            model_name='billingexception',
            name='decision',
            field=models.CharField(blank=True, choices=[('accepted', 'Accepted'), ('retried', 'Looked at again'), ('corrected', 'Corrected'), ('waived', 'Waived'), ('test', 'Marked as a test'), ('merged', 'Merged with its other half')], max_length=9),
        ),
    ]
