"""Credit notes of parts of an invoice, and of months below nothing; never above the invoice (billing B-17, B-28)."""

import django.contrib.postgres.constraints
import django.db.models.deletion
from django.db import migrations, models


FORWARD = """
CREATE FUNCTION billing_credit_line_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE o billing_invoiceline; leads numeric; nets numeric;
BEGIN
    SELECT * INTO o FROM billing_invoiceline WHERE id = NEW.credits_id;
    PERFORM FROM billing_invoice WHERE id = o.invoice_id FOR UPDATE;
    IF o.credits_id IS NOT NULL OR o.vat_rate <> NEW.vat_rate OR o.invoice_id IS DISTINCT FROM (
        SELECT credits_id FROM billing_invoice WHERE id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'a line of a credit note credits a line of its invoice' USING ERRCODE = 'check_violation';
    END IF;
    SELECT sum("leading"), sum(net) INTO leads, nets FROM billing_invoiceline WHERE credits_id = o.id;
    IF leads * sign(o."leading") > abs(o."leading") OR nets * sign(o.net) > abs(o.net) THEN
        RAISE EXCEPTION 'the line has %, its credits %', o."leading", leads USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_credit_line_fits AFTER INSERT ON billing_invoiceline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.credits_id IS NOT NULL)
    EXECUTE FUNCTION billing_credit_line_fits();

CREATE FUNCTION billing_credits_fit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE o billing_invoice; credited numeric;
BEGIN
    SELECT * INTO o FROM billing_invoice WHERE id = NEW.credits_id FOR UPDATE;
    SELECT sum(due) INTO credited FROM billing_invoice WHERE credits_id = o.id;
    IF o.document_type <> '380' OR credited > o.due OR EXISTS (
        SELECT FROM (
            SELECT (g->>'rate')::numeric AS rate, sum((g->>'net')::numeric) AS net, sum((g->>'vat')::numeric) AS vat
            FROM billing_invoice n CROSS JOIN jsonb_array_elements(n.vat_groups) g
            WHERE n.credits_id = o.id GROUP BY 1) c
        LEFT JOIN (
            SELECT (g->>'rate')::numeric AS rate, (g->>'net')::numeric AS net, (g->>'vat')::numeric AS vat
            FROM jsonb_array_elements(o.vat_groups) g) i USING (rate)
        WHERE i.rate IS NULL OR abs(c.net) > abs(i.net) OR abs(c.vat) > abs(i.vat)) THEN
        RAISE EXCEPTION 'credit notes cannot be above their invoice' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_credits_fit AFTER INSERT OR UPDATE ON billing_invoice
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.credits_id IS NOT NULL)
    EXECUTE FUNCTION billing_credits_fit();
"""
BACKWARD = """
DROP TRIGGER billing_credits_fit ON billing_invoice;
DROP FUNCTION billing_credits_fit();
DROP TRIGGER billing_credit_line_fits ON billing_invoiceline;
DROP FUNCTION billing_credit_line_fits();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0019_reconciliation'),
        ('core', '0007_client_credentials'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='invoice',
            name='invoice_credit_names_invoice',
        ),
        migrations.RemoveConstraint(
            model_name='invoiceline',
            name='invoice_line_cdr_once',
        ),
        migrations.RemoveConstraint(
            model_name='invoiceline',
            name='invoice_line_one_invoice_per_cdr',
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='credits',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credited_by', to='billing.invoiceline'),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='credits',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='billing.invoice'),
        ),
        migrations.AlterField(
            model_name='invoice',
            name='kind',
            field=models.CharField(choices=[('collective', 'Monthly'), ('receipt', 'Receipt'), ('credit', 'Credit')], max_length=10),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('credits__isnull', False), ('document_type', '381'), ('kind', 'credit')), models.Q(('credits', None), ('document_type', '381'), ('kind', 'collective')), models.Q(('credits', None), ('document_type', '380'), ('kind__in', ['collective', 'receipt'])), _connector='OR'), name='invoice_credit_names_invoice'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.UniqueConstraint(condition=models.Q(('credits', None), ('voided_at', None)), fields=('cdr', 'vat_rate'), name='invoice_line_cdr_once'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('credits', None), ('voided_at', None)), expressions=[('cdr', '='), ('invoice', '<>')], name='invoice_line_one_invoice_per_cdr'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
