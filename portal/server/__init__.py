"""The server of the portal and of the chargers' door: Daphne, hardened.

``run(application, port=8000)`` serves any ASGI application. Towards ours it speaks a few words more, all of
them optional on both sides, so that another ASGI server can take over:

* ``scope["extensions"]["websocket.http.response"]``: refuse an upgrade with any status, headers and body.
* ``scope["extensions"]["chargeyard.flow"]``: a `FlowControl`, which knows how much is waiting to be received;
  ``scope["chargeyard.header_list"]``: every occurrence of every header, names in lower case, none with an
  underscore.
* ``websocket.accept`` may carry ``chargeyard.ping_interval`` (seconds, 0 = off) and
  ``chargeyard.pong_required``.
* ``websocket.receive`` carries ``chargeyard.size`` (bytes on the wire), ``websocket.disconnect`` carries
  ``chargeyard.cause``: peer, application, drain, lost, ping_timeout, write_timeout, oversize, fragments,
  control_flood, invalid_utf8, protocol, failure or refused.
* ``chargeyard.drain`` on ``receive()``: finish the work in hand, then close with its ``code``.
"""

from portal.server.loop import event_loop  # isort: skip  # the reactor comes before everything of Twisted
from portal.server.core import Server
from portal.server.flow import FlowControl
from portal.server.listening import CannotListen, run
from portal.server.options import Options

__all__ = ["CannotListen", "FlowControl", "Options", "Server", "event_loop", "run"]
