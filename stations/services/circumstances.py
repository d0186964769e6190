"""What a station knows that decides about a token beside the token itself, read by one prepared statement."""

from typing import NamedTuple
from uuid import UUID

from core import statements
from drivers.models import IdToken

# Who of token, driver and groups names sites, and not the station's.
WHERE_ELSE = """
    SELECT min(kind) FROM (
        SELECT CASE WHEN token_id IS NOT NULL THEN 'token' WHEN driver_id IS NOT NULL THEN 'driver'
                    WHEN token_group_id IS NOT NULL THEN 'token_group' ELSE 'driver_group' END AS kind,
               bool_or(p.site_id = s.site_id) AS here
        FROM stations_sitepermission p
        WHERE token_id = %(token)s::uuid OR driver_id = %(driver)s::uuid
            OR token_group_id = %(token_group)s::uuid OR driver_group_id = %(driver_group)s::uuid
        GROUP BY 1) named
    WHERE NOT here
"""
READ = f"""
    SELECT s.free_vend OR CASE WHEN %(evse)s::integer IS NULL THEN cardinality(s.free_evses) > 0
                               ELSE %(evse)s::integer = ANY(s.free_evses) END,
        ({WHERE_ELSE}),
        EXISTS(SELECT 1 FROM drivers_budget WHERE per <> 'session'
            AND (token_id = %(token)s::uuid OR driver_id = %(driver)s::uuid))
    FROM stations_chargingstation s WHERE s.id = %(station)s
"""


class Circumstances(NamedTuple):
    """``free``: everybody may charge there. ``elsewhere``: whose sites do not name the station's; empty: nobody's.

    ``budgeted``: token or driver have a budget for a day or month.
    """

    free: bool = False
    elsewhere: str = ""
    budgeted: bool = False


def read(station_id: UUID, token: IdToken | None, evse_id: int | None) -> Circumstances:
    """How things stand at the station for the token, whose driver is loaded.

    Where the outlet is not known, one that is free is enough: the start is asked about again.
    """
    driver = token.driver if token else None
    values = {
        "station": station_id,
        "evse": evse_id,
        "token": token.pk if token else None,
        "driver": driver.pk if driver else None,
        "token_group": token.group_id if token else None,
        "driver_group": driver.group_id if driver else None,
    }
    row = statements.execute(READ, values)
    return (
        Circumstances(free=bool(row[0]), elsewhere=row[1] or "", budgeted=bool(row[2]))
        if row
        else Circumstances()
    )
