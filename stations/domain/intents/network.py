"""Where a station connects to (2.0.1 B09, A05)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNetworkProfile(Intent):
    """SetNetworkProfile (2.0.1 B09) into a slot that is not in use. The security profile is never lowered.

    ``confirm_downgrade`` is the operator's word for the one exception: 3 to 2, where the station allows it (S-07).
    ``apn`` and ``vpn`` are as the version spells them. ``identity`` and ``password`` are of 2.1.
    """

    name: ClassVar[str] = "set_network_profile"
    permission: ClassVar[str] = "security.manage"
    needs: ClassVar[Capability | None] = Capability.NETWORK_PROFILE

    slot: int
    url: str
    security_profile: int
    interface: str = "Wired0"
    message_timeout_s: int = 30
    ocpp_version: str = "2.0.1"
    confirm_downgrade: bool = False
    identity: str | None = None
    password: str | None = None
    apn: Mapping[str, Any] | None = None
    vpn: Mapping[str, Any] | None = None
