"""The audit refuses changes and deletions whatever role asks (security.md W-27)."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION core_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries can be neither changed nor deleted' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER core_audit_append_only BEFORE UPDATE OR DELETE ON core_auditentry
    FOR EACH ROW EXECUTE FUNCTION core_audit_is_append_only();
CREATE TRIGGER core_audit_no_truncate BEFORE TRUNCATE ON core_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_is_append_only();
"""

BACKWARD = """
DROP TRIGGER core_audit_append_only ON core_auditentry;
DROP TRIGGER core_audit_no_truncate ON core_auditentry;
DROP FUNCTION core_audit_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
