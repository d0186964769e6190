"""Examples of quirks, as they are met in the field: to be copied for a make, in force nowhere by themselves."""

from decimal import Decimal

from django.db import migrations

EXAMPLES = (
    (
        "Texts longer than the schema allows, words it does not list, extra fields, numbers sent as text: accepted and"
        " named as repairs, so that no session is lost to them.",
        {"lenient": True},
    ),
    (
        "Never answers a WebSocket ping. Its connection would be taken for dead although it works.",
        {"tolerances": {"no_pong": True}},
    ),
    (
        "Numbers its messages with integers instead of texts. The answer carries the same integer.",
        {"tolerances": {"integer_ids": True}},
    ),
    (
        "Sends its messages as binary frames that hold text.",
        {"tolerances": {"binary_frames": True}},
    ),
    (
        "OCPP 1.6 that sends the 40 digits of its password as text instead of the 20 bytes they stand for.",
        {"tolerances": {"hex_password": True}},
    ),
    (
        "OCPP 1.6 that offers no sub-protocol when it connects.",
        {"tolerances": {"no_subprotocol": True}},
    ),
    (
        "Reports kWh under the unit Wh: readings are a thousand times too small.",
        {"energy_factor": Decimal(1000)},
    ),
    (
        "Answers commands late, for example over a slow mobile connection.",
        {"call_timeout_s": 120},
    ),
)


def ship(apps, schema_editor):
    quirks = apps.get_model("stations", "Quirk").objects
    quirks.bulk_create(
        quirks.model(organization=None, enabled=False, reason=reason, changed_by="", **values)
        for reason, values in EXAMPLES
    )


def take_back(apps, schema_editor):
    apps.get_model("stations", "Quirk").objects.filter(organization=None).delete()


class Migration(migrations.Migration):
    dependencies = [("stations", "0009_device_model")]

    operations = [migrations.RunPython(ship, take_back)]
