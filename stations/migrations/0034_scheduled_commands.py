"""Commands for later, and events of tokens, drivers and tariffs.

The events tell ids and states, never names, addresses or the values of cards: what is in them stays for as long as
events are kept, and is sent to whom a webhook names.
"""

import core.ids
import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION stations_tell_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'token.created'
             WHEN OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN 'token.retired'
             ELSE 'token.changed' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'type', NEW.type, 'status', NEW.status, 'driver', NEW.driver_id,
            'group', NEW.group_id, 'valid_from', core_instant(NEW.valid_from),
            'expires_at', core_instant(NEW.expires_at), 'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_token_told_new AFTER INSERT ON drivers_idtoken
    FOR EACH ROW EXECUTE FUNCTION stations_tell_token();
CREATE TRIGGER stations_token_told AFTER UPDATE ON drivers_idtoken FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION stations_tell_token();

CREATE FUNCTION stations_tell_driver() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'driver.created'
             WHEN OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN 'driver.retired'
             ELSE 'driver.changed' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'status', NEW.status, 'group', NEW.group_id,
            'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_driver_told_new AFTER INSERT ON drivers_driver
    FOR EACH ROW EXECUTE FUNCTION stations_tell_driver();
CREATE TRIGGER stations_driver_told AFTER UPDATE ON drivers_driver FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION stations_tell_driver();

CREATE FUNCTION stations_tell_tariff() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'tariff.created' ELSE 'tariff.retired' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'name', NEW.name, 'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_tariff_told_new AFTER INSERT ON tariffs_tariff
    FOR EACH ROW EXECUTE FUNCTION stations_tell_tariff();
CREATE TRIGGER stations_tariff_told AFTER UPDATE ON tariffs_tariff FOR EACH ROW
    WHEN (OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL) EXECUTE FUNCTION stations_tell_tariff();

CREATE FUNCTION stations_tell_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE t record;
BEGIN
    SELECT id, organization_id, name INTO t FROM tariffs_tariff WHERE id = NEW.tariff_id;
    PERFORM core_outbox_add(t.organization_id, NULL,
        CASE WHEN NEW.valid_to = NEW.valid_from THEN 'tariff.withdrawn' ELSE 'tariff.published' END,
        t.id, jsonb_build_object('id', t.id, 'name', t.name, 'version', NEW.number, 'currency', NEW.currency,
            'valid_from', core_instant(NEW.valid_from), 'valid_to', core_instant(NEW.valid_to)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_version_told_new AFTER INSERT ON tariffs_tariffversion FOR EACH ROW
    WHEN (NEW.state = 'published') EXECUTE FUNCTION stations_tell_version();
CREATE TRIGGER stations_version_told AFTER UPDATE ON tariffs_tariffversion FOR EACH ROW
    WHEN ((OLD.state = 'draft' AND NEW.state = 'published')
        OR (NEW.valid_to = NEW.valid_from AND OLD.valid_to IS DISTINCT FROM NEW.valid_to))
    EXECUTE FUNCTION stations_tell_version();
"""
TOLD = {
    "token": "drivers_idtoken",
    "driver": "drivers_driver",
    "tariff": "tariffs_tariff",
    "version": "tariffs_tariffversion",
}
BACKWARD = "\n".join(
    f"DROP TRIGGER stations_{name}_told_new ON {table}; DROP TRIGGER stations_{name}_told ON {table};"
    f" DROP FUNCTION stations_tell_{name}();"
    for name, table in TOLD.items()
)


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0007_client_credentials"),
        ("drivers", "0007_money_budgets"),
        ("tariffs", "0001_initial"),
        ("stations", "0033_firmware_rollouts"),
    ]

    operations = [
        migrations.CreateModel(
            "ScheduledCommand",
            [
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("command", models.CharField(max_length=40)),
                ("parameters", models.JSONField()),
                ("sealed", models.TextField()),
                ("run_at", models.DateTimeField()),
                ("repeat", models.CharField(blank=True, max_length=200)),
                ("next_at", models.DateTimeField(null=True)),
                ("expires_in", models.IntegerField()),
                (
                    "if_offline",
                    models.CharField(choices=[("fail", "Fail"), ("wait", "Wait")], max_length=4),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[("planned", "Planned"), ("done", "Done"), ("cancelled", "Cancelled")],
                        default="planned",
                        max_length=9,
                    ),
                ),
                (
                    "owner_kind",
                    models.CharField(choices=[("user", "user"), ("key", "key")], max_length=4),
                ),
                ("owner_id", models.UUIDField()),
                ("issued_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("cancelled_by", models.CharField(blank=True, max_length=200)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="core.organization"
                    ),
                ),
                (
                    "station",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="scheduled_commands",
                        to="stations.chargingstation",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(status__in=["planned", "done", "cancelled"]),
                        name="scheduled_command_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(status="planned", next_at__isnull=False, ended_at=None)
                        | (~models.Q(status="planned") & models.Q(next_at=None, ended_at__isnull=False)),
                        name="scheduled_command_comes_or_ended",
                    ),
                ],
                "indexes": [
                    models.Index(
                        fields=["next_at"],
                        condition=models.Q(status="planned"),
                        name="scheduled_command_due",
                    ),
                    models.Index(fields=["station", "-id"], name="scheduled_command_by_station"),
                ],
            },
        ),
        migrations.CreateModel(
            "ScheduledRun",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_at", models.DateTimeField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[("issued", "Issued"), ("missed", "Missed"), ("refused", "Refused")],
                        max_length=7,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("recorded_at", models.DateTimeField()),
                (
                    "command",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scheduled_run",
                        to="stations.command",
                    ),
                ),
                (
                    "scheduled",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="stations.scheduledcommand",
                    ),
                ),
            ],
            options={
                "ordering": ["-due_at"],
                "constraints": [
                    models.UniqueConstraint(fields=["scheduled", "due_at"], name="scheduled_run_once"),
                    models.CheckConstraint(
                        condition=models.Q(outcome="issued", command__isnull=False)
                        | models.Q(outcome__in=["missed", "refused"], command=None),
                        name="scheduled_run_fits",
                    ),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
