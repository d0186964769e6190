"""Hosts of sites get shares of records, together never more than a record has (billing B-53)."""

import core.ids
import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models


FORWARD = """
-- Second line behind the split: at the commit all hosts together have no more of a record than it is over.
CREATE FUNCTION billing_hosts_fit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE amount numeric; shared numeric;
BEGIN
    SELECT payable_excl_vat INTO amount FROM billing_cdr WHERE id = NEW.cdr_id;
    SELECT sum(net) INTO shared FROM billing_share WHERE cdr_id = NEW.cdr_id AND host_agreement_id IS NOT NULL;
    IF amount IS NULL OR abs(shared) > abs(amount) OR shared * amount < 0 THEN
        RAISE EXCEPTION 'hosts have % of a record over %', shared, amount USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER billing_hosts_fit AFTER INSERT ON billing_share
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.host_agreement_id IS NOT NULL)
    EXECUTE FUNCTION billing_hosts_fit();
"""
BACKWARD = """
DROP TRIGGER billing_hosts_fit ON billing_share;
DROP FUNCTION billing_hosts_fit();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0038_statements'),
        ('core', '0010_deliveries_by_id'),
        ('stations', '0051_ends_of_blocks_told'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ledgerentry',
            name='account',
            field=models.CharField(choices=[('receivable', 'Receivable'), ('revenue', 'Revenue'), ('vat', 'Vat'), ('rounding', 'Rounding'), ('cash', 'Cash'), ('bank', 'Bank'), ('wallet', 'Wallet'), ('unassigned', 'Unassigned'), ('fees', 'Fees'), ('payable', 'Payable'), ('compensation', 'Compensation'), ('host_share', 'Host Share')], max_length=12),
        ),
        migrations.AlterField(
            model_name='share',
            name='home_agreement',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='billing.homeagreement'),
        ),
        migrations.CreateModel(
            name='HostAgreement',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('percent', models.DecimalField(decimal_places=4, default=0, max_digits=7, verbose_name='percent of the amount')),
                ('per_kwh', models.DecimalField(decimal_places=6, default=0, max_digits=12, verbose_name='for each kWh')),
                ('per_session', models.DecimalField(decimal_places=4, default=0, max_digits=19, verbose_name='for each session')),
                ('minimum', models.DecimalField(decimal_places=4, default=0, max_digits=19, verbose_name='at least, for each session')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('valid_from', models.DateField(verbose_name='from')),
                ('valid_to', models.DateField(null=True, verbose_name='until')),
                ('made_at', models.DateTimeField()),
                ('made_by', models.CharField(max_length=200)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='host_agreements', to='billing.billingaccount')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='core.organization')),
                ('site', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='host_agreements', to='stations.site')),
                ('station', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='host_agreements', to='stations.chargingstation')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddField(
            model_name='share',
            name='host_agreement',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='shares', to='billing.hostagreement'),
        ),
        migrations.AddConstraint(
            model_name='share',
            constraint=models.UniqueConstraint(fields=('cdr', 'host_agreement'), name='share_of_host_once'),
        ),
        migrations.AddConstraint(
            model_name='share',
            constraint=models.CheckConstraint(condition=models.Q(('home_agreement', None), ('host_agreement', None), _connector='XOR'), name='share_by_one_agreement'),
        ),
        migrations.AddIndex(
            model_name='hostagreement',
            index=models.Index(fields=['organization', '-id'], name='host_agreement_by_org'),
        ),
        migrations.AddConstraint(
            model_name='hostagreement',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(expressions=[('account', '='), ('site', '='), (models.Func('valid_from', 'valid_to', models.Value('[]'), function='daterange', output_field=django.contrib.postgres.fields.ranges.DateRangeField()), '&&')], name='host_agreements_of_a_site_do_not_overlap'),
        ),
        migrations.AddConstraint(
            model_name='hostagreement',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(expressions=[('account', '='), ('station', '='), (models.Func('valid_from', 'valid_to', models.Value('[]'), function='daterange', output_field=django.contrib.postgres.fields.ranges.DateRangeField()), '&&')], name='host_agreements_of_a_station_do_not_overlap'),
        ),
        migrations.AddConstraint(
            model_name='hostagreement',
            constraint=models.CheckConstraint(condition=models.Q(('site', None), ('station', None), _connector='XOR'), name='host_agreement_of_one_place'),
        ),
        migrations.AddConstraint(
            model_name='hostagreement',
            constraint=models.CheckConstraint(condition=models.Q(('valid_to', None), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='host_agreement_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='hostagreement',
            constraint=models.CheckConstraint(condition=models.Q(('minimum__gte', 0), ('per_kwh__gte', 0), ('per_session__gte', 0), ('percent__gte', 0), ('percent__lte', 100)), name='host_agreement_takes_nothing'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
