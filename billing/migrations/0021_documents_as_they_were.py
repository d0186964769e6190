"""Documents as they were: names of the start, logos; what is not billed, least amounts, receipts, consent."""

import billing.models.receipts
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0020_credit_notes'),
        ('core', '0007_client_credentials'),
        ('drivers', '0008_lists_by_name'),
        ('stations', '0036_patient_partitions'),
    ]

    operations = [
        migrations.CreateModel(
            name='Letterhead',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(max_length=64)),
                ('logo', models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='receipt', serialize=False, to='billing.invoice')),
                ('key', models.CharField(default=billing.models.receipts.new_key, max_length=43, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name='SessionOrigin',
            fields=[
                ('transaction', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='origin', serialize=False, to='stations.transaction')),
                ('content', models.JSONField()),
                ('kept_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='billingexception',
            name='consent',
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name='buyer',
            name='minimum_amount',
            field=models.DecimalField(decimal_places=4, default=0, max_digits=19, verbose_name='minimum amount'),
        ),
        migrations.AddField(
            model_name='buyer',
            name='staff',
            field=models.BooleanField(default=False, verbose_name='staff, whose sessions are not billed'),
        ),
        migrations.AddField(
            model_name='sitepolicy',
            name='free',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='billingexception',
            name='decision',
            field=models.CharField(blank=True, choices=[('accepted', 'Accepted'), ('retried', 'Looked at again'), ('corrected', 'Corrected'), ('waived', 'Waived'), ('test', 'Marked as a test')], max_length=9),
        ),
        migrations.AddConstraint(
            model_name='billingaccount',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'ad_hoc')), fields=('organization',), name='billing_account_ad_hoc_once'),
        ),
        migrations.AddConstraint(
            model_name='buyer',
            constraint=models.CheckConstraint(condition=models.Q(('minimum_amount__gte', 0)), name='buyer_minimum_is_an_amount'),
        ),
        migrations.AddField(
            model_name='letterhead',
            name='organization',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to='core.organization'),
        ),
        migrations.AddField(
            model_name='receipt',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='billing.payment'),
        ),
        migrations.AddField(
            model_name='receipt',
            name='transaction',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='stations.transaction'),
        ),
        migrations.AddConstraint(
            model_name='letterhead',
            constraint=models.UniqueConstraint(fields=('organization', 'sha256'), name='letterhead_once'),
        ),
    ]
