"""Asks the portal itself whether it serves."""

import http.client
import time
from urllib.parse import urlsplit

from portal.embedded import ServerFailed
from portal.supervisor.environment import ANY_ADDRESS
from portal.supervisor.options import Options

PATIENCE_S = 90


class Readiness:
    """`/readyz` of the server, asked until it is 200."""

    def __init__(self, options: Options, url: str) -> None:
        self.host = "127.0.0.1" if options.host in ANY_ADDRESS else options.host
        self.port = options.port
        self.named = urlsplit(url).netloc
        self.ends_at = time.monotonic() + PATIENCE_S
        self.answer = "no answer yet"

    def reached(self) -> bool:
        """Raises :class:`ServerFailed` with the last answer when its time is over."""
        if time.monotonic() > self.ends_at:
            raise ServerFailed(f"The portal does not become ready: {self.answer}")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz", headers={"Host": self.named})
            response = connection.getresponse()
            self.answer = f"{response.status} {response.read(500).decode(errors='replace')}"
            return response.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
