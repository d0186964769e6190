"""Who holds an API key, by an id that stays when addresses and names change (security.md W-21)."""

from django.db import migrations, models

KNOWN = """
UPDATE core_apikey k SET owner_id = u.id FROM core_user u WHERE lower(k.created_by) = 'user:' || lower(u.email);
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0010_deliveries_by_id")]

    operations = [
        migrations.AddField("apikey", "owner_id", models.UUIDField(null=True)),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]
