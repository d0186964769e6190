"""A chain of hashes over the audit, append-only like the entries (security.md W-27)."""

from django.db import migrations, models

FORWARD = """
CREATE TRIGGER core_audit_seal_append_only BEFORE UPDATE OR DELETE ON core_auditseal
    FOR EACH ROW EXECUTE FUNCTION core_audit_is_append_only();
CREATE TRIGGER core_audit_seal_no_truncate BEFORE TRUNCATE ON core_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_is_append_only();
"""

BACKWARD = """
DROP TRIGGER core_audit_seal_append_only ON core_auditseal;
DROP TRIGGER core_audit_seal_no_truncate ON core_auditseal;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0002_audit_append_only")]

    operations = [
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("entry_id", models.BigIntegerField(unique=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField()),
            ],
            options={"ordering": ["number"]},
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
