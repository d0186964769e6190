"""Whatever else a station may be told, in its own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from stations.domain.intents.base import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Intent):
    """Any action of the version the station is connected with, its payload as it goes on the wire.

    With ``ocpp_version`` it is for stations of that version only, also when they are told later.
    """

    name: ClassVar[str] = "call"
    permission: ClassVar[str] = "commands.expert"

    action: str
    payload: Mapping[str, Any]
    ocpp_version: str | None = None
