"""Whose word a command is, by an id instead of a name that others may have too (security.md W-21)."""

from django.db import migrations, models

KNOWN = """
UPDATE stations_scheduledcommand p SET person_id = p.owner_id WHERE p.owner_kind = 'user';
UPDATE stations_scheduledcommand p SET person_id = coalesce(k.owner_id, k.id)
    FROM core_apikey k WHERE p.owner_kind = 'key' AND k.id = p.owner_id;
UPDATE stations_command c SET person_id = u.id FROM core_user u
    WHERE c.issued_at > now() - interval '1 day' AND lower(c.issued_by) = 'user:' || lower(u.email);
UPDATE stations_command c SET person_id = coalesce(k.owner_id, k.id) FROM core_apikey k
    WHERE c.issued_at > now() - interval '1 day' AND c.organization_id = k.organization_id
        AND c.issued_by = 'key:' || k.name;
UPDATE stations_bulkcommand b SET requested_owner = u.id::text FROM core_user u
    WHERE lower(b.requested_owner) = 'user:' || lower(u.email);
UPDATE stations_bulkcommand SET requested_owner = substr(requested_owner, 5) WHERE requested_owner LIKE 'key:%';
UPDATE stations_firmwarerollout r SET requested_owner = u.id::text FROM core_user u
    WHERE lower(r.requested_owner) = 'user:' || lower(u.email);
UPDATE stations_firmwarerollout SET requested_owner = substr(requested_owner, 5) WHERE requested_owner LIKE 'key:%';
"""


class Migration(migrations.Migration):
    dependencies = [("stations", "0054_changes_of_tariffs"), ("core", "0011_keys_of_persons")]

    operations = [
        migrations.AddField("command", "person_id", models.UUIDField(null=True)),
        migrations.AddField("scheduledcommand", "person_id", models.UUIDField(null=True)),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]
