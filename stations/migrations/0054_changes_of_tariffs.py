"""Since when later prices of a dynamic tariff count in a session (tariffs T-11, T-19); empty for what has its price."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stations', '0053_commands_of_two_persons'),
    ]

    operations = [
        migrations.AddField(
            model_name='frozentariff',
            name='tariff_changes',
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(), default=list, size=None
            ),
        ),
    ]
