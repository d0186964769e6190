"""`manage.py up`: prepare, start, attend, stop."""

import signal
import sys
import time
from types import FrameType

from portal.embedded import ServerFailed
from portal.supervisor import addresses, environment, ground, options
from portal.supervisor.portal import Portal
from portal.supervisor.terminal import say

ATTEND_EVERY_S = 0.2


class StopRequested(Exception):
    """Ctrl-C, SIGTERM or a closed terminal."""


class Signals:
    """The first signal interrupts whatever is going on; another one while stopping means: at once."""

    def __init__(self) -> None:
        self.stopping = False
        self.hurry = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.stopping:
            self.hurry = True
            return
        self.stopping = True
        raise StopRequested


def main(arguments: list[str]) -> int:
    """Run the portal until it is told to stop; the exit code of the process."""
    chosen = options.parse(arguments)
    signals = Signals()
    try:
        _run(chosen, signals)
    except StopRequested:
        say("Stopped before anything was started.")
    except ServerFailed as error:
        return _complain(str(error))
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}.")
    return 0


def _run(chosen: options.Options, signals: Signals) -> None:
    url = environment.public_url(chosen)
    addresses.check()
    with ground.claim(chosen, url):
        ground.check_room(chosen.data_dir)
        ground.check_port(chosen.host, chosen.port)
        addresses.check_database()
        portal = Portal(chosen, url)
        try:
            portal.start()
            while True:
                portal.attend()
                time.sleep(ATTEND_EVERY_S)
        except StopRequested:
            say("\nStopping; once more to stop at once.")
        finally:
            signals.stopping = True
            portal.stop(in_a_hurry=lambda: signals.hurry)
        say("Stopped.")


def _complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1
