"""Events of tokens and drivers tell when a block ends by itself: no event comes at that instant."""

from django.db import migrations

BACKWARD = """
CREATE OR REPLACE FUNCTION stations_tell_token() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE OR REPLACE FUNCTION stations_tell_driver() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'driver.created'
             WHEN OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN 'driver.retired'
             ELSE 'driver.changed' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'status', NEW.status, 'group', NEW.group_id,
            'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
"""
FORWARD = """
CREATE OR REPLACE FUNCTION stations_tell_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'token.created'
             WHEN OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN 'token.retired'
             ELSE 'token.changed' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'type', NEW.type, 'status', NEW.status,
            'blocked_until', core_instant(NEW.blocked_until), 'driver', NEW.driver_id,
            'group', NEW.group_id, 'valid_from', core_instant(NEW.valid_from),
            'expires_at', core_instant(NEW.expires_at), 'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION stations_tell_driver() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM core_outbox_add(NEW.organization_id, NULL,
        CASE WHEN TG_OP = 'INSERT' THEN 'driver.created'
             WHEN OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL THEN 'driver.retired'
             ELSE 'driver.changed' END,
        NEW.id, jsonb_build_object('id', NEW.id, 'status', NEW.status, 'group', NEW.group_id,
            'blocked_until', core_instant(NEW.blocked_until), 'retired_at', core_instant(NEW.retired_at)));
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("drivers", "0017_blocks_that_end"),
        ("stations", "0050_prices_of_running_sessions"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
