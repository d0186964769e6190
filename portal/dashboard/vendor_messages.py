"""Messages to a vendor's station (DataTransfer) as a person writes them, and what was answered."""

from dataclasses import dataclass
from typing import Any

import orjson
from django.http import QueryDict
from django.utils.translation import gettext as _

from core.errors import Invalid
from stations.domain import intents
from stations.domain.vendor_data import text_of
from stations.models import ChargingStation, Command

VENDOR_MAX, MESSAGE_MAX = 255, 50
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Sent:
    """A message with the data that came back, masked as it was kept."""

    command: Command
    vendor_id: str
    message_id: str
    answer: str


def wish(values: QueryDict) -> intents.DataTransfer:
    """Raises :class:`Invalid` for names that are too long and for data that is not the JSON it is said to be."""
    vendor_id, message_id = (values.get(name, "").strip() for name in ("vendor_id", "message_id"))
    if not 1 <= len(vendor_id) <= VENDOR_MAX:
        raise Invalid(_("Name the vendor, in at most 255 characters."), field="vendor_id")
    if len(message_id) > MESSAGE_MAX:
        raise Invalid(_("The id of the message has at most 50 characters."), field="message_id")
    return intents.DataTransfer(vendor_id=vendor_id, message_id=message_id, data=_data(values))


def recent(station: ChargingStation) -> list[Sent]:
    """The last ones, newest first."""
    rows = station.commands.filter(command=intents.DataTransfer.name).order_by("-id")[:SHOWN]
    return [_sent(row) for row in rows]


def _sent(row: Command) -> Sent:
    asked, response = row.parameters, row.response
    answer = response.get("data") if isinstance(response, dict) else None
    return Sent(row, asked.get("vendor_id", ""), asked.get("message_id", ""), text_of(answer))


def _data(values: QueryDict) -> Any:
    text = values.get("data", "")
    if values.get("data_is") != "json":
        return text or None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(_("The data is not JSON: %s.") % error, field="data") from error
