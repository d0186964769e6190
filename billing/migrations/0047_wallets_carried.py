"""What a wallet paid and what filled it go after their term too; its balance is carried forward (billing B-65, B-48)."""

from importlib import import_module

from django.db import migrations, models

_STATEMENTS = import_module("billing.migrations.0038_statements")
_WRITE_OFFS = import_module("billing.migrations.0043_write_offs")
BEFORE = _STATEMENTS.dropping(_WRITE_OFFS.WITH_WRITE_OFFS)
DECLARED = "DECLARE journals uuid[]; sessions uuid[]; other record;"
WITH_CARRIED = DECLARED + " carried uuid[]; carry uuid; rest numeric;"
KEPT = "        OR EXISTS (SELECT FROM billing_refund WHERE (payment_id = ANY(payments)"
MONEY_THERE = """        -- What the payer owes in a wallet, and what a top-up left in it that no younger one explains.
        OR EXISTS (SELECT FROM billing_payment p
            JOIN billing_wallet w ON w.account_id = p.account_id AND w.currency = p.currency
            WHERE p.id = ANY(payments) AND (p.method = 'wallet' OR p.purpose = 'top_up') AND (w.balance < 0
                OR p.purpose = 'top_up' AND w.balance > (
                    SELECT coalesce(sum(q.captured - q.refunded), 0) FROM billing_payment q
                    WHERE q.account_id = p.account_id AND q.currency = p.currency AND q.purpose = 'top_up'
                        AND q.state = 'received' AND (q.created_at AT TIME ZONE 'UTC')::date >= before)))
"""
ENTRIES = "    DELETE FROM billing_ledgerentry WHERE journal_id = ANY(journals);\n"
CARRY = """    -- One journal of each wallet stands for all that is gone, so that its balance is still the sum of its entries.
    FOR other IN
        SELECT e.payer_id, j.currency, sum(e.amount) AS amount
        FROM billing_ledgerentry e JOIN billing_journal j ON j.id = e.journal_id
        WHERE j.id = ANY(journals) AND e.account = 'wallet' GROUP BY 1, 2
    LOOP
        SELECT array_agg(j.id), coalesce(sum(-e.amount), 0) + other.amount INTO carried, rest
        FROM billing_ledgerentry e JOIN billing_journal j ON j.id = e.journal_id
        WHERE e.account = 'carried' AND e.payer_id = other.payer_id AND j.currency = other.currency;
        DELETE FROM billing_ledgerentry WHERE journal_id = ANY(carried);
        DELETE FROM billing_journal WHERE id = ANY(carried);
        IF rest <> 0 THEN
            INSERT INTO billing_journal (id, organization_id, currency, posted_at)
                VALUES (gen_random_uuid(), owner, other.currency, (before - 1)::timestamp AT TIME ZONE 'UTC')
                RETURNING id INTO carry;
            INSERT INTO billing_ledgerentry (journal_id, account, payer_id, amount)
                VALUES (carry, 'wallet', other.payer_id, rest), (carry, 'carried', other.payer_id, -rest);
        END IF;
    END LOOP;
"""
SESSIONS = "FROM billing_cdr WHERE id = ANY(cdrs);\n    UPDATE"
WITH_HALVES = """FROM (
        SELECT transaction_id FROM billing_cdr WHERE id = ANY(cdrs)
        UNION SELECT s.transaction_id FROM billing_settlement s
            JOIN billing_cdr c ON c.transaction_id = s.merged_into_id WHERE c.id = ANY(cdrs)) both_halves;
    DELETE FROM billing_walletreservation WHERE transaction_id = ANY(sessions) AND released_at IS NOT NULL;
    UPDATE"""


def with_wallets() -> str:
    made = BEFORE
    for part, more in (
        (DECLARED, WITH_CARRIED), (KEPT, MONEY_THERE + KEPT), (ENTRIES, CARRY + ENTRIES), (SESSIONS, WITH_HALVES),
    ):  # fmt: skip
        assert made.count(part) == 1, part
        made = made.replace(part, more)
    return made


class Migration(migrations.Migration):

    dependencies = [('billing', '0046_halves_found')]

    operations = [
        migrations.RunSQL(with_wallets(), BEFORE),
        migrations.AlterField(
            model_name='ledgerentry',
            name='account',
            field=models.CharField(choices=[('receivable', 'Receivable'), ('revenue', 'Revenue'), ('vat', 'Vat'), ('rounding', 'Rounding'), ('cash', 'Cash'), ('bank', 'Bank'), ('wallet', 'Wallet'), ('unassigned', 'Unassigned'), ('fees', 'Fees'), ('payable', 'Payable'), ('compensation', 'Compensation'), ('host_share', 'Host Share'), ('carried', 'Carried'), ('write_off', 'Write Off')], max_length=12),
        ),
    ]
