"""Local authorization lists (2.0.1 block D)."""

from dataclasses import dataclass
from typing import ClassVar

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLocalList(Intent):
    """SendLocalList (2.0.1 D01, 1.6 section 5.15), ``mode`` ``full`` or ``differential``.

    What is on the list is decided when it is sent. Changes become the whole list where it is not known
    what the station holds.
    """

    name: ClassVar[str] = "send_local_list"
    permission: ClassVar[str] = "variables.edit"
    effect_window_s: ClassVar[int | None] = 30
    needs: ClassVar[Capability | None] = Capability.LOCAL_LIST

    mode: str = "differential"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLocalListVersion(Intent):
    """GetLocalListVersion (2.0.1 D02, 1.6 section 5.10)."""

    name: ClassVar[str] = "get_local_list_version"
    permission: ClassVar[str] = "commands.station"
    needs: ClassVar[Capability | None] = Capability.LOCAL_LIST
    safe_to_repeat: ClassVar[bool] = True
