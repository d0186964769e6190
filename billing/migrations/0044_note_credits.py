"""What the credit note of a month below nothing gives is a credit of its payer (billing B-28)."""

import django.db.models.deletion
from django.db import migrations, models

from core.ids import uuid7


def give(apps, schema_editor):
    """Those from before are credits too, to be set off or paid out by a person."""
    invoices, payments = apps.get_model('billing', 'Invoice'), apps.get_model('billing', 'Payment')
    notes = invoices.objects.filter(document_type='381', kind='collective', due__gt=0)
    for note in notes.exclude(state__in=['draft', 'discarded']).order_by('pk'):
        made = payments.objects.create(
            id=uuid7(), organization_id=note.organization_id, account_id=note.account_id, method='credit_note',
            state='received', currency=note.currency, amount=note.due, authorized=note.due, captured=note.due,
            received_on=note.issued_on, credit_note=note, note=note.number, created_by='system:note-credits',
        )
        payments.objects.filter(pk=made.pk).update(created_at=note.issued_at)


class Migration(migrations.Migration):

    dependencies = [('billing', '0043_write_offs')]

    operations = [
        migrations.AddField(
            model_name='payment',
            name='credit_note',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit', to='billing.invoice'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='method',
            field=models.CharField(choices=[('card', 'Card'), ('bank_transfer', 'Bank transfer'), ('direct_debit', 'Direct debit'), ('wallet', 'Wallet'), ('manual', 'Recorded by hand'), ('credit_note', 'Credit note')], max_length=13),
        ),
        migrations.RunPython(give, migrations.RunPython.noop),
        migrations.RunSQL('SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED', migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('credit_note__isnull', False), ('method', 'credit_note')), models.Q(models.Q(('method', 'credit_note'), _negated=True), ('credit_note', None)), _connector='OR'), name='payment_of_a_credit_note_names_it'),
        ),
    ]
