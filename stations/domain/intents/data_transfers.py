"""Messages of vendors (block P)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from stations.domain.intents.base import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransfer(Intent):
    """DataTransfer to the station. ``data`` is a text on 1.6 and any JSON on 2.x."""

    name: ClassVar[str] = "data_transfer"
    permission: ClassVar[str] = "commands.expert"

    vendor_id: str
    message_id: str = ""
    data: Any = None
