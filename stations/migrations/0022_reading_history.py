"""Meter readings by minute and by quarter of an hour, kept for years when the readings themselves are dropped.

As in migration 0002 the application's role makes and drops partitions through functions of the owner (W-33).
"""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper

TABLES = """
CREATE TABLE stations_readingminute (
    station_id uuid NOT NULL,
    evse_id integer NOT NULL,
    at timestamptz NOT NULL,
    readings integer NOT NULL,
    energy_wh numeric(16, 3),
    power_w numeric(12, 1),
    power_max_w numeric(12, 1),
    offered_power_w numeric(12, 1),
    soc_percent numeric(5, 1),
    PRIMARY KEY (station_id, evse_id, at)
) PARTITION BY RANGE (at);
CREATE TABLE stations_readingminute_default PARTITION OF stations_readingminute DEFAULT;

CREATE TABLE stations_readingquarter (
    station_id uuid NOT NULL,
    evse_id integer NOT NULL,
    at timestamptz NOT NULL,
    readings integer NOT NULL,
    energy_wh numeric(16, 3),
    power_w numeric(12, 1),
    power_max_w numeric(12, 1),
    offered_power_w numeric(12, 1),
    soc_percent numeric(5, 1),
    PRIMARY KEY (station_id, evse_id, at)
) PARTITION BY RANGE (at);
CREATE TABLE stations_readingquarter_default PARTITION OF stations_readingquarter DEFAULT;

-- Up to which receipt the readings are condensed.
CREATE TABLE stations_readinghistorymark (received_until timestamptz);
INSERT INTO stations_readinghistorymark VALUES (NULL);
"""

TABLES_BACKWARD = """
DROP TABLE stations_readinghistorymark;
DROP TABLE stations_readingquarter;
DROP TABLE stations_readingminute;
"""

FUNCTIONS = """
CREATE FUNCTION stations_make_history_partitions(instant timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    made integer := 0;
    lower timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('stations_partitions'));
    FOR i IN -1..2 LOOP
        lower := date_trunc('month', instant) + make_interval(months => i);
        made := made + stations_make_partition('stations_readingminute', 'at',
            'stations_readingminute_' || to_char(lower, 'YYYYMM'), lower, lower + interval '1 month')::int;
    END LOOP;
    FOR i IN -1..1 LOOP
        lower := date_trunc('year', instant) + make_interval(years => i);
        made := made + stations_make_partition('stations_readingquarter', 'at',
            'stations_readingquarter_' || to_char(lower, 'YYYY'), lower, lower + interval '1 year')::int;
    END LOOP;
    RETURN made;
END
$$;

CREATE FUNCTION stations_drop_history_partitions(instant timestamptz, minute_days integer, quarter_days integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    dropped integer := 0;
    child text;
BEGIN
    IF minute_days < 31 OR quarter_days < 366 THEN
        RAISE EXCEPTION 'retention below a month of minutes or a year of quarters';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('stations_partitions'));
    FOR child IN
        SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
        WHERE inhparent = 'stations_readingminute'::regclass AND relname ~ '_[0-9]{6}$'
          AND to_timestamp(right(relname, 6), 'YYYYMM') + interval '1 month' <= instant - make_interval(days => minute_days)
        UNION ALL
        SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
        WHERE inhparent = 'stations_readingquarter'::regclass AND relname ~ '_[0-9]{4}$'
          AND to_timestamp(right(relname, 4), 'YYYY') + interval '1 year' <= instant - make_interval(days => quarter_days)
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM stations_readingminute_default WHERE at < instant - make_interval(days => minute_days);
    DELETE FROM stations_readingquarter_default WHERE at < instant - make_interval(days => quarter_days);
    RETURN dropped;
END
$$;

SELECT stations_make_history_partitions(now());
"""

FUNCTIONS_BACKWARD = """
DROP FUNCTION stations_drop_history_partitions(timestamptz, integer, integer);
DROP FUNCTION stations_make_history_partitions(timestamptz);
"""

# Readings come in the order of their receipt, so that a few pages tell which are new.
INDEX = "meter_reading_by_receipt"
BRIN = "USING brin (received_at) WITH (autosummarize = on)"
PARTITIONS = """
SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
WHERE inhparent = 'stations_meterreading'::regclass
"""


def index_receipts(apps: Any, schema_editor: Any) -> None:
    """One partition after the other, while readings are written (M-17)."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {INDEX} ON ONLY stations_meterreading {BRIN}")
        cursor.execute(PARTITIONS)
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP INDEX IF EXISTS "{name}_received_at_brin"')  # half made by a migration that ended
            cursor.execute(f'CREATE INDEX CONCURRENTLY "{name}_received_at_brin" ON "{name}" {BRIN}')
            cursor.execute(f'ALTER INDEX {INDEX} ATTACH PARTITION "{name}_received_at_brin"')


def forget_receipts(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {INDEX}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("stations", "0019_contract_tariffs")]

    operations = [
        migrations.RunSQL(TABLES, TABLES_BACKWARD),
        migrations.RunSQL(FUNCTIONS, FUNCTIONS_BACKWARD),
        migrations.RunPython(index_receipts, forget_receipts),
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(fields=["organization", "-id"], name="transaction_newest"),
        ),
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(Upper("reference"), "organization", name="transaction_by_reference"),
        ),
        migrations.CreateModel(
            name='ReadingMinute',
            fields=[
                ('pk', models.CompositePrimaryKey('station_id', 'evse_id', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('evse_id', models.IntegerField()),
                ('at', models.DateTimeField()),
                ('readings', models.IntegerField()),
                ('energy_wh', models.DecimalField(decimal_places=3, max_digits=16, null=True)),
                ('power_w', models.DecimalField(decimal_places=1, max_digits=12, null=True)),
                ('power_max_w', models.DecimalField(decimal_places=1, max_digits=12, null=True)),
                ('offered_power_w', models.DecimalField(decimal_places=1, max_digits=12, null=True)),
                ('soc_percent', models.DecimalField(decimal_places=1, max_digits=5, null=True)),
            ],
            options={
                'db_table': 'stations_readingminute',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='ReadingQuarter',
            fields=[
                ('pk', models.CompositePrimaryKey('station_id', 'evse_id', 'at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('evse_id', models.IntegerField()),
                ('at', models.DateTimeField()),
                ('readings', models.IntegerField()),
                ('energy_wh', models.DecimalField(decimal_places=3, max_digits=16, null=True)),
                ('power_w', models.DecimalField(decimal_places=1, max_digits=12, null=True)),
                ('power_max_w', models.DecimalField(decimal_places=1, max_digits=12, null=True)),
                ('offered_power_w', models.DecimalField(decimal_places=1, max_digits=12, null=True)),
                ('soc_percent', models.DecimalField(decimal_places=1, max_digits=5, null=True)),
            ],
            options={
                'db_table': 'stations_readingquarter',
                'managed': False,
            },
        ),
    ]
