"""Partitioned tables of readings and frames, functions of the owner that make and drop partitions (W-33),
and the sequence of transaction numbers.

The application's role has no DDL: it calls ``stations_make_partitions`` and ``stations_drop_partitions``,
which run with the rights of the owner of the schema (SECURITY DEFINER).
"""

from django.db import migrations

TABLES = """
CREATE SEQUENCE stations_meterreading_id_seq AS bigint CACHE 100;
CREATE TABLE stations_meterreading (
    id bigint NOT NULL DEFAULT nextval('stations_meterreading_id_seq'),
    station_id uuid NOT NULL,
    transaction_id uuid,
    evse_id integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    digest bigint NOT NULL,
    context text NOT NULL,
    energy_wh numeric(16, 3),
    power_w numeric(12, 1),
    current_l1_a numeric(8, 2),
    current_l2_a numeric(8, 2),
    current_l3_a numeric(8, 2),
    voltage_l1_v numeric(8, 2),
    voltage_l2_v numeric(8, 2),
    voltage_l3_v numeric(8, 2),
    soc_percent numeric(5, 1),
    temperature_c numeric(6, 1),
    offered_power_w numeric(12, 1),
    offered_current_a numeric(8, 2),
    flags text[],
    samples jsonb NOT NULL
) PARTITION BY RANGE (occurred_at);
CREATE UNIQUE INDEX meter_reading_once
    ON stations_meterreading (station_id, evse_id, occurred_at, digest);
CREATE INDEX meter_reading_by_transaction
    ON stations_meterreading (transaction_id, occurred_at) WHERE transaction_id IS NOT NULL;
CREATE TABLE stations_meterreading_default PARTITION OF stations_meterreading DEFAULT;

CREATE SEQUENCE stations_rawframe_id_seq AS bigint CACHE 100;
CREATE TABLE stations_rawframe (
    id bigint NOT NULL DEFAULT nextval('stations_rawframe_id_seq'),
    at timestamptz NOT NULL,
    station_id uuid NOT NULL,
    epoch bigint NOT NULL,
    direction text NOT NULL,
    type smallint,
    message_id text NOT NULL,
    action text NOT NULL,
    size_bytes integer NOT NULL,
    verdict text NOT NULL,
    latency_us bigint,
    sha256 bytea,
    repairs text[],
    text text NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX raw_frame_by_station ON stations_rawframe (station_id, at DESC, id DESC);
CREATE TABLE stations_rawframe_default PARTITION OF stations_rawframe DEFAULT;

ALTER TABLE stations_presence SET (fillfactor = 60);
ALTER TABLE stations_evse SET (fillfactor = 60);
ALTER TABLE stations_connector SET (fillfactor = 70);
ALTER TABLE stations_transaction SET (fillfactor = 70);
"""

TABLES_BACKWARD = """
DROP TABLE stations_meterreading;
DROP TABLE stations_rawframe;
DROP SEQUENCE stations_meterreading_id_seq;
DROP SEQUENCE stations_rawframe_id_seq;
"""

FUNCTIONS = """
CREATE FUNCTION stations_make_partition(parent text, key text, child text, lower timestamptz, upper timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF to_regclass(child) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
    -- Rows that came while no partition was there wait in the default one.
    EXECUTE format(
        'WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
        parent || '_default', key, lower, key, upper, child);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, lower, upper);
    RETURN true;
END
$$;

CREATE FUNCTION stations_make_partitions(instant timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    made integer := 0;
    lower timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('stations_partitions'));
    FOR i IN -1..2 LOOP
        lower := date_trunc('month', instant) + make_interval(months => i);
        made := made + stations_make_partition('stations_meterreading', 'occurred_at',
            'stations_meterreading_' || to_char(lower, 'YYYYMM'), lower, lower + interval '1 month')::int;
    END LOOP;
    FOR i IN -1..7 LOOP
        lower := date_trunc('day', instant) + make_interval(days => i);
        made := made + stations_make_partition('stations_rawframe', 'at',
            'stations_rawframe_' || to_char(lower, 'YYYYMMDD'), lower, lower + interval '1 day')::int;
    END LOOP;
    RETURN made;
END
$$;

CREATE FUNCTION stations_drop_partitions(instant timestamptz, frame_days integer, reading_days integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    dropped integer := 0;
    child text;
BEGIN
    IF frame_days < 1 OR reading_days < 31 THEN
        RAISE EXCEPTION 'retention below a day of frames or a month of readings';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('stations_partitions'));
    FOR child IN
        SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
        WHERE inhparent = 'stations_rawframe'::regclass AND relname ~ '_[0-9]{8}$'
          AND to_timestamp(right(relname, 8), 'YYYYMMDD') + interval '1 day' <= instant - make_interval(days => frame_days)
        UNION ALL
        SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
        WHERE inhparent = 'stations_meterreading'::regclass AND relname ~ '_[0-9]{6}$'
          AND to_timestamp(right(relname, 6), 'YYYYMM') + interval '1 month' <= instant - make_interval(days => reading_days)
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM stations_rawframe_default WHERE at < instant - make_interval(days => frame_days);
    DELETE FROM stations_meterreading_default WHERE occurred_at < instant - make_interval(days => reading_days);
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION stations_make_partition(text, text, text, timestamptz, timestamptz) FROM PUBLIC;
SELECT stations_make_partitions(now());
"""

FUNCTIONS_BACKWARD = """
DROP FUNCTION stations_drop_partitions(timestamptz, integer, integer);
DROP FUNCTION stations_make_partitions(timestamptz);
DROP FUNCTION stations_make_partition(text, text, text, timestamptz, timestamptz);
"""

# A counter behind a keyed permutation (a Feistel network over 32 bits, walked until it lands in the
# positive half): unique for ever, and a number tells nothing of the next one (P140).
NUMBERS = """
CREATE SEQUENCE stations_transaction_number_seq AS integer MINVALUE 1 MAXVALUE 2147483646;
CREATE SEQUENCE stations_request_id_seq AS integer MINVALUE 1 MAXVALUE 2147483646 CYCLE;
CREATE TABLE stations_numbering (key bigint NOT NULL);
INSERT INTO stations_numbering
    SELECT ('x' || right(replace(gen_random_uuid()::text, '-', ''), 8) || left(replace(gen_random_uuid()::text, '-', ''), 8))::bit(64)::bigint;

CREATE FUNCTION stations_next_transaction_number() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    secret bigint;
    value bigint := nextval('stations_transaction_number_seq');
    high bigint;
    low bigint;
    swap bigint;
BEGIN
    SELECT key INTO secret FROM stations_numbering;
    LOOP
        high := value >> 16;
        low := value & 65535;
        FOR round IN 1..4 LOOP
            swap := low;
            low := high # (hashint8extended(low + (round::bigint << 20), secret) & 65535);
            high := swap;
        END LOOP;
        value := (high << 16) | low;
        EXIT WHEN value BETWEEN 1 AND 2147483647;
    END LOOP;
    RETURN value::integer;
END
$$;
"""

NUMBERS_BACKWARD = """
DROP FUNCTION stations_next_transaction_number();
DROP TABLE stations_numbering;
DROP SEQUENCE stations_request_id_seq;
DROP SEQUENCE stations_transaction_number_seq;
"""


class Migration(migrations.Migration):
    dependencies = [("stations", "0001_initial")]

    operations = [
        migrations.RunSQL(TABLES, TABLES_BACKWARD),
        migrations.RunSQL(FUNCTIONS, FUNCTIONS_BACKWARD),
        migrations.RunSQL(NUMBERS, NUMBERS_BACKWARD),
    ]
