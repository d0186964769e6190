"""An alert may be of the organization, where no station is meant: a webhook that was switched off."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("stations", "0055_commands_of_persons")]

    operations = [
        migrations.AlterField(
            "alert",
            "station",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="alerts",
                to="stations.chargingstation",
            ),
        ),
        migrations.AddConstraint(
            "alert",
            models.UniqueConstraint(
                condition=models.Q(cleared_at=None, station=None),
                fields=("organization", "kind", "subject"),
                name="alert_of_organization_open_once",
            ),
        ),
    ]
