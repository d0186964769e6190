"""What stations of OCPP 2.1 compute by themselves, to be compared with our cost (tariffs T-49)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("stations", "0025_favourites")]

    operations = [
        migrations.CreateModel(
            name="StationCost",
            fields=[
                (
                    "transaction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="station_cost",
                        serialize=False,
                        to="stations.transaction",
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("excl_vat", models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ("incl_vat", models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ("failed", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("differs", models.BooleanField(null=True)),
                ("told_at", models.DateTimeField()),
            ],
        ),
    ]
