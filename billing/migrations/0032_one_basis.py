"""Both bases, or two currencies, never share an invoice (billing B-21, B-22)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION billing_line_fits_its_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM billing_invoice i JOIN billing_cdr c ON c.id = NEW.cdr_id
        WHERE i.id = NEW.invoice_id AND i.basis = c.basis AND i.currency = c.currency) THEN
        RAISE EXCEPTION 'an invoice has records of its basis and currency only' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_line_fits_its_record BEFORE INSERT ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION billing_line_fits_its_record();
"""
BACKWARD = """
DROP TRIGGER billing_line_fits_its_record ON billing_invoiceline;
DROP FUNCTION billing_line_fits_its_record();
"""


class Migration(migrations.Migration):

    dependencies = [('billing', '0031_reserved_records_once')]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
