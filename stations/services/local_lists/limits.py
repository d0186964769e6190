"""How much of a list a station takes, as far as it told: 1.6 configuration keys, 2.x LocalAuthListCtrlr."""

from uuid import UUID

from stations.models import Variable
from stations.services import configuration

COMPONENT = "LocalAuthListCtrlr"
ITEMS = ("ItemsPerMessage", "ItemsPerMessageSendLocalList")
BYTES = ("BytesPerMessage", "BytesPerMessageSendLocalList")
USUAL_ITEMS = 50
USUAL_BYTES = 32_768
LEAST_BYTES = 512


def key(station_id: UUID, name: str) -> int | None:
    """A 1.6 configuration key that holds a positive number; ``None`` where it was not told."""
    return _positive(configuration.value_of(station_id, name))


def items_per_message(station_id: UUID) -> int:
    """Entries in one message of 2.x."""
    return _told(station_id, ITEMS) or USUAL_ITEMS


def bytes_per_message(station_id: UUID) -> int:
    """Bytes of one message of 2.x."""
    return max(LEAST_BYTES, _told(station_id, BYTES) or USUAL_BYTES)


def capacity(station_id: UUID) -> int | None:
    """Entries that the list of a 2.x station takes in all; ``None`` where it was not told."""
    return _told(station_id, ("Entries",), attribute="MaxSet")


def _told(station_id: UUID, names: tuple[str, ...], *, attribute: str = "Actual") -> int | None:
    rows = Variable.objects.filter(
        station_id=station_id, component__iexact=COMPONENT, variable__in=names, attribute=attribute
    )
    numbers = [number for value in rows.values_list("value", flat=True) if (number := _positive(value))]
    return min(numbers, default=None)


def _positive(value: str | None) -> int | None:
    text = (value or "").strip()
    return int(text) or None if text.isascii() and text.isdigit() and len(text) <= 9 else None
