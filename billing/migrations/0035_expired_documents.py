"""The one way by which documents go: a function of the owner that looks at their age and at holds (B-65, W-33).

The names of their stored files are kept until these are gone too.
"""

from django.db import migrations, models
from django.db.models.functions import Now

GUARDED = (
    ("billing_cdr_stands", "billing_cdr", "UPDATE OR DELETE", "billing_cdr_stands"),
    ("billing_invoice_stands", "billing_invoice", "UPDATE OR DELETE", "billing_invoice_stands"),
    ("billing_line_stands", "billing_invoiceline", "INSERT OR UPDATE OR DELETE", "billing_line_stands"),
    ("billing_journal_stands", "billing_journal", "UPDATE OR DELETE", "billing_ledger_stands"),
    ("billing_entry_stands", "billing_ledgerentry", "UPDATE OR DELETE", "billing_ledger_stands"),
    ("billing_payment_goes_forward", "billing_payment", "UPDATE OR DELETE", "billing_payment_goes_forward"),
)
TRIGGER = """
CREATE OR REPLACE TRIGGER {name} BEFORE {events} ON {table} FOR EACH ROW {when}EXECUTE FUNCTION {function}();
"""
UNLESS = "WHEN (NOT billing_term_is_over()) "


def triggers(when: str) -> str:
    return "".join(
        TRIGGER.format(name=name, table=table, events=events, function=function, when=when)
        for name, table, events, function in GUARDED
    )


FUNCTIONS = """
-- Only inside of billing_drop_expired, which runs as the owner: whoever sets the word alone changes nothing by it.
CREATE FUNCTION billing_term_is_over() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF current_setting('billing.term_is_over', true) IS DISTINCT FROM 'yes' THEN
        RETURN false;
    END IF;
    RETURN current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'billing_invoice'::regclass);
END $$;

CREATE FUNCTION billing_drop_expired(owner uuid, invoices uuid[], payments uuid[], cdrs uuid[], before date)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE journals uuid[]; sessions uuid[]; other record;
BEGIN
    IF before > current_date - interval '5 years' THEN
        RAISE EXCEPTION 'no term is below five years' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT array_agg(id) INTO journals FROM (
        SELECT id FROM billing_journal WHERE invoice_id = ANY(invoices)
        UNION SELECT journal_id FROM billing_paymentposting WHERE payment_id = ANY(payments)) j;
    IF EXISTS (SELECT FROM billing_invoice WHERE id = ANY(invoices) AND (organization_id <> owner
            OR state NOT IN ('paid', 'credited', 'uncollectible', 'discarded')
                AND (document_type <> '381' OR state = 'draft')
            OR coalesce(issued_on, (created_at AT TIME ZONE 'UTC')::date) >= before))
        OR EXISTS (SELECT FROM billing_payment WHERE id = ANY(payments) AND (organization_id <> owner
            OR state IN ('pending', 'held') OR (created_at AT TIME ZONE 'UTC')::date >= before))
        OR EXISTS (SELECT FROM billing_payment p WHERE p.id = ANY(payments)
            AND p.state = 'received' AND p.purpose <> 'top_up' AND p.captured - p.refunded > (
                SELECT coalesce(sum(a.amount), 0) FROM billing_allocation a
                WHERE a.payment_id = p.id AND a.undone_at IS NULL))
        OR EXISTS (SELECT FROM billing_refund WHERE (payment_id = ANY(payments) OR credit_note_id = ANY(invoices))
            AND (state = 'pending' OR (made_at AT TIME ZONE 'UTC')::date >= before))
        OR EXISTS (SELECT FROM billing_journal WHERE id = ANY(journals)
            AND (posted_at AT TIME ZONE 'UTC')::date >= before)
        OR EXISTS (SELECT FROM billing_cdr WHERE id = ANY(cdrs) AND (organization_id <> owner
            OR (sealed_at AT TIME ZONE 'UTC')::date >= before)) THEN
        RAISE EXCEPTION 'this must be kept' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT FROM billing_legalhold h WHERE h.organization_id = owner AND h.lifted_at IS NULL AND (
            h.account_id IS NULL
            OR h.account_id IN (SELECT account_id FROM billing_invoice WHERE id = ANY(invoices))
            OR h.account_id IN (SELECT account_id FROM billing_payment WHERE id = ANY(payments))
            OR h.account_id IN (SELECT account_id FROM billing_cdr WHERE id = ANY(cdrs)))) THEN
        RAISE EXCEPTION 'a legal hold keeps this' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('billing.term_is_over', 'yes', true);
    SELECT array_agg(DISTINCT transaction_id) INTO sessions FROM billing_cdr WHERE id = ANY(cdrs);
    UPDATE billing_bankline SET proposed_id = NULL WHERE proposed_id = ANY(invoices);
    DELETE FROM billing_bankline WHERE payment_id = ANY(payments);
    DELETE FROM billing_providercall WHERE payment_id = ANY(payments);
    DELETE FROM billing_refund WHERE payment_id = ANY(payments) OR credit_note_id = ANY(invoices);
    DELETE FROM billing_paymentposting WHERE payment_id = ANY(payments);
    DELETE FROM billing_hold WHERE payment_id = ANY(payments);
    -- Whatever else hangs on an invoice goes with it: lines, files, deliveries, receipts, debits, reminders.
    FOR other IN
        SELECT c.conrelid::regclass AS place, a.attname AS name FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid = 'billing_invoice'::regclass
            AND c.conrelid NOT IN ('billing_invoice'::regclass, 'billing_journal'::regclass, 'billing_bankline'::regclass)
    LOOP
        EXECUTE format('DELETE FROM %s WHERE %I = ANY($1)', other.place, other.name) USING invoices;
    END LOOP;
    DELETE FROM billing_ledgerentry WHERE journal_id = ANY(journals);
    DELETE FROM billing_journal WHERE id = ANY(journals);
    DELETE FROM billing_payment WHERE id = ANY(payments);
    DELETE FROM billing_invoice WHERE id = ANY(invoices);
    DELETE FROM billing_cdr WHERE id = ANY(cdrs);
    DELETE FROM stations_signedmeterdata s WHERE s.transaction_id = ANY(sessions)
        AND NOT EXISTS (SELECT FROM billing_cdr c WHERE c.transaction_id = s.transaction_id);
    -- Files for the bank hold the payers' accounts: they go with the last of the debits in them.
    DELETE FROM billing_debitfile f WHERE f.organization_id = owner AND f.state <> 'open' AND f.collect_on < before
        AND (f.made_at AT TIME ZONE 'UTC')::date < before
        AND NOT EXISTS (SELECT FROM billing_debititem i WHERE i.file_id = f.id);
    -- What still names one of them is told here, not at the commit of the whole turn.
    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
    PERFORM set_config('billing.term_is_over', '', true);
END $$;
"""
BACKWARD = """
DROP FUNCTION billing_drop_expired(uuid, uuid[], uuid[], uuid[], date);
DROP FUNCTION billing_term_is_over();
"""


class Migration(migrations.Migration):

    dependencies = [('billing', '0034_settlements_with_person')]

    operations = [
        migrations.CreateModel(
            name='ExpiredFile',
            fields=[
                ('name', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('next_try_at', models.DateTimeField(db_default=Now())),
            ],
            options={
                'indexes': [models.Index(fields=['next_try_at'], name='expired_file_due')],
            },
        ),
        migrations.RunSQL([FUNCTIONS + triggers(UNLESS)], [triggers("") + BACKWARD]),
    ]
