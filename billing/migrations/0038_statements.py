"""Statements: documents of type 389 with shares of records, each paid once (billing B-52, B-29)."""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models


ADDS_UP = """
-- Second line behind the lock: at the commit the lines are the invoice, and a discarded one holds no record.
CREATE OR REPLACE FUNCTION billing_invoice_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE i billing_invoice; nets numeric; leads numeric; live bigint;
BEGIN
    SELECT * INTO i FROM billing_invoice WHERE id = NEW.id;
    SELECT coalesce(sum(net), 0), coalesce(sum("leading"), 0), count(*) FILTER (WHERE voided_at IS NULL)
        INTO nets, leads, live FROM billing_invoiceline WHERE invoice_id = i.id;
    {shares}
    IF i.state = 'discarded' AND live > 0 THEN
        RAISE EXCEPTION 'a discarded draft holds no records' USING ERRCODE = 'check_violation';
    END IF;
    IF i.net <> nets OR (i.basis = 'gross' AND i.due <> leads) THEN
        RAISE EXCEPTION 'the lines of the invoice add up to % net, not %', nets, i.net USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""
OF_SHARES = """IF i.document_type = '389' THEN
        SELECT nets + coalesce(sum(net), 0), live + count(*) INTO nets, live FROM billing_share WHERE invoice_id = i.id;
    END IF;"""
SHARES = """
CREATE FUNCTION billing_share_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'what a statement says can be neither changed nor deleted'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM FROM billing_invoice i JOIN billing_cdr c ON c.id = NEW.cdr_id
        WHERE i.id = NEW.invoice_id AND i.state = 'draft' AND i.document_type = '389' AND i.currency = c.currency;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'shares are of a statement in its making, in its currency' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_share_stands BEFORE INSERT OR UPDATE OR DELETE ON billing_share
    FOR EACH ROW WHEN (NOT billing_term_is_over()) EXECUTE FUNCTION billing_share_stands();

CREATE FUNCTION billing_payout_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a payout can be neither changed nor deleted' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER billing_payout_stands BEFORE UPDATE OR DELETE ON billing_payout
    FOR EACH ROW WHEN (NOT billing_term_is_over()) EXECUTE FUNCTION billing_payout_stands();
