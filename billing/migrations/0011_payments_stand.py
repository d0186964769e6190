"""Payments go forward only, settle no more than they are and than is owed; a wallet is what its ledger says."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION billing_payment_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'payments cannot be deleted' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.captured < OLD.captured OR NEW.currency <> OLD.currency
        OR NEW.amount <> OLD.amount OR NEW.organization_id <> OLD.organization_id THEN
        RAISE EXCEPTION 'amounts of a payment only grow' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('pending', 'held'), ('pending', 'received'), ('pending', 'released'), ('pending', 'failed'),
        ('held', 'received'), ('held', 'released'), ('held', 'failed'), ('failed', 'received'),
        ('failed', 'held'), ('failed', 'released'), ('received', 'returned')) THEN
        RAISE EXCEPTION 'a payment does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_payment_goes_forward BEFORE UPDATE OR DELETE ON billing_payment
    FOR EACH ROW EXECUTE FUNCTION billing_payment_goes_forward();

-- Second line behind the locks: at the commit no payment settles more than it is, no invoice takes more than it claims.
CREATE FUNCTION billing_allocation_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given numeric; have numeric; taken numeric; claimed numeric;
BEGIN
    SELECT coalesce(sum(amount), 0) INTO given FROM billing_allocation
        WHERE payment_id = NEW.payment_id AND undone_at IS NULL;
    SELECT captured - refunded INTO have FROM billing_payment WHERE id = NEW.payment_id;
    IF given > have THEN
        RAISE EXCEPTION 'a payment of % settles %', have, given USING ERRCODE = 'check_violation';
    END IF;
    SELECT coalesce(sum(amount), 0) INTO taken FROM billing_allocation
        WHERE invoice_id = NEW.invoice_id AND undone_at IS NULL;
    SELECT due INTO claimed FROM billing_invoice WHERE id = NEW.invoice_id;
    IF taken > claimed THEN
        RAISE EXCEPTION 'an invoice over % is settled by %', claimed, taken USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_allocation_fits AFTER INSERT OR UPDATE ON billing_allocation
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_allocation_fits();

CREATE FUNCTION billing_wallet_is_proven() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE currency_ text; said numeric; proven numeric;
BEGIN
    IF NEW.account <> 'wallet' THEN RETURN NULL; END IF;
    SELECT currency INTO currency_ FROM billing_journal WHERE id = NEW.journal_id;
    SELECT balance INTO said FROM billing_wallet WHERE account_id = NEW.payer_id AND currency = currency_;
    SELECT -sum(e.amount) INTO proven FROM billing_ledgerentry e JOIN billing_journal j ON j.id = e.journal_id
        WHERE e.account = 'wallet' AND e.payer_id = NEW.payer_id AND j.currency = currency_;
    IF said IS DISTINCT FROM proven THEN
        RAISE EXCEPTION 'the ledger has % in the wallet, not %', proven, said USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_wallet_is_proven AFTER INSERT ON billing_ledgerentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_wallet_is_proven();

-- How a payer may write an invoice's number, and what its structured reference holds.
CREATE INDEX billing_invoice_by_plain_number ON billing_invoice
    (organization_id, (upper(regexp_replace(number, '[^A-Za-z0-9]', '', 'g')))) WHERE number <> '';
"""

BACKWARD = """
DROP INDEX billing_invoice_by_plain_number;
DROP TRIGGER billing_wallet_is_proven ON billing_ledgerentry;
DROP FUNCTION billing_wallet_is_proven();
DROP TRIGGER billing_allocation_fits ON billing_allocation;
DROP FUNCTION billing_allocation_fits();
DROP TRIGGER billing_payment_goes_forward ON billing_payment;
DROP FUNCTION billing_payment_goes_forward();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_payments")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
