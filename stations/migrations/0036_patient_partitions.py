"""Who makes or drops a partition waits for readers a second at most, since writers queue behind it meanwhile."""

from django.db import migrations

FUNCTIONS = (
    "stations_make_partitions(timestamptz)",
    "stations_make_history_partitions(timestamptz)",
    "stations_drop_partitions(timestamptz, integer, integer)",
    "stations_drop_history_partitions(timestamptz, integer, integer)",
)


class Migration(migrations.Migration):
    dependencies = [("stations", "0035_lists_by_name")]

    operations = [
        migrations.RunSQL(
            f"ALTER FUNCTION {function} SET lock_timeout = '1s'", f"ALTER FUNCTION {function} RESET lock_timeout"
        )
        for function in FUNCTIONS
    ]