"""
NO_SHARES = """
DROP TRIGGER billing_payout_stands ON billing_payout;
DROP FUNCTION billing_payout_stands();
DROP TRIGGER billing_share_stands ON billing_share;
DROP FUNCTION billing_share_stands();
"""

_EXPIRED = import_module("billing.migrations.0035_expired_documents")
JOURNALS = "UNION SELECT journal_id FROM billing_paymentposting WHERE payment_id = ANY(payments)"
WITH_PAYOUTS = JOURNALS + """
        UNION SELECT journal_id FROM billing_payout WHERE invoice_id = ANY(invoices)"""


def dropping(journals: str) -> str:
    """The function of migration 0035 that deletes expired documents, with the journals that go with them."""
    begin = _EXPIRED.FUNCTIONS.index("CREATE FUNCTION billing_drop_expired")
    made = _EXPIRED.FUNCTIONS[begin:].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
    return made.replace(JOURNALS, journals)


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0037_home_charging'),
        ('core', '0010_deliveries_by_id'),
    ]

    operations = [
        migrations.CreateModel(
            name='Payout',
            fields=[
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='payout', serialize=False, to='billing.invoice')),
                ('paid_on', models.DateField()),
                ('note', models.CharField(blank=True, max_length=200)),
                ('made_at', models.DateTimeField()),
                ('made_by', models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='Share',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('place', models.PositiveIntegerField()),
                ('vat_rate', models.DecimalField(decimal_places=4, max_digits=7)),
                ('vat_category', models.CharField(max_length=2)),
                ('vat_reason', models.CharField(blank=True, max_length=30)),
                ('net', models.DecimalField(decimal_places=4, max_digits=19)),
            ],
            options={
                'ordering': ['place'],
            },
        ),
        migrations.CreateModel(
            name='Supplier',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='supplier', serialize=False, to='billing.billingaccount')),
                ('tax', models.CharField(choices=[('none', 'Not subject to VAT, such as of a private person'), ('exempt', 'Exempt: a small enterprise'), ('standard', 'With VAT')], max_length=8, verbose_name='VAT')),
                ('vat_rate', models.DecimalField(decimal_places=4, default=0, max_digits=7, verbose_name='rate of VAT (%)')),
                ('tax_number', models.CharField(blank=True, max_length=30, verbose_name='tax number')),
                ('changed_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='accountexception',
            name='account_exception_open_once',
        ),
        migrations.RemoveConstraint(
            model_name='billingrun',
            name='billing_run_open_once',
        ),
        migrations.RemoveConstraint(
            model_name='invoice',
            name='invoice_once_per_period',
        ),
        migrations.RemoveConstraint(
            model_name='invoice',
            name='invoice_credit_names_invoice',
        ),
        migrations.AddField(
            model_name='accountexception',
            name='kind',
            field=models.CharField(choices=[('invoices', 'Invoices'), ('statements', 'Statements of what is paid')], db_default='invoices', default='invoices', max_length=10),
        ),
        migrations.AddField(
            model_name='billingrun',
            name='kind',
            field=models.CharField(choices=[('invoices', 'Invoices'), ('statements', 'Statements of what is paid')], db_default='invoices', default='invoices', max_length=10),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='document_type',
            field=models.CharField(choices=[('380', 'Invoice'), ('381', 'Credit note'), ('389', 'Self-billed invoice')], max_length=3),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='kind',
            field=models.CharField(choices=[('collective', 'Monthly'), ('receipt', 'Receipt'), ('credit', 'Credit'), ('statement', 'Statement of what is paid')], max_length=10),
        ),
        migrations.AlterField(
            model_name='invoiceseries',
            name='document_type',
            field=models.CharField(choices=[('380', 'Invoice'), ('381', 'Credit note'), ('389', 'Self-billed invoice')], max_length=3),
        ),
        migrations.AlterField(
            model_name='ledgerentry',
            name='account',
            field=models.CharField(choices=[('receivable', 'Receivable'), ('revenue', 'Revenue'), ('vat', 'Vat'), ('rounding', 'Rounding'), ('cash', 'Cash'), ('bank', 'Bank'), ('wallet', 'Wallet'), ('unassigned', 'Unassigned'), ('fees', 'Fees'), ('payable', 'Payable'), ('compensation', 'Compensation')], max_length=12),
        ),
        migrations.AddConstraint(
            model_name='accountexception',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('account', 'period', 'kind'), name='account_exception_open_once'),
        ),
        migrations.AddConstraint(
            model_name='billingrun',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('organization', 'period', 'kind'), name='billing_run_open_once'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ['collective', 'statement']), models.Q(('state', 'discarded'), _negated=True)), fields=('account', 'period', 'kind', 'currency', 'basis'), name='invoice_once_per_period'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('credits__isnull', False), ('document_type', '381'), ('kind', 'credit')), models.Q(('credits', None), ('document_type', '381'), ('kind', 'collective')), models.Q(('credits', None), ('document_type', '380'), ('kind__in', ['collective', 'receipt'])), models.Q(('credits', None), ('document_type', '389'), ('kind', 'statement')), _connector='OR'), name='invoice_credit_names_invoice'),
        ),
        migrations.AddField(
            model_name='payout',
            name='journal',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='payout', to='billing.journal'),
        ),
        migrations.AddField(
            model_name='share',
            name='cdr',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='billing.cdr'),
        ),
        migrations.AddField(
            model_name='share',
            name='home_agreement',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='billing.homeagreement'),
        ),
        migrations.AddField(
            model_name='share',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='billing.invoice'),
        ),
        migrations.AddConstraint(
            model_name='supplier',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('tax', 'standard'), ('vat_rate__gt', 0), ('vat_rate__lte', 100)), models.Q(('tax__in', ['none', 'exempt']), ('vat_rate', 0)), _connector='OR'), name='supplier_rate_fits_its_tax'),
        ),
        migrations.AddConstraint(
            model_name='share',
            constraint=models.UniqueConstraint(fields=('invoice', 'place'), name='share_place_once'),
        ),
        migrations.AddConstraint(
            model_name='share',
            constraint=models.UniqueConstraint(fields=('cdr', 'home_agreement'), name='share_of_home_charging_once'),
        ),
        migrations.RunSQL(
            [ADDS_UP.replace("{shares}", OF_SHARES) + SHARES + dropping(WITH_PAYOUTS)],
            [dropping(JOURNALS) + NO_SHARES + ADDS_UP.replace("{shares}", "")],
        ),
    ]
