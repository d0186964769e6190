"""What each command takes, as typed bodies; each becomes an intent (section Commands of the API).

One module for each functional block, with its bodies and an example of each.
"""

from collections.abc import Mapping
from typing import Any

from portal.api.command_bodies import (
    certificates,
    data_transfers,
    device_model,
    displays,
    firmware,
    grid_support,
    local_lists,
    monitoring,
    network,
    raw,
    remote_control,
    reservations,
    smart_charging,
    station_tariffs,
    transaction_status,
)
from portal.api.command_bodies.base import CommandBody

__all__ = ["BODIES", "EXAMPLES", "CommandBody"]

BODIES: Mapping[str, type[CommandBody]] = {
    **remote_control.BODIES,
    **device_model.BODIES,
    **reservations.BODIES,
    **grid_support.BODIES,
    **smart_charging.BODIES,
    **firmware.BODIES,
    **certificates.BODIES,
    **monitoring.BODIES,
    **network.BODIES,
    **displays.BODIES,
    **data_transfers.BODIES,
    **station_tariffs.BODIES,
    **local_lists.BODIES,
    **transaction_status.BODIES,
    **raw.BODIES,
}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    **remote_control.EXAMPLES,
    **device_model.EXAMPLES,
    **reservations.EXAMPLES,
    **grid_support.EXAMPLES,
    **smart_charging.EXAMPLES,
    **firmware.EXAMPLES,
    **certificates.EXAMPLES,
    **monitoring.EXAMPLES,
    **network.EXAMPLES,
    **displays.EXAMPLES,
    **data_transfers.EXAMPLES,
    **station_tariffs.EXAMPLES,
    **local_lists.EXAMPLES,
    **transaction_status.EXAMPLES,
    **raw.EXAMPLES,
}
