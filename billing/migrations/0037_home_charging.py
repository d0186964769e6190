"""Charging at home: agreements by date, and records that say so (billing B-52)."""

import core.ids
import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models

DAYS = models.Func(
    'valid_from', 'valid_to', models.Value('[]'), function='daterange',
    output_field=django.contrib.postgres.fields.ranges.DateRangeField(),
)
CAUSES = [
    ('no_tariff', 'No tariff held at its start.'),
    ('unpriced', 'Its readings do not tell a price.'),
    ('no_end_reading', 'It has no reading of its end.'),
    ('register_fell', 'The register at its end is lower than at its start.'),
    ('too_much_energy', 'It has more energy than the outlet can deliver in its time.'),
    ('end_before_start', 'It ends before it starts.'),
    ('too_long', 'It lasts longer than 72 hours.'),
    ('clock_jump', "The station's clock was wrong."),
    ('unknown_token', 'Its card is not known here.'),
    ('overlap', 'It overlaps with another session at the same outlet.'),
    ('costs_without_energy', 'It has costs, but no energy.'),
    ('totals_differ', 'Its totals do not agree.'),
    ('signature', 'Its signed meter values are missing or do not hold.'),
    ('other_meter', "The home charger's meter is not the agreed one."),
    ('stumbled', 'Working it out stumbled; the log of the server says over what.'),
    ('late_data', 'Readings arrived after it was sealed.'),
]


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0036_reservations_from_before'),
        ('core', '0010_deliveries_by_id'),
        ('drivers', '0019_merged_drivers'),
        ('stations', '0051_ends_of_blocks_told'),
    ]

    operations = [
        migrations.CreateModel(
            name='HomeChargingPolicy',
            fields=[
                ('organization', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='home_charging_policy', serialize=False, to='core.organization')),
                ('mid_required', models.BooleanField(default=True, verbose_name='only with a meter approved by MID')),
                ('changed_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='HomeAgreement',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('rate_per_kwh', models.DecimalField(decimal_places=6, max_digits=12, verbose_name='rate per kWh')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('vat_rate', models.DecimalField(decimal_places=4, max_digits=7, null=True, verbose_name='VAT to the employer (%)')),
                ('meter_serial', models.CharField(blank=True, max_length=50, verbose_name='MID meter')),
                ('valid_from', models.DateField(verbose_name='from')),
                ('valid_to', models.DateField(null=True, verbose_name='until')),
                ('made_at', models.DateTimeField()),
                ('made_by', models.CharField(max_length=200)),
                ('driver', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='home_agreements', to='drivers.driver')),
                ('employer', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='home_agreements', to='billing.billingaccount')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='core.organization')),
                ('station', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='home_agreements', to='stations.chargingstation')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['organization', '-id'], name='home_agreement_by_org')],
                'constraints': [
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[('driver', '='), ('station', '='), (DAYS, '&&')], name='home_agreements_do_not_overlap'),
                    models.CheckConstraint(condition=models.Q(('valid_to', None), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='home_agreement_ends_after_start'),
                    models.CheckConstraint(condition=models.Q(('rate_per_kwh__gt', 0)), name='home_agreement_rate_is_a_price'),
                    models.CheckConstraint(condition=models.Q(models.Q(('employer', None), ('vat_rate', None)), models.Q(('employer__isnull', False), ('vat_rate__gte', 0), ('vat_rate__lte', 100)), _connector='OR'), name='home_agreement_says_the_employers_vat'),
                ],
            },
        ),
        migrations.AlterField(
            model_name='billingexception',
            name='cause',
            field=models.CharField(choices=CAUSES, max_length=20),
        ),
        migrations.AddField(
            model_name='cdr',
            name='home_agreement',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='cdrs', to='billing.homeagreement'),
        ),
        migrations.AddConstraint(
            model_name='cdr',
            constraint=models.CheckConstraint(condition=models.Q(('home_agreement', None), models.Q(('basis', 'net'), ('payable_excl_vat__isnull', False), ('transaction__isnull', False)), _connector='OR'), name='cdr_of_home_charging_is_net'),
        ),
        migrations.AddIndex(
            model_name='cdr',
            index=models.Index(condition=models.Q(('home_agreement__isnull', False)), fields=['home_agreement', 'ended_at'], name='cdr_by_home_agreement'),
        ),
    ]
