"""What is uncollectible is written off, and is paid all the same where money arrives for it (billing B-14, B-48)."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

_BEFORE = import_module("billing.migrations.0038_statements")
_STANDS = import_module("billing.migrations.0004_invoices_stand")
WITH_WRITE_OFFS = _BEFORE.WITH_PAYOUTS + """
        UNION SELECT journal_id FROM billing_writeoff WHERE invoice_id = ANY(invoices)"""
LAST_STEP = "('issued', 'uncollectible'), ('partly_paid', 'uncollectible'))"
WITH_PAID = "('issued', 'uncollectible'), ('partly_paid', 'uncollectible'), ('uncollectible', 'paid'))"
GUARD = """
CREATE FUNCTION billing_write_off_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Why it was may name a person, who may be forgotten.
    IF TG_OP = 'UPDATE' AND NEW.reason = '' AND to_jsonb(NEW) - 'reason' = to_jsonb(OLD) - 'reason' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what was written off is neither changed nor deleted' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER billing_write_off_stands BEFORE UPDATE OR DELETE ON billing_writeoff
    FOR EACH ROW WHEN (NOT billing_term_is_over()) EXECUTE FUNCTION billing_write_off_stands();
"""
UNGUARD = """
DROP TRIGGER billing_write_off_stands ON billing_writeoff;
DROP FUNCTION billing_write_off_stands();
"""


def stands(steps: str) -> str:
    """The function of migration 0004 that keeps what is issued, with these last steps of its states."""
    end = _STANDS.FORWARD.index("CREATE TRIGGER billing_invoice_stands")
    made = _STANDS.FORWARD[:end].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
    return made.replace(LAST_STEP, steps)


class Migration(migrations.Migration):

    dependencies = [('billing', '0042_company_members')]

    operations = [
        migrations.AlterField(
            model_name='ledgerentry',
            name='account',
            field=models.CharField(choices=[('receivable', 'Receivable'), ('revenue', 'Revenue'), ('vat', 'Vat'), ('rounding', 'Rounding'), ('cash', 'Cash'), ('bank', 'Bank'), ('wallet', 'Wallet'), ('unassigned', 'Unassigned'), ('fees', 'Fees'), ('payable', 'Payable'), ('compensation', 'Compensation'), ('host_share', 'Host Share'), ('write_off', 'Write Off')], max_length=12),
        ),
        migrations.CreateModel(
            name='WriteOff',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('amount', models.DecimalField(decimal_places=4, max_digits=19)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('made_by', models.CharField(blank=True, max_length=200)),
                ('made_at', models.DateTimeField()),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='write_offs', to='billing.invoice')),
                ('journal', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='write_off', to='billing.journal')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount', 0), _negated=True), name='write_off_is_something')],
            },
        ),
        migrations.RunSQL(
            stands(WITH_PAID) + _BEFORE.dropping(WITH_WRITE_OFFS) + GUARD,
            UNGUARD + _BEFORE.dropping(_BEFORE.WITH_PAYOUTS) + stands(LAST_STEP),
        ),
    ]
