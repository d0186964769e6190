"""The ledger of a period is read without all the others (billing B-48)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [('billing', '0047_wallets_carried')]

    operations = [
        # Half made by a migration that ended.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS journal_by_day", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='journal',
            index=models.Index(fields=['organization', 'posted_at'], name='journal_by_day'),
        ),
    ]
