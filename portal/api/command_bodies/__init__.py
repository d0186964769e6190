"""What each command takes, as typed bodies; each becomes an intent (section Commands of the API).

One module for each functional block, with its bodies and an example of each.
"""

from collections.abc import Mapping
from typing import Any

from portal.api.command_bodies import (
    device_model,
    grid_support,
    local_lists,
    raw,
    remote_control,
    reservations,
    smart_charging,
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
    **local_lists.EXAMPLES,
    **transaction_status.EXAMPLES,
    **raw.EXAMPLES,
}
