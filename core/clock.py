"""The one place that reads the clock, so that an operation has one instant and tests can move it."""

from datetime import UTC, datetime, timedelta

EARLIEST_PLAUSIBLE = datetime(2010, 1, 1, tzinfo=UTC)
FUTURE_TOLERANCE = timedelta(hours=24)


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC)


def is_plausible(instant: datetime, received_at: datetime) -> bool:
    """Whether a station's time can be used for logic: not before 2010, not over 24 h ahead (P110)."""
    return EARLIEST_PLAUSIBLE <= instant <= received_at + FUTURE_TOLERANCE


def is_expiry(instant: datetime) -> bool:
    """Whether an instant can be the end of something's validity; others cannot be shown in every time zone."""
    return EARLIEST_PLAUSIBLE.year <= instant.year < 3000


def to_wire(instant: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``, as OCPP and the API write it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
