from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('drivers', '0012_erased_tokens'),
    ]

    operations = [
        migrations.AlterField(
            model_name='driver',
            name='blocked_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='driver',
            name='blocked_until',
            field=models.DateTimeField(blank=True, null=True, verbose_name='blocked until'),
        ),
        migrations.AddField(
            model_name='idtoken',
            name='blocked_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=200, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='idtoken',
            name='blocked_until',
            field=models.DateTimeField(blank=True, null=True, verbose_name='blocked until'),
        ),
    ]
