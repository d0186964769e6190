"""Events of sites, groups of tokens, reservations and charging profiles.

The events tell ids and states, never the values of cards or who asked: what is in them stays for as long as events are
kept, and is sent to whom a webhook names.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION stations_tell_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NEW.id,
        CASE WHEN TG_OP = 'INSERT' THEN 'site.created'
             WHEN OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN 'site.retired'
             ELSE 'site.changed' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'name', NEW.name, 'address', NEW.address, 'city', NEW.city,
            'postal_code', NEW.postal_code, 'country', NEW.country, 'latitude', NEW.latitude::text,
            'longitude', NEW.longitude::text, 'time_zone', NEW.time_zone, 'public', NEW.public,
            'free_cancellation', NEW.free_cancellation, 'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_site_told_new AFTER INSERT ON stations_site
    FOR EACH ROW EXECUTE FUNCTION stations_tell_site();
CREATE TRIGGER stations_site_told AFTER UPDATE ON stations_site FOR EACH ROW
    WHEN (to_jsonb(OLD) - 'updated_at' <> to_jsonb(NEW) - 'updated_at') EXECUTE FUNCTION stations_tell_site();

CREATE FUNCTION stations_tell_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'group.created'
             WHEN OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN 'group.retired'
             ELSE 'group.changed' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'name', NEW.name, 'master_pass', NEW.master_pass,
            'sessions_at_once', NEW.sessions_at_once, 'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_group_told_new AFTER INSERT ON drivers_tokengroup
    FOR EACH ROW EXECUTE FUNCTION stations_tell_group();
CREATE TRIGGER stations_group_told AFTER UPDATE ON drivers_tokengroup FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION stations_tell_group();

-- The word of the station is told, not who gave the reservation up.
CREATE FUNCTION stations_tell_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE place record;
BEGIN
    SELECT s.organization_id, s.site_id, s.identity, e.evse_id INTO place
    FROM stations_chargingstation s LEFT JOIN stations_evse e ON e.id = NEW.evse_id WHERE s.id = NEW.station_id;
    PERFORM core_outbox_add(place.organization_id, place.site_id, 'reservation.' ||
        CASE WHEN TG_OP = 'INSERT' THEN 'created'
             WHEN OLD.status = NEW.status THEN 'changed'
             WHEN NEW.status = 'active' THEN 'accepted'
             ELSE NEW.status END,
        NEW.id, jsonb_build_object('id', NEW.id, 'station', NEW.station_id, 'identity', place.identity,
            'ocpp_reservation_id', NEW.number, 'evse_id', place.evse_id, 'connector_type', NEW.connector_type,
            'status', NEW.status,
            'detail', CASE WHEN NEW.status IN ('active', 'removed', 'refused') THEN NEW.detail ELSE '' END,
            'expires_at', core_instant(NEW.expires_at), 'created_at', core_instant(NEW.created_at),
            'ended_at', core_instant(NEW.ended_at), 'transaction', NEW.transaction_id));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_reservation_told_new AFTER INSERT ON stations_reservation
    FOR EACH ROW EXECUTE FUNCTION stations_tell_reservation();
CREATE TRIGGER stations_reservation_told AFTER UPDATE ON stations_reservation FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.expires_at <> NEW.expires_at OR OLD.evse_id IS DISTINCT FROM NEW.evse_id
        OR OLD.connector_type <> NEW.connector_type)
    EXECUTE FUNCTION stations_tell_reservation();

-- A long profile is read from its own resource.
CREATE FUNCTION stations_tell_profile() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place record;
    p record;
    told jsonb;
BEGIN
    IF TG_OP = 'DELETE' THEN p := OLD; ELSE p := NEW; END IF;
    told := p.content - 'transaction_reference';
    SELECT organization_id, site_id, identity INTO place FROM stations_chargingstation WHERE id = p.station_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM core_outbox_add(place.organization_id, place.site_id, 'charging_profile.' ||
        CASE TG_OP WHEN 'INSERT' THEN 'installed' WHEN 'UPDATE' THEN 'changed' ELSE 'cleared' END,
        p.id, jsonb_build_object('id', p.id, 'station', p.station_id, 'identity', place.identity,
            'evse_id', p.evse_id, 'profile_id', p.profile_id, 'purpose', p.purpose, 'kind', p.kind,
            'stack_level', p.stack_level, 'source', p.source, 'transaction', p.transaction_id,
            'installed_at', core_instant(p.installed_at),
            'charging_profile', CASE WHEN length(told::text) <= 8192 THEN told END));
    RETURN NULL;
END $$;
CREATE TRIGGER stations_profile_told_new AFTER INSERT OR DELETE ON stations_installedprofile
    FOR EACH ROW EXECUTE FUNCTION stations_tell_profile();
CREATE TRIGGER stations_profile_told AFTER UPDATE ON stations_installedprofile FOR EACH ROW
    WHEN (OLD.evse_id <> NEW.evse_id OR OLD.purpose <> NEW.purpose OR OLD.kind <> NEW.kind
        OR OLD.stack_level <> NEW.stack_level OR OLD.source <> NEW.source OR OLD.content <> NEW.content
        OR (NEW.transaction_id IS NOT NULL AND OLD.transaction_id IS DISTINCT FROM NEW.transaction_id))
    EXECUTE FUNCTION stations_tell_profile();
"""
TOLD = {
    "site": "stations_site",
    "group": "drivers_tokengroup",
    "reservation": "stations_reservation",
    "profile": "stations_installedprofile",
}
BACKWARD = "\n".join(
    f"DROP TRIGGER stations_{name}_told_new ON {table}; DROP TRIGGER stations_{name}_told ON {table};"
    f" DROP FUNCTION stations_tell_{name}();"
    for name, table in TOLD.items()
)


class Migration(migrations.Migration):
    dependencies = [
        ("drivers", "0019_merged_drivers"),
        ("stations", "0051_ends_of_blocks_told"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
