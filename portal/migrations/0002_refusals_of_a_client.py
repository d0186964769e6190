"""A refusal is an answer too, kept for the client that got it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]

    operations = [
        migrations.AddField(
            "idempotentanswer", "client", models.CharField(max_length=36, default="", db_default="")
        ),
    ]
