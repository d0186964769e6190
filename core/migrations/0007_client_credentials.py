"""Keys that can be rotated with an overlap, and OAuth2 clients with their access tokens."""

import core.ids
import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0005_outbox")]

    operations = [
        migrations.AddField(
            "apikey",
            "kind",
            models.CharField(
                choices=[("key", "API key"), ("client", "OAuth2 client")],
                default="key",
                max_length=6,
                verbose_name="kind",
            ),
        ),
        migrations.AddField("apikey", "former_digest", models.BinaryField(max_length=32, null=True)),
        migrations.AddField("apikey", "former_until", models.DateTimeField(null=True)),
        migrations.AddField("apikey", "rotated_at", models.DateTimeField(null=True)),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(condition=models.Q(kind__in=["key", "client"]), name="api_key_kind_known"),
        ),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(
                condition=models.Q(former_digest=None, former_until=None)
                | models.Q(former_digest__isnull=False, former_until__isnull=False),
                name="api_key_former_ends",
            ),
        ),
        migrations.CreateModel(
            "AccessToken",
            [
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50), size=None
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="access_tokens",
                        to="core.apikey",
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
    ]
