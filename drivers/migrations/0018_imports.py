import core.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0009_webhooks_by_name'),
        ('drivers', '0017_blocks_that_end'),
    ]

    operations = [
        migrations.CreateModel(
            name='TokenImport',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('made_by', models.CharField(max_length=200)),
                ('made_at', models.DateTimeField()),
                ('created', models.PositiveIntegerField()),
                ('updated', models.PositiveIntegerField()),
                ('drivers', models.PositiveIntegerField()),
                ('undone_by', models.CharField(blank=True, max_length=200)),
                ('undone_at', models.DateTimeField(null=True)),
                ('kept', models.PositiveIntegerField(null=True)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='core.organization')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['organization', '-id'], name='token_import_newest')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('kept', None), ('undone_at', None), ('undone_by', '')), models.Q(('kept__isnull', False), ('undone_at__isnull', False), ('undone_by__gt', '')), _connector='OR'), name='token_import_undone_by_someone')],
            },
        ),
        migrations.CreateModel(
            name='ImportedRow',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('before', models.JSONField(null=True)),
                ('digest', models.CharField(max_length=64)),
                ('kept_because', models.CharField(blank=True, max_length=100)),
                ('batch', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rows', to='drivers.tokenimport')),
                ('driver', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='drivers.driver')),
                ('token', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='drivers.idtoken')),
            ],
            options={
                'ordering': ['id'],
                'indexes': [models.Index(fields=['batch', 'id'], name='imported_row_by_batch')],
                'constraints': [models.CheckConstraint(condition=models.Q(('token', None), ('driver', None), _connector='XOR'), name='imported_row_of_one'), models.UniqueConstraint(condition=models.Q(('token', None), _negated=True), fields=('batch', 'token'), name='imported_token_once'), models.UniqueConstraint(condition=models.Q(('driver', None), _negated=True), fields=('batch', 'driver'), name='imported_driver_once')],
            },
        ),
    ]
