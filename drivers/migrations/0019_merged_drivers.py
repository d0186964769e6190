import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('drivers', '0018_imports')]

    operations = [
        migrations.AddField(
            model_name='driver',
            name='merged_into',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='drivers.driver'),
        ),
        migrations.AddIndex(
            model_name='driver',
            index=models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['merged_into'], name='driver_merged'),
        ),
    ]
