import core.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0032_one_basis'),
        ('core', '0009_webhooks_by_name'),
    ]

    operations = [
        migrations.AddField(
            model_name='settlement',
            name='person_removed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name='LegalHold',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('reason', models.CharField(max_length=500)),
                ('placed_at', models.DateTimeField()),
                ('placed_by', models.CharField(max_length=200)),
                ('lifted_at', models.DateTimeField(null=True)),
                ('lifted_by', models.CharField(blank=True, max_length=200)),
                ('account', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='legal_holds', to='billing.billingaccount')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='legal_holds', to='core.organization')),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('lifted_at', None)), fields=('organization', 'account'), name='legal_hold_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('lifted_at', None), ('lifted_by', '')), models.Q(('lifted_at__isnull', False), ('lifted_by__gt', '')), _connector='OR'), name='legal_hold_lifted_by_someone')],
            },
        ),
        migrations.CreateModel(
            name='RetentionReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('persons', 'Data of persons'), ('documents', 'Documents')], max_length=9)),
                ('day', models.DateField()),
                ('before', models.DateField()),
                ('counts', models.JSONField(default=dict)),
                ('position', models.UUIDField(null=True)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='retention_reports', to='core.organization')),
            ],
            options={
                'ordering': ['-day', 'kind'],
                'constraints': [models.UniqueConstraint(fields=('organization', 'kind', 'day'), name='retention_report_once')],
            },
        ),
    ]
