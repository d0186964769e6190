from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [('billing', '0045_halves')]

    operations = [
        # Half made by a migration that ended.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS settlement_halves", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='settlement',
            index=models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['merged_into'], name='settlement_halves'),
        ),
    ]
