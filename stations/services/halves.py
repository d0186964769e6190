"""A session that a restart of its station cut in two, taken as one: its times, registers and readings (billing B-06).

Nothing is stored: what is made here is a copy, for which a person decided in billing.
"""

import copy
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from stations.models import Transaction
from stations.services.session_material import Material, Reading, gather

_OF_LAST = (
    "ended_at", "end_received_at", "last_event_at", "measured_at", "meter_last_wh", "meter_last_at",
    "meter_stop_exact", "stopped_reason",
)  # fmt: skip
_KEYS = "_keys_of_parts"
_RESTARTING = "SuspendedEVSE"
"""What the outlet does between two parts: it keeps the car waiting, which nobody pays for (T-23)."""


def whole(parts: Sequence[Transaction]) -> Transaction:
    """A copy of the first that ends as the last does. The parts are in order of time; never save it."""
    made = copy.copy(parts[0])
    for name in _OF_LAST:
        setattr(made, name, getattr(parts[-1], name))
    made.flags = list(dict.fromkeys(flag for part in parts for flag in part.flags))
    vars(made)[_KEYS] = [part.pk for part in parts]
    return made


def keys_of(session: Transaction) -> list[UUID]:
    """Of all its parts; its own where it is no whole."""
    keys: list[UUID] = vars(session).get(_KEYS, [session.pk])
    return keys


def is_whole(session: Transaction) -> bool:
    """Whether it is one of several parts, made here."""
    return _KEYS in vars(session)


def material(parts: Sequence[Transaction]) -> Material:
    """All that was measured and said in any of them, in order of time."""
    found, told = gather(list(parts)), Material()
    for before, part in zip([None, *parts], parts, strict=False):
        one = found[part.pk]
        told.readings += [*_registers(before, part, parts[-1]), *one.readings]
        told.exported.update(one.exported)
        told.limits += [limit for limit in one.limits if limit not in told.limits]
        told.states += [(max(at, part.started_at), word) for at, word in one.states if at <= _end(part)]
        if part is not parts[-1]:
            told.states.append((_end(part), _RESTARTING))
    told.readings.sort(key=attrgetter("at"))
    return told


def _end(part: Transaction) -> datetime:
    return part.ended_at or part.last_event_at


def _registers(before: Transaction | None, part: Transaction, last: Transaction) -> list[Reading]:
    """Those with which it began and ended, as readings, where they are inside of the whole.

    A start below the end before it is that, rounded to whole Wh.
    """
    ends = []
    if before is not None and part.meter_start_exact and not _falls(before, part):
        ends.append((part.started_at, part.meter_start_wh))
    if part is not last and part.meter_stop_exact:
        ends.append((_end(part), part.meter_last_wh))
    return [Reading(at, wh, None, None, None, None, None) for at, wh in ends]


def _falls(before: Transaction, part: Transaction) -> bool:
    first, last = part.meter_start_wh, before.meter_last_wh
    return first is not None and last is not None and first < last
