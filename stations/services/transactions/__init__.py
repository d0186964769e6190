"""Charging sessions joined from what stations report: idempotent by constraint, in any order of arrival.

``start`` and ``stop`` serve 1.6, whose transactions we number; ``apply_event`` serves 2.x. Rows are locked
in the order EVSE, transaction, event (``locking``); figures are merged by one rule (``figures``), which the
group commit shares.
"""

from stations.services.transactions.ending import StopOutcome
from stations.services.transactions.numbered import StartOutcome, start, stop
from stations.services.transactions.orphans import orphan_overdue
from stations.services.transactions.repairing import close_stuck, confirm, keep_waiting
from stations.services.transactions.reported import EventOutcome, apply_event

__all__ = [
    "EventOutcome",
    "StartOutcome",
    "StopOutcome",
    "apply_event",
    "close_stuck",
    "confirm",
    "keep_waiting",
    "orphan_overdue",
    "start",
    "stop",
]
