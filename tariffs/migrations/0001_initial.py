"""Tariffs and their versions; what was published can no more be changed, whoever tries (T-40, T-41)."""

import core.ids
import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.db.models.functions.text
import tariffs.models
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations, models

# The end of a version may be set, or moved, while it lies ahead; nothing else of it ever changes.
FORWARD = """
CREATE FUNCTION tariffs_keep_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'A published version of a tariff is never deleted.'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state = 'draft' OR (OLD.state = 'retired' AND NEW.state <> 'retired')
        OR ROW(NEW.id, NEW.tariff_id, NEW.number, NEW.document, NEW.currency, NEW.valid_from, NEW.published_at,
            NEW.published_by, NEW.created_at)
        IS DISTINCT FROM ROW(OLD.id, OLD.tariff_id, OLD.number, OLD.document, OLD.currency, OLD.valid_from,
            OLD.published_at, OLD.published_by, OLD.created_at)
        OR (NEW.valid_to IS DISTINCT FROM OLD.valid_to
            AND (OLD.valid_to < now() OR NEW.valid_to < now() - interval '1 minute')) THEN
        RAISE EXCEPTION 'A published version of a tariff is never changed.'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tariffs_published_kept BEFORE UPDATE OR DELETE ON tariffs_tariffversion
    FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION tariffs_keep_published();
"""
BACKWARD = """
DROP TRIGGER tariffs_published_kept ON tariffs_tariffversion;
DROP FUNCTION tariffs_keep_published();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('core', '0005_outbox'),
    ]

    operations = [
        BtreeGistExtension(),
        migrations.CreateModel(
            name='Tariff',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('country_code', models.CharField(max_length=2)),
                ('party_id', models.CharField(max_length=3)),
                ('ocpi_id', models.CharField(max_length=36)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('retired_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='core.organization')),
            ],
            options={
                'ordering': ['name', 'id'],
            },
        ),
        migrations.CreateModel(
            name='TariffVersion',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('published', 'Published'), ('retired', 'Retired')], default='draft', max_length=9)),
                ('document', models.TextField()),
                ('currency', models.CharField(blank=True, max_length=3)),
                ('valid_from', models.DateTimeField(null=True)),
                ('valid_to', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('published_at', models.DateTimeField(null=True)),
                ('published_by', models.CharField(blank=True, max_length=200)),
                ('tariff', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='tariffs.tariff')),
            ],
            options={
                'ordering': ['-number'],
            },
        ),
        migrations.AddConstraint(
            model_name='tariff',
            constraint=models.UniqueConstraint(models.F('organization'), django.db.models.functions.text.Upper('country_code'), django.db.models.functions.text.Upper('party_id'), django.db.models.functions.text.Upper('ocpi_id'), condition=models.Q(('retired_at', None)), name='tariff_once_per_owner'),
        ),
        migrations.AddConstraint(
            model_name='tariffversion',
            constraint=models.UniqueConstraint(fields=('tariff', 'number'), name='tariff_version_number_once'),
        ),
        migrations.AddConstraint(
            model_name='tariffversion',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'draft')), fields=('tariff',), name='tariff_has_one_draft'),
        ),
        migrations.AddConstraint(
            model_name='tariffversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('published_at', None), ('state', 'draft'), ('valid_from', None), ('valid_to', None)), models.Q(('published_at__isnull', False), ('state__in', ['published', 'retired']), ('valid_from__isnull', False)), _connector='OR'), name='tariff_version_state_fits'),
        ),
        migrations.AddConstraint(
            model_name='tariffversion',
            constraint=models.CheckConstraint(condition=models.Q(('valid_to', None), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='tariff_version_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='tariffversion',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('state', 'draft'), _negated=True), expressions=[('tariff', '='), (tariffs.models.Span('valid_from', 'valid_to', django.contrib.postgres.fields.ranges.RangeBoundary()), '&&')], name='tariff_versions_do_not_overlap'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
