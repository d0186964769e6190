"""Which transaction a station means by its reference. A pair once found stays true, so it is remembered."""

from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from django.db import connection

REMEMBERED = 20_000

Reference = tuple[UUID, str]


class References:
    """For one thread; what is not known is looked up again each time."""

    def __init__(self) -> None:
        self._known: OrderedDict[Reference, UUID] = OrderedDict()

    def of(self, references: Iterable[Reference]) -> dict[Reference, UUID]:
        """The transactions of those references that have one."""
        asked = set(references)
        missing = [reference for reference in asked if reference not in self._known]
        if missing:
            self._look_up(missing)
        return {reference: self._known[reference] for reference in asked if reference in self._known}

    def _look_up(self, missing: list[Reference]) -> None:
        stations, names = zip(*missing, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_FIND, [list(stations), list(names)])
            for station_id, name, transaction_id in cursor.fetchall():
                self._known[(station_id, name)] = transaction_id
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


_FIND = """
SELECT t.station_id, t.reference, t.id
FROM unnest(%s::uuid[], %s::text[]) AS v(station_id, reference)
JOIN stations_transaction t USING (station_id, reference)
"""
