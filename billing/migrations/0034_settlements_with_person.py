from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [('billing', '0033_retention')]

    operations = [
        # Half made by a migration that ended.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS settlement_with_person", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='settlement',
            index=models.Index(condition=models.Q(('person_removed_at', None)), fields=['due_at'], name='settlement_with_person'),
        ),
    ]
