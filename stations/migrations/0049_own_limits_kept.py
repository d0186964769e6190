"""Which profiles of ours stations had, and when: nobody pays for waiting that they cause (T-23)."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION stations_keep_profile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE stations_profilespan SET until = now()
        WHERE station_id = OLD.station_id AND profile_id = OLD.profile_id AND until IS NULL;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.source = 'CSO' THEN
        INSERT INTO stations_profilespan (station_id, evse_id, profile_id, transaction_id, content, since)
        VALUES (NEW.station_id, NEW.evse_id, NEW.profile_id, NEW.transaction_id, NEW.content, now());
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stations_profile_kept AFTER INSERT OR DELETE ON stations_installedprofile
    FOR EACH ROW EXECUTE FUNCTION stations_keep_profile();
CREATE TRIGGER stations_profile_kept_anew AFTER UPDATE ON stations_installedprofile FOR EACH ROW
    WHEN (OLD.content IS DISTINCT FROM NEW.content OR OLD.evse_id <> NEW.evse_id OR OLD.source <> NEW.source
        OR OLD.profile_id <> NEW.profile_id OR OLD.transaction_id IS DISTINCT FROM NEW.transaction_id)
    EXECUTE FUNCTION stations_keep_profile();
INSERT INTO stations_profilespan (station_id, evse_id, profile_id, transaction_id, content, since)
    SELECT station_id, evse_id, profile_id, transaction_id, content, installed_at
    FROM stations_installedprofile WHERE source = 'CSO';
"""
BACKWARD = """
DROP TRIGGER stations_profile_kept_anew ON stations_installedprofile;
DROP TRIGGER stations_profile_kept ON stations_installedprofile;
DROP FUNCTION stations_keep_profile();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('stations', '0044_budget_stops_tried_again'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProfileSpan',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('evse_id', models.PositiveIntegerField()),
                ('profile_id', models.BigIntegerField()),
                ('transaction_id', models.UUIDField(null=True)),
                ('content', models.JSONField()),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField(null=True)),
                ('station', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='stations.chargingstation')),
            ],
            options={
                'ordering': ['since', 'id'],
                'indexes': [
                    models.Index(fields=['station', 'until'], name='profile_span_by_station'),
                    models.Index(fields=['until'], name='profile_span_by_end'),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
