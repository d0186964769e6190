"""The group commit: facts of many stations and the frame log, written in one database transaction.

What is scarce: commits. Who locks what: transactions by id, then the EVSEs that show them, connectors, presence.
Messages of one station are never stored side by side, so a single message meets a batch only where a person
or another process acts on the same session; then one of them waits, or is done again after a deadlock.

A message that cannot be stored does not harm its neighbours: the batch is halved until it stands alone. What
is lost to a deadlock or a lost connection is written again. What needs a row that somebody holds is told as
blocked, and its neighbours are stored.
"""

from stations.services.batches.gathering import Told
from stations.services.batches.items import Item, Seen
from stations.services.batches.writing import Blocked, Outcome, Writer

__all__ = ["Blocked", "Item", "Outcome", "Seen", "Told", "Writer"]
