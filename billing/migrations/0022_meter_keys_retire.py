from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0021_documents_as_they_were'),
        ('core', '0007_client_credentials'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='meterkey',
            name='meter_key_once',
        ),
        migrations.AddField(
            model_name='meterkey',
            name='retired_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name='meterkey',
            index=models.Index(fields=['organization', 'serial'], name='meter_key_by_serial'),
        ),
        migrations.AddConstraint(
            model_name='meterkey',
            constraint=models.UniqueConstraint(condition=models.Q(('retired_at', None)), fields=('organization', 'serial'), name='meter_key_live_once'),
        ),
    ]
