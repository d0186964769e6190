"""What running sessions pay at the moment, so that displays are told when a price changes (T-46)."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stations', '0049_own_limits_kept'),
    ]

    operations = [
        migrations.AddField(
            model_name='sessioncost',
            name='prices',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='sessioncost',
            name='price_changed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='sessioncost',
            name='price_changes_at',
            field=models.DateTimeField(null=True),
        ),
    ]
