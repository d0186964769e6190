"""Asking a station how a session stands (2.0.1 E14)."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTransactionStatus(Intent):
    """GetTransactionStatus: of one session, or only whether messages of any are still queued.

    ``reference`` is the station's name for the session; services give it.
    """

    name: ClassVar[str] = "get_transaction_status"
    permission: ClassVar[str] = "commands.session"
    needs: ClassVar[Capability | None] = Capability.TRANSACTION_STATUS
    safe_to_repeat: ClassVar[bool] = True

    transaction: UUID | None = None
    reference: str = ""
