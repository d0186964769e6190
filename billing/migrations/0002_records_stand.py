"""What the database itself refuses: a changed or deleted record, a record beside an open exception (B-01, B-09, B-10)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION billing_cdr_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'charge detail records can be neither changed nor deleted'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER billing_cdr_stands BEFORE UPDATE OR DELETE ON billing_cdr
    FOR EACH ROW EXECUTE FUNCTION billing_cdr_stands();
CREATE TRIGGER billing_cdr_no_truncate BEFORE TRUNCATE ON billing_cdr
    FOR EACH STATEMENT EXECUTE FUNCTION billing_cdr_stands();

CREATE FUNCTION billing_cdr_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE o billing_cdr;
BEGIN
    IF NEW.credit THEN
        SELECT * INTO o FROM billing_cdr WHERE id = NEW.credit_reference_id;
        IF o.credit OR (o.transaction_id, o.currency, o.account_id, o.payable_excl_vat, o.payable_vat, o.payable_incl_vat)
            IS DISTINCT FROM (NEW.transaction_id, NEW.currency, NEW.account_id,
                -NEW.payable_excl_vat, -NEW.payable_vat, -NEW.payable_incl_vat) THEN
            RAISE EXCEPTION 'a credit mirrors one record that is no credit' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.replaces_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM billing_cdr c JOIN billing_cdr k ON k.credit_reference_id = c.id
        WHERE c.id = NEW.replaces_id AND c.transaction_id = NEW.transaction_id) THEN
        RAISE EXCEPTION 'only a credited record of the same session is replaced' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM billing_billingexception e WHERE e.transaction_id = NEW.transaction_id
        AND e.decision = '' AND e.cause <> 'late_data') THEN
        RAISE EXCEPTION 'the session waits for a decision' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_cdr_fits BEFORE INSERT ON billing_cdr FOR EACH ROW EXECUTE FUNCTION billing_cdr_fits();

CREATE FUNCTION billing_exception_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.decision = '' AND NEW.cause <> 'late_data' AND EXISTS (
        SELECT FROM billing_cdr c WHERE c.transaction_id = NEW.transaction_id AND NOT c.credit) THEN
        RAISE EXCEPTION 'the session is sealed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_exception_fits BEFORE INSERT OR UPDATE ON billing_billingexception
    FOR EACH ROW EXECUTE FUNCTION billing_exception_fits();
"""

BACKWARD = """
DROP TRIGGER billing_exception_fits ON billing_billingexception;
DROP FUNCTION billing_exception_fits();
DROP TRIGGER billing_cdr_fits ON billing_cdr;
DROP FUNCTION billing_cdr_fits();
DROP TRIGGER billing_cdr_no_truncate ON billing_cdr;
DROP TRIGGER billing_cdr_stands ON billing_cdr;
DROP FUNCTION billing_cdr_stands();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_records")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
