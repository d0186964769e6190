"""How a station is treated at the door: its own settings first, then those of its make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

NAMES = ("lenient", "tolerances", "call_timeout_s", "ping_interval_s", "energy_factor")
TOLERANCES = ("no_subprotocol", "hex_password", "integer_ids", "binary_frames", "no_pong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What is in force. ``None`` means the usual; a tolerance that is not named follows ``lenient``."""

    lenient: bool = False
    tolerances: Mapping[str, bool] = field(default_factory=dict)
    call_timeout_s: int | None = None
    ping_interval_s: int | None = None
    energy_factor: Decimal | None = None

    def tolerates(self, tolerance: str) -> bool:
        return bool(self.tolerances.get(tolerance, self.lenient))
