"""What else the end of a command means, beside what its answer tells: one line for each kind that has jobs.

Called inside the transaction that settles the command; the command's row is locked.
"""

from collections.abc import Callable, Mapping

from stations.models import Command
from stations.services import firmware, logs
from stations.services.certificates import outcomes

ENDED: Mapping[str, Callable[[Command], None]] = {
    "certificate_signed": outcomes.certificate_sent,
    "get_log": logs.command_ended,
    "publish_firmware": firmware.command_ended,
    "rotate_password": outcomes.password_sent,
    "update_firmware": firmware.command_ended,
}


def ended(command: Command) -> None:
    """The command has just ended."""
    if follow := ENDED.get(command.command):
        follow(command)
