"""The group commit: facts of many stations and the frame log, written in one database transaction.

What is scarce: commits. Who locks what: EVSEs, transactions by id, connectors, presence; single messages lock
EVSE before transaction as well. A message that cannot be stored does not harm its neighbours: the batch is
halved until it stands alone. What is lost to a deadlock or a lost connection is written again.
"""

from stations.services.batches.gathering import Told
from stations.services.batches.items import Item, Seen
from stations.services.batches.writing import Outcome, Writer

__all__ = ["Item", "Outcome", "Seen", "Told", "Writer"]
