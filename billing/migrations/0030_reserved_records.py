"""Records of reservations that no session used (billing section 1, B-01, B-10)."""

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

FITS = """
CREATE OR REPLACE FUNCTION billing_cdr_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE o billing_cdr;
BEGIN
    IF NEW.credit THEN
        SELECT * INTO o FROM billing_cdr WHERE id = NEW.credit_reference_id;
        IF o.credit OR (o.transaction_id, {of_reservation}o.currency, o.account_id, o.payable_excl_vat, o.payable_vat,
                o.payable_incl_vat)
            IS DISTINCT FROM (NEW.transaction_id, {new_reservation}NEW.currency, NEW.account_id,
                -NEW.payable_excl_vat, -NEW.payable_vat, -NEW.payable_incl_vat) THEN
            RAISE EXCEPTION 'a credit mirrors one record that is no credit' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.replaces_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM billing_cdr c JOIN billing_cdr k ON k.credit_reference_id = c.id
        WHERE c.id = NEW.replaces_id AND {same}) THEN
        RAISE EXCEPTION 'only a credited record of the same session is replaced' USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM billing_billingexception e WHERE e.transaction_id = NEW.transaction_id
        AND e.decision = '' AND e.cause <> 'late_data') THEN
        RAISE EXCEPTION 'the session waits for a decision' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""
FORWARD = FITS.format(
    of_reservation="o.reservation_id, ",
    new_reservation="NEW.reservation_id, ",
    same="(c.transaction_id, c.reservation_id) IS NOT DISTINCT FROM (NEW.transaction_id, NEW.reservation_id)",
)
BACKWARD = FITS.format(of_reservation="", new_reservation="", same="c.transaction_id = NEW.transaction_id")


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0027_dunning'),
        ('stations', '0037_tariffs_into_sessions'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReservationSettlement',
            fields=[
                ('reservation', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='settlement', serialize=False, to='stations.reservation')),
                ('outcome', models.CharField(choices=[('waiting', 'Settling'), ('sealed', 'Sealed'), ('exception', 'Needs a decision'), ('waived', 'Waived'), ('not_billable', 'Not billable')], max_length=12)),
                ('reason', models.CharField(blank=True, max_length=20)),
                ('settled_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('outcome__in', ['waived', 'not_billable']), ('reason__gt', '')), models.Q(('outcome', 'sealed'), ('reason', '')), _connector='OR'), name='reservation_settlement_says_why_not')],
            },
        ),
        migrations.AddField(
            model_name='cdr',
            name='reservation',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='cdrs', to='stations.reservation'),
        ),
        migrations.AlterField(
            model_name='cdr',
            name='transaction',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='cdrs', to='stations.transaction'),
        ),
        AddConstraintNotValid(
            model_name='cdr',
            constraint=models.CheckConstraint(condition=models.Q(('transaction', None), ('reservation', None), _connector='XOR'), name='cdr_of_one_thing'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
