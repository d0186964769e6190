"""Who holds the former secret of a rotated key and who bought an access token (security.md W-21)."""

from django.db import migrations, models

KNOWN = """
UPDATE core_apikey SET former_owner_id = owner_id WHERE former_digest IS NOT NULL;
UPDATE core_accesstoken t SET owner_id = k.owner_id FROM core_apikey k WHERE k.id = t.key_id;
"""
"""Who held them before is not known for sure: they stay who they were taken for until they run out."""


class Migration(migrations.Migration):
    dependencies = [("core", "0011_keys_of_persons")]

    operations = [
        migrations.AddField("apikey", "former_owner_id", models.UUIDField(null=True)),
        migrations.AddField("accesstoken", "owner_id", models.UUIDField(null=True)),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]
