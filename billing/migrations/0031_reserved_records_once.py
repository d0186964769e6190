"""What reads a large table, while it is written."""

from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models

INDEX = "cdr_once_per_reservation"
FORWARD = [
    f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",  # half made by a migration that ended
    f"CREATE UNIQUE INDEX CONCURRENTLY {INDEX} ON billing_cdr (reservation_id) "
    "WHERE NOT credit AND replaces_id IS NULL AND reservation_id IS NOT NULL",
]
BACKWARD = f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [('billing', '0030_reserved_records')]

    operations = [
        ValidateConstraint(model_name='cdr', name='cdr_of_one_thing'),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS cdr_by_reservation", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='cdr',
            index=models.Index(condition=models.Q(('reservation__isnull', False)), fields=['reservation'], name='cdr_by_reservation'),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACKWARD)],
            state_operations=[
                migrations.AddConstraint(
                    model_name='cdr',
                    constraint=models.UniqueConstraint(condition=models.Q(('credit', False), ('replaces', None), ('reservation__isnull', False)), fields=('reservation',), name='cdr_once_per_reservation'),
                ),
            ],
        ),
    ]
