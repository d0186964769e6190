"""Lists of stations and sites by name and by the time they were made, without sorting all of them."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0007_client_credentials'),
        ('stations', '0037_tariffs_into_sessions'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='chargingstation',
            index=models.Index(fields=['organization', 'name', 'id'], name='station_by_name'),
        ),
        migrations.AddIndex(
            model_name='chargingstation',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='station_by_creation'),
        ),
        migrations.AddIndex(
            model_name='site',
            index=models.Index(fields=['organization', 'created_at', 'id'], name='site_by_creation'),
        ),
    ]
