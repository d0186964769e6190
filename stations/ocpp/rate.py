"""How fast one station may speak (security L-09): slowed beyond it, never cut for being slow to finish."""

import time

SUSTAINED_PER_S = 50.0
BURST = 500.0
BYTES_PER_UNIT = 16_384
ABUSE_S = 60.0


class Rate:
    """A bucket of messages; a long one counts for several."""

    __slots__ = ("_at", "_flooding_since", "_left")

    def __init__(self) -> None:
        self._left = BURST
        self._at = time.monotonic()
        self._flooding_since: float | None = None

    def take(self, size: int) -> float:
        """Count a message; how long to wait before it is processed, in seconds."""
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * SUSTAINED_PER_S)
        self._at = now
        self._left -= 1 + size // BYTES_PER_UNIT
        return 0.0 if self._left >= 0 else -self._left / SUSTAINED_PER_S

    def is_abuse(self, waiting: int, many: int) -> bool:
        """Whether more than ``many`` frames have been waiting behind the limit for a minute."""
        if waiting < many:
            self._flooding_since = None
            return False
        if self._flooding_since is None:
            self._flooding_since = self._at
        return self._at - self._flooding_since > ABUSE_S
