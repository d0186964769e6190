"""What happened, for programs: the outbox, events in order, webhooks and their deliveries."""

import core.ids
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


FORWARD = """
CREATE FUNCTION core_transaction_id() RETURNS bigint LANGUAGE sql STABLE
    AS $$ SELECT pg_current_xact_id()::text::bigint $$;
CREATE FUNCTION core_instant(moment timestamptz) RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
"""
BACKWARD = "DROP FUNCTION core_instant(timestamptz); DROP FUNCTION core_transaction_id();"

# What writes history (the demo, a benchmark) says so by ``SET LOCAL chargeyard.outbox = 'off'``.
ADD = """
CREATE FUNCTION core_outbox_add(organization uuid, limited uuid, kind text, object uuid, told jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('chargeyard.outbox', true) IS DISTINCT FROM 'off' THEN
        INSERT INTO core_outbox (organization_id, limit_id, type, object_id, data)
        VALUES (organization, limited, kind, object, told);
    END IF;
END $$;
INSERT INTO core_eventhorizon (id, forgotten) VALUES (1, 0);
"""
REMOVE = """
DROP FUNCTION core_outbox_add(uuid, uuid, text, uuid, jsonb);
DELETE FROM core_eventhorizon;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0004_audit_check'),
    ]

    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('limit_id', models.UUIDField(null=True)),
                ('type', models.CharField(max_length=40)),
                ('object_id', models.UUIDField()),
                ('data', models.JSONField()),
                ('occurred_at', models.DateTimeField()),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='core.organization')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='EventHorizon',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('forgotten', models.BigIntegerField(default=0)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='event_horizon_is_one')],
            },
        ),
        migrations.CreateModel(
            name='OutboxRow',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('organization_id', models.UUIDField()),
                ('limit_id', models.UUIDField(null=True)),
                ('type', models.CharField(max_length=40)),
                ('object_id', models.UUIDField()),
                ('data', models.JSONField()),
                ('occurred_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('cause', models.BigIntegerField(db_default=models.Func(function='core_transaction_id', output_field=models.BigIntegerField()))),
            ],
            options={
                'db_table': 'core_outbox',
                'ordering': ['id'],
                'indexes': [models.Index(fields=['object_id'], name='outbox_by_object')],
            },
        ),
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(blank=True, max_length=100, verbose_name='name')),
                ('url', models.CharField(max_length=2000, verbose_name='address')),
                ('types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, size=None, verbose_name='events')),
                ('limits', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), blank=True, default=list, size=None)),
                ('state', models.CharField(choices=[('active', 'Active'), ('paused', 'Paused'), ('disabled', 'Switched off')], default='active', max_length=8)),
                ('disabled_at', models.DateTimeField(null=True)),
                ('failing_since', models.DateTimeField(null=True)),
                ('blocked_until', models.DateTimeField(null=True)),
                ('sealed_secret', models.TextField()),
                ('sealed_previous', models.TextField(blank=True)),
                ('previous_until', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.CharField(max_length=200)),
                ('retired_at', models.DateTimeField(null=True)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='webhooks', to='core.organization')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('status', models.CharField(choices=[('pending', 'Waiting'), ('delivered', 'Delivered'), ('failed', 'Given up')], db_default='pending', default='pending', max_length=9)),
                ('tries', models.PositiveIntegerField(db_default=0, default=0)),
                ('tries_before', models.PositiveIntegerField(db_default=0, default=0)),
                ('next_try_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='core.event')),
                ('webhook', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='core.webhook')),
            ],
            options={
                'ordering': ['-event_id'],
            },
        ),
        migrations.CreateModel(
            name='DeliveryAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('at', models.DateTimeField()),
                ('duration_ms', models.PositiveIntegerField()),
                ('status_code', models.PositiveSmallIntegerField(null=True)),
                ('content_type', models.CharField(blank=True, max_length=100)),
                ('size_bytes', models.PositiveIntegerField(null=True)),
                ('failure', models.CharField(blank=True, max_length=200)),
                ('delivery', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='core.delivery')),
            ],
            options={
                'ordering': ['number'],
                'constraints': [models.UniqueConstraint(fields=('delivery', 'number'), name='attempt_once')],
            },
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['organization', 'id'], name='event_by_organization'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['occurred_at'], name='event_by_time'),
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['active', 'paused', 'disabled'])), name='webhook_state_known'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['webhook', 'next_try_at'], name='delivery_due'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('webhook', 'event'), name='delivery_once'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('status', 'pending'), ('next_try_at', None), _connector='XOR'), name='delivery_has_next_try'),
        ),
        migrations.RunSQL(ADD, REMOVE),
    ]
