"""What is issued stands, states go forward only, and every journal adds up to nothing (B-14, B-17, B-48)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION billing_invoice_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'invoices cannot be deleted' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.state = 'draft' THEN
        IF NEW.state NOT IN ('draft', 'issued', 'discarded') THEN
            RAISE EXCEPTION 'a draft is issued or discarded' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (to_jsonb(NEW) - 'state') IS DISTINCT FROM (to_jsonb(OLD) - 'state') THEN
        RAISE EXCEPTION 'an issued invoice cannot be changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('issued', 'partly_paid'), ('issued', 'paid'), ('partly_paid', 'paid'), ('paid', 'partly_paid'),
        ('issued', 'credited'), ('partly_paid', 'credited'),
        ('issued', 'uncollectible'), ('partly_paid', 'uncollectible')) THEN
        RAISE EXCEPTION 'an invoice does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_invoice_stands BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_invoice_stands();

CREATE FUNCTION billing_line_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'lines of invoices cannot be deleted' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM FROM billing_invoice WHERE id = NEW.invoice_id AND state = 'draft';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'lines of an issued invoice cannot be changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - 'voided_at') IS DISTINCT FROM (to_jsonb(OLD) - 'voided_at') THEN
        RAISE EXCEPTION 'a line is voided, not changed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_line_stands BEFORE INSERT OR UPDATE OR DELETE ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION billing_line_stands();

-- Second line behind the lock: at the commit the lines are the invoice, and a discarded one holds no record.
CREATE FUNCTION billing_invoice_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE i billing_invoice; nets numeric; leads numeric; live bigint;
BEGIN
    SELECT * INTO i FROM billing_invoice WHERE id = NEW.id;
    SELECT coalesce(sum(net), 0), coalesce(sum("leading"), 0), count(*) FILTER (WHERE voided_at IS NULL)
        INTO nets, leads, live FROM billing_invoiceline WHERE invoice_id = i.id;
    IF i.state = 'discarded' AND live > 0 THEN
        RAISE EXCEPTION 'a discarded draft holds no records' USING ERRCODE = 'check_violation';
    END IF;
    IF i.net <> nets OR (i.basis = 'gross' AND i.due <> leads) THEN
        RAISE EXCEPTION 'the lines of the invoice add up to % net, not %', nets, i.net USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_invoice_adds_up AFTER INSERT OR UPDATE ON billing_invoice
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_invoice_adds_up();

CREATE FUNCTION billing_series_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.next_number < OLD.next_number OR NEW.last_date < OLD.last_date THEN
        RAISE EXCEPTION 'a series only goes on' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_series_goes_on BEFORE UPDATE OR DELETE ON billing_invoiceseries
    FOR EACH ROW EXECUTE FUNCTION billing_series_goes_on();

CREATE FUNCTION billing_ledger_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger can be neither changed nor deleted' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER billing_journal_stands BEFORE UPDATE OR DELETE ON billing_journal
    FOR EACH ROW EXECUTE FUNCTION billing_ledger_stands();
CREATE TRIGGER billing_entry_stands BEFORE UPDATE OR DELETE ON billing_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION billing_ledger_stands();
CREATE TRIGGER billing_entry_no_truncate BEFORE TRUNCATE ON billing_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION billing_ledger_stands();

CREATE FUNCTION billing_journal_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE j uuid := (to_jsonb(NEW) ->> CASE TG_TABLE_NAME WHEN 'billing_journal' THEN 'id' ELSE 'journal_id' END)::uuid;
    total numeric; entries bigint;
BEGIN
    SELECT coalesce(sum(amount), 0), count(*) INTO total, entries FROM billing_ledgerentry WHERE journal_id = j;
    IF total <> 0 OR entries < 2 THEN
        RAISE EXCEPTION 'a journal has at least two entries that add up to 0, not % to %', entries, total
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_journal_balances AFTER INSERT ON billing_journal
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_journal_balances();
CREATE CONSTRAINT TRIGGER billing_entry_balances AFTER INSERT ON billing_ledgerentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_journal_balances();
"""

BACKWARD = """
DROP TRIGGER billing_entry_balances ON billing_ledgerentry;
DROP TRIGGER billing_journal_balances ON billing_journal;
DROP FUNCTION billing_journal_balances();
DROP TRIGGER billing_entry_no_truncate ON billing_ledgerentry;
DROP TRIGGER billing_entry_stands ON billing_ledgerentry;
DROP TRIGGER billing_journal_stands ON billing_journal;
DROP FUNCTION billing_ledger_stands();
DROP TRIGGER billing_series_goes_on ON billing_invoiceseries;
DROP FUNCTION billing_series_goes_on();
DROP TRIGGER billing_invoice_adds_up ON billing_invoice;
DROP FUNCTION billing_invoice_adds_up();
DROP TRIGGER billing_line_stands ON billing_invoiceline;
DROP FUNCTION billing_line_stands();
DROP TRIGGER billing_invoice_stands ON billing_invoice;
DROP FUNCTION billing_invoice_stands();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_invoices")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
