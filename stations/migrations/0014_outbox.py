"""What happens to stations, sessions, commands and alerts is written to the outbox with its cause.

Triggers, since these rows are also written by COPY, by statements for many stations at once and by single
prepared statements (decision 13). Their conditions look at columns that meter values do not touch.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION stations_tell_presence() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE s record;
BEGIN
    SELECT id, organization_id, site_id, identity INTO s FROM stations_chargingstation WHERE id = NEW.station_id;
    PERFORM core_outbox_add(s.organization_id, s.site_id,
        CASE WHEN NEW.connected THEN 'station.connected' ELSE 'station.disconnected' END, s.id,
        jsonb_build_object('station', s.id, 'identity', s.identity, 'ocpp_version', NEW.ocpp_version,
            'connected_since', core_instant(NEW.connected_since),
            'disconnected_at', core_instant(NEW.disconnected_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_presence_told_new AFTER INSERT ON stations_presence
    FOR EACH ROW WHEN (NEW.connected) EXECUTE FUNCTION stations_tell_presence();
CREATE TRIGGER stations_presence_told AFTER UPDATE ON stations_presence FOR EACH ROW
    WHEN (OLD.connected <> NEW.connected OR (NEW.connected AND OLD.epoch <> NEW.epoch))
    EXECUTE FUNCTION stations_tell_presence();

CREATE FUNCTION stations_tell_station() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told jsonb := jsonb_build_object('station', NEW.id, 'identity', NEW.identity, 'name', NEW.name,
        'site', NEW.site_id, 'registration', NEW.registration, 'vendor', NEW.vendor, 'model', NEW.model,
        'serial_number', NEW.serial_number, 'firmware_version', NEW.firmware_version);
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM core_outbox_add(NEW.organization_id, NEW.site_id, 'station.created', NEW.id, told);
        RETURN NULL;
    END IF;
    IF OLD.booted_at IS DISTINCT FROM NEW.booted_at THEN
        PERFORM core_outbox_add(NEW.organization_id, NEW.site_id, 'station.booted', NEW.id,
            told || jsonb_build_object('reason', NEW.boot_reason, 'booted_at', core_instant(NEW.booted_at)));
    END IF;
    IF OLD.registration <> NEW.registration THEN
        PERFORM core_outbox_add(NEW.organization_id, NEW.site_id, 'station.registration_changed', NEW.id, told);
    END IF;
    IF OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN
        PERFORM core_outbox_add(NEW.organization_id, NEW.site_id, 'station.retired', NEW.id, told);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stations_station_told_new AFTER INSERT ON stations_chargingstation
    FOR EACH ROW EXECUTE FUNCTION stations_tell_station();
CREATE TRIGGER stations_station_told AFTER UPDATE ON stations_chargingstation FOR EACH ROW
    WHEN (OLD.booted_at IS DISTINCT FROM NEW.booted_at OR OLD.registration <> NEW.registration
        OR (OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL))
    EXECUTE FUNCTION stations_tell_station();

CREATE FUNCTION stations_tell_connector() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE place record;
BEGIN
    SELECT s.id, s.organization_id, s.site_id, s.identity, e.evse_id INTO place
    FROM stations_evse e JOIN stations_chargingstation s ON s.id = e.station_id WHERE e.id = NEW.evse_id;
    PERFORM core_outbox_add(place.organization_id, place.site_id, 'station.status_changed', place.id,
        jsonb_build_object('station', place.id, 'identity', place.identity, 'evse_id', place.evse_id,
            'connector_id', NEW.connector_id, 'status', NEW.status, 'previous_status', OLD.status,
            'error_code', NEW.error_code, 'status_at', core_instant(NEW.status_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_connector_told AFTER UPDATE ON stations_connector FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.error_code <> NEW.error_code)
    EXECUTE FUNCTION stations_tell_connector();

-- At the commit, when the figures that belong to a start or an end are in the row.
CREATE FUNCTION stations_tell_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    t record;
    told jsonb;
    began boolean := NEW.event_count > 0 AND (TG_OP = 'INSERT' OR OLD.event_count = 0);
    ended boolean := NEW.status = 'ended' AND (TG_OP = 'INSERT' OR OLD.status <> 'ended');
BEGIN
    SELECT x.*, e.evse_id AS evse_number, s.identity INTO t
    FROM stations_transaction x JOIN stations_chargingstation s ON s.id = x.station_id
    LEFT JOIN stations_evse e ON e.id = x.evse_id WHERE x.id = NEW.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    told := jsonb_build_object('id', t.id, 'station', t.station_id, 'identity', t.identity,
        'ocpp_transaction_id', t.reference, 'evse_id', t.evse_number, 'connector_id', t.connector_id,
        'status', t.status, 'charging_state', t.charging_state, 'authorization', t.authorization,
        'started_at', core_instant(t.started_at), 'ended_at', core_instant(t.ended_at),
        'meter_start_wh', t.meter_start_wh, 'energy_wh', t.energy_wh, 'stopped_reason', t.stopped_reason,
        'flags', to_jsonb(t.flags));
    IF began THEN
        PERFORM core_outbox_add(t.organization_id, t.site_id, 'transaction.started', t.id, told);
    END IF;
    IF ended THEN
        PERFORM core_outbox_add(t.organization_id, t.site_id, 'transaction.ended', t.id, told);
    ELSIF NOT began AND TG_OP = 'UPDATE' AND NOT EXISTS (
        SELECT FROM core_outbox o WHERE o.object_id = t.id AND o.cause = core_transaction_id()) THEN
        PERFORM core_outbox_add(t.organization_id, t.site_id, 'transaction.updated', t.id, told);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER stations_transaction_told_new AFTER INSERT ON stations_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.event_count > 0) EXECUTE FUNCTION stations_tell_transaction();
CREATE CONSTRAINT TRIGGER stations_transaction_told AFTER UPDATE ON stations_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.event_count = 0 AND NEW.event_count > 0) OR OLD.status <> NEW.status
        OR OLD.charging_state <> NEW.charging_state OR OLD.evse_id IS DISTINCT FROM NEW.evse_id
        OR OLD.authorization <> NEW.authorization OR OLD.stopped_reason <> NEW.stopped_reason
        OR OLD.started_at <> NEW.started_at OR OLD.ended_at IS DISTINCT FROM NEW.ended_at
        OR OLD.flags <> NEW.flags OR (NEW.status = 'ended' AND OLD.energy_wh IS DISTINCT FROM NEW.energy_wh))
    EXECUTE FUNCTION stations_tell_transaction();

-- A long answer is read from the command itself.
CREATE FUNCTION stations_tell_command() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    site uuid := (SELECT site_id FROM stations_chargingstation WHERE id = NEW.station_id);
    told jsonb := jsonb_build_object('id', NEW.id, 'station', NEW.station_id, 'command', NEW.command,
        'status', NEW.status, 'transaction', NEW.transaction_id, 'error', NEW.error,
        'response', CASE WHEN length(NEW.response::text) <= 8192 THEN NEW.response END,
        'effect', nullif(NEW.effect, ''), 'issued_by', NEW.issued_by,
        'issued_at', core_instant(NEW.issued_at), 'sent_at', core_instant(NEW.sent_at),
        'settled_at', core_instant(NEW.settled_at));
BEGIN
    IF NEW.settled_at IS NOT NULL AND (TG_OP = 'INSERT' OR OLD.settled_at IS NULL) THEN
        PERFORM core_outbox_add(NEW.organization_id, site, 'command.settled', NEW.id, told);
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.effect <> NEW.effect AND NEW.effect <> '' THEN
        PERFORM core_outbox_add(NEW.organization_id, site, 'command.effect', NEW.id, told);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stations_command_told_new AFTER INSERT ON stations_command FOR EACH ROW
    WHEN (NEW.settled_at IS NOT NULL) EXECUTE FUNCTION stations_tell_command();
CREATE TRIGGER stations_command_told AFTER UPDATE ON stations_command FOR EACH ROW
    WHEN ((OLD.settled_at IS NULL AND NEW.settled_at IS NOT NULL) OR (OLD.effect <> NEW.effect AND NEW.effect <> ''))
    EXECUTE FUNCTION stations_tell_command();

CREATE FUNCTION stations_tell_alert() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    site uuid := (SELECT site_id FROM stations_chargingstation WHERE id = NEW.station_id);
    told jsonb := jsonb_build_object('id', NEW.id, 'station', NEW.station_id, 'kind', NEW.kind,
        'subject', NEW.subject, 'severity', NEW.severity, 'detail', NEW.detail,
        'raised_at', core_instant(NEW.raised_at), 'acknowledged_at', core_instant(NEW.acknowledged_at),
        'acknowledged_by', NEW.acknowledged_by, 'cleared_at', core_instant(NEW.cleared_at));
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM core_outbox_add(NEW.organization_id, site, 'alert.raised', NEW.id, told);
        RETURN NULL;
    END IF;
    IF OLD.acknowledged_at IS NULL AND NEW.acknowledged_at IS NOT NULL THEN
        PERFORM core_outbox_add(NEW.organization_id, site, 'alert.acknowledged', NEW.id, told);
    END IF;
    IF OLD.cleared_at IS NULL AND NEW.cleared_at IS NOT NULL THEN
        PERFORM core_outbox_add(NEW.organization_id, site, 'alert.cleared', NEW.id, told);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stations_alert_told_new AFTER INSERT ON stations_alert
    FOR EACH ROW EXECUTE FUNCTION stations_tell_alert();
CREATE TRIGGER stations_alert_told AFTER UPDATE ON stations_alert FOR EACH ROW
    WHEN (OLD.acknowledged_at IS DISTINCT FROM NEW.acknowledged_at OR OLD.cleared_at IS DISTINCT FROM NEW.cleared_at)
    EXECUTE FUNCTION stations_tell_alert();
"""

TOLD = {
    "presence": "stations_presence",
    "station": "stations_chargingstation",
    "connector": "stations_connector",
    "transaction": "stations_transaction",
    "command": "stations_command",
    "alert": "stations_alert",
}
BACKWARD = "\n".join(
    f"DROP TRIGGER IF EXISTS stations_{name}_told_new ON {table}; DROP TRIGGER stations_{name}_told ON {table};"
    f" DROP FUNCTION stations_tell_{name}();"
    for name, table in TOLD.items()
)


class Migration(migrations.Migration):
    dependencies = [("core", "0005_outbox"), ("stations", "0013_bulk_commands")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
