"""Which tariff holds where, what it was at the start of a session, and what the session costs (T-42 to T-44)."""

import core.ids
import django.db.models.deletion
from django.db import migrations, models

# Words that only 1.6 knows for connectors: there its sessions learn from them what their time counts as.
FORWARD = """
CREATE FUNCTION stations_keep_connector_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stations_connectorstate (evse_id, connector_id, status, at)
    VALUES (NEW.evse_id, NEW.connector_id, NEW.status, coalesce(NEW.status_at, now()));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_connector_state_kept AFTER UPDATE ON stations_connector FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND (
        NEW.status IN ('Preparing', 'Charging', 'SuspendedEV', 'SuspendedEVSE', 'Finishing')
        OR OLD.status IN ('Preparing', 'Charging', 'SuspendedEV', 'SuspendedEVSE', 'Finishing')))
    EXECUTE FUNCTION stations_keep_connector_state();

CREATE FUNCTION stations_tell_cost() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE t record;
BEGIN
    SELECT x.organization_id, x.site_id, x.station_id, x.reference, x.status, s.identity INTO t
    FROM stations_transaction x JOIN stations_chargingstation s ON s.id = x.station_id
    WHERE x.id = NEW.transaction_id;
    PERFORM core_outbox_add(t.organization_id, t.site_id, 'transaction.priced', NEW.transaction_id,
        jsonb_build_object('id', NEW.transaction_id, 'station', t.station_id, 'identity', t.identity,
            'ocpp_transaction_id', t.reference, 'status', t.status, 'cause', nullif(NEW.cause, ''),
            'cost', CASE WHEN NEW.currency <> '' THEN jsonb_build_object('excl_vat', NEW.answer #>> '{payable,excl_vat}',
                'incl_vat', NEW.answer #>> '{payable,incl_vat}', 'currency', NEW.currency,
                'final', NEW.state = 'final') END));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_cost_told_new AFTER INSERT ON stations_sessioncost
    FOR EACH ROW WHEN (NEW.state <> 'running') EXECUTE FUNCTION stations_tell_cost();
CREATE TRIGGER stations_cost_told AFTER UPDATE ON stations_sessioncost FOR EACH ROW
    WHEN (OLD.state <> NEW.state OR (NEW.state = 'final' AND (OLD.incl_vat IS DISTINCT FROM NEW.incl_vat
        OR OLD.excl_vat IS DISTINCT FROM NEW.excl_vat)) OR OLD.cause <> NEW.cause)
    EXECUTE FUNCTION stations_tell_cost();
"""
BACKWARD = """
DROP TRIGGER stations_cost_told ON stations_sessioncost;
DROP TRIGGER stations_cost_told_new ON stations_sessioncost;
DROP FUNCTION stations_tell_cost();
DROP TRIGGER stations_connector_state_kept ON stations_connector;
DROP FUNCTION stations_keep_connector_state();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0005_outbox'),
        ('stations', '0015_certificate_standings'),
        ('tariffs', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='FrozenTariff',
            fields=[
                ('transaction', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='frozen_tariff', serialize=False, to='stations.transaction')),
                ('level', models.CharField(choices=[('contract', 'Contract'), ('evse', 'EVSE'), ('station', 'Station'), ('site', 'Site'), ('organization', 'Organization')], max_length=12)),
                ('document', models.TextField()),
                ('currency', models.CharField(max_length=3)),
                ('time_zone', models.CharField(max_length=64)),
                ('policy', models.CharField(max_length=40)),
                ('basis', models.CharField(max_length=5)),
                ('at_receipt', models.BooleanField(default=False)),
                ('frozen_at', models.DateTimeField()),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tariffs.tariffversion')),
            ],
        ),
        migrations.CreateModel(
            name='SessionCost',
            fields=[
                ('transaction', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='cost', serialize=False, to='stations.transaction')),
                ('state', models.CharField(choices=[('running', 'Running'), ('final', 'Final'), ('review', 'Needs review')], max_length=7)),
                ('cause', models.CharField(blank=True, max_length=40)),
                ('detail', models.CharField(blank=True, max_length=300)),
                ('since', models.DateTimeField()),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('excl_vat', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('vat', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('incl_vat', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('is_free', models.BooleanField(default=False)),
                ('answer', models.JSONField(default=dict)),
                ('texts', models.JSONField(default=dict)),
                ('priced_until', models.DateTimeField(null=True)),
                ('measured_at', models.DateTimeField(null=True)),
                ('computed_at', models.DateTimeField()),
                ('told_incl_vat', models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ('told_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'running')), fields=['computed_at'], name='session_cost_running'), models.Index(condition=models.Q(('state', 'final')), fields=['computed_at'], name='session_cost_final'), models.Index(condition=models.Q(('state', 'review')), fields=['since'], name='session_cost_review')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('cause__gt', ''), ('state', 'review')), models.Q(('cause', ''), ('state__in', ['running', 'final'])), _connector='OR'), name='session_cost_review_has_cause')],
            },
        ),
        migrations.CreateModel(
            name='ConnectorState',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('connector_id', models.PositiveIntegerField()),
                ('status', models.CharField(max_length=40)),
                ('at', models.DateTimeField()),
                ('evse', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='stations.evse')),
            ],
            options={
                'ordering': ['at', 'id'],
                'indexes': [models.Index(fields=['evse', 'at'], name='connector_state_by_evse')],
            },
        ),
        migrations.CreateModel(
            name='TariffAssignment',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(blank=True, choices=[('AD_HOC_PAYMENT', 'AD_HOC_PAYMENT'), ('PROFILE_CHEAP', 'PROFILE_CHEAP'), ('PROFILE_FAST', 'PROFILE_FAST'), ('PROFILE_GREEN', 'PROFILE_GREEN'), ('REGULAR', 'REGULAR')], max_length=14)),
                ('assigned_at', models.DateTimeField()),
                ('assigned_by', models.CharField(max_length=200)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_by', models.CharField(blank=True, max_length=200)),
                ('evse', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='tariff_assignments', to='stations.evse')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='core.organization')),
                ('site', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='tariff_assignments', to='stations.site')),
                ('station', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='tariff_assignments', to='stations.chargingstation')),
                ('tariff', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to='tariffs.tariff')),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('organization', 'site', 'station', 'evse', 'role'), name='tariff_assignment_once_per_place', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('site', None), ('station', None)), models.Q(('evse', None), ('site', None)), models.Q(('evse', None), ('station', None)), _connector='OR'), name='tariff_assignment_of_one_place')],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
