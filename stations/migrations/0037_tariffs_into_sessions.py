"""Prices of reservations, decisions on what could not be priced, and for whom prices are net (tariffs T-25, T-15, T-36)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("drivers", "0008_lists_by_name"),
        ("stations", "0036_patient_partitions"),
        ("tariffs", "0002_lists_by_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReservationCost",
            fields=[
                ("currency", models.CharField(blank=True, max_length=3)),
                ("excl_vat", models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ("vat", models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ("incl_vat", models.DecimalField(decimal_places=4, max_digits=18, null=True)),
                ("answer", models.JSONField(default=dict)),
                ("texts", models.JSONField(default=dict)),
                ("computed_at", models.DateTimeField()),
                (
                    "decision",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("tariff", "Priced again"),
                            ("amount", "Amount set by hand"),
                            ("waived", "Waived"),
                        ],
                        max_length=6,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "reservation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="cost",
                        serialize=False,
                        to="stations.reservation",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("running", "Running"), ("final", "Final"), ("review", "Needs review")],
                        max_length=7,
                    ),
                ),
                ("cause", models.CharField(blank=True, max_length=40)),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("since", models.DateTimeField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-reservation_id"],
            },
        ),
        migrations.CreateModel(
            name="ReservedTariff",
            fields=[
                (
                    "reservation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="reserved_tariff",
                        serialize=False,
                        to="stations.reservation",
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("contract", "Contract"),
                            ("evse", "EVSE"),
                            ("station", "Station"),
                            ("site", "Site"),
                            ("organization", "Organization"),
                            ("hand", "Chosen by hand"),
                        ],
                        max_length=12,
                    ),
                ),
                ("document", models.TextField(blank=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("time_zone", models.CharField(max_length=64)),
                ("policy", models.CharField(max_length=40)),
                ("basis", models.CharField(max_length=5)),
                ("free_cancellation", models.BooleanField()),
                ("accepted_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="frozentariff",
            name="reserved_from",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="frozentariff",
            name="reserved_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="sessioncost",
            name="decided_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="sessioncost",
            name="decided_by",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="sessioncost",
            name="decision",
            field=models.CharField(
                blank=True,
                choices=[
                    ("tariff", "Priced again"),
                    ("amount", "Amount set by hand"),
                    ("waived", "Waived"),
                ],
                max_length=6,
            ),
        ),
        migrations.AddField(
            model_name="sessioncost",
            name="reason",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="site",
            name="free_cancellation",
            field=models.BooleanField(default=False, verbose_name="cancelling a reservation is free"),
        ),
        migrations.AddField(
            model_name="tariffassignment",
            name="basis",
            field=models.CharField(blank=True, choices=[("gross", "gross"), ("net", "net")], max_length=5),
        ),
        migrations.AlterField(
            model_name="frozentariff",
            name="level",
            field=models.CharField(
                choices=[
                    ("contract", "Contract"),
                    ("evse", "EVSE"),
                    ("station", "Station"),
                    ("site", "Site"),
                    ("organization", "Organization"),
                    ("hand", "Chosen by hand"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="sessioncost",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at", None), ("decision", "")),
                    models.Q(
                        models.Q(("decision", ""), _negated=True),
                        ("decided_at__isnull", False),
                        ("decided_by__gt", ""),
                        ("reason__gt", ""),
                    ),
                    _connector="OR",
                ),
                name="session_cost_decided_by_someone",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservationcost",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cause__gt", ""), ("state", "review")),
                    models.Q(("cause", ""), ("state", "final")),
                    _connector="OR",
                ),
                name="reservation_cost_review_has_cause",
            ),
        ),
        migrations.AddConstraint(
            model_name="reservationcost",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at", None), ("decision", "")),
                    models.Q(
                        models.Q(("decision", ""), _negated=True),
                        ("decided_at__isnull", False),
                        ("decided_by__gt", ""),
                        ("reason__gt", ""),
                    ),
                    _connector="OR",
                ),
                name="reservation_cost_decided_by_someone",
            ),
        ),
        migrations.AddField(
            model_name="reservedtariff",
            name="driver",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="drivers.driver"
            ),
        ),
        migrations.AddField(
            model_name="reservedtariff",
            name="site",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="stations.site"
            ),
        ),
        migrations.AddField(
            model_name="reservedtariff",
            name="version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tariffs.tariffversion",
            ),
        ),
        migrations.AddIndex(
            model_name="reservedtariff",
            index=models.Index(
                condition=models.Q(("settled_at", None)), fields=["accepted_at"], name="reserved_tariff_open"
            ),
        ),
    ]
