"""Companies that pay for drivers, with their cost centres (billing B-18)."""

import core.ids
import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models

TIME = models.Func(
    'since', 'until', function='tstzrange',
    output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField(),
)


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0041_debit_notices'),
        ('drivers', '0019_merged_drivers'),
    ]

    operations = [
        migrations.AddField(
            model_name='buyer',
            name='by_cost_centre',
            field=models.BooleanField(db_default=False, default=False, verbose_name='invoices by cost centre'),
        ),
        migrations.CreateModel(
            name='CompanyMember',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('cost_centre', models.CharField(blank=True, max_length=50, verbose_name='cost centre')),
                ('since', models.DateTimeField(verbose_name='since')),
                ('until', models.DateTimeField(null=True, verbose_name='until')),
                ('made_by', models.CharField(max_length=200)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='members', to='billing.billingaccount')),
                ('driver', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='companies', to='drivers.driver')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['account', '-id'], name='company_member_by_account')],
                'constraints': [
                    django.contrib.postgres.constraints.ExclusionConstraint(expressions=[('driver', '='), (TIME, '&&')], name='company_member_of_one_at_a_time'),
                    models.CheckConstraint(condition=models.Q(('until', None), ('until__gte', models.F('since')), _connector='OR'), name='company_member_ends_after_start'),
                ],
            },
        ),
    ]
