"""What goes into the raw log of one socket, and into the counters."""

from datetime import datetime

from core import clock
from stations.ocpp import masking, metrics
from stations.ocpp.context import Socket
from stations.ocpp.frames import Frame, MessageId
from stations.ocpp.ingest import Ingest
from stations.services import frames as frame_log


class Recorder:
    """Makes log rows of this socket's frames; ``ingest`` writes them within a second."""

    __slots__ = ("_ingest", "_socket", "_station")

    def __init__(self, socket: Socket, ingest: Ingest) -> None:
        self._ingest = ingest
        self._socket = socket
        self._station = f"{socket.station_id}\t{socket.epoch}"

    def line(
        self,
        frame: Frame,
        received_at: datetime,
        action: str,
        verdict: str,
        *,
        latency_us: int | None = None,
        repairs: tuple[str, ...] = (),
    ) -> str:
        """The row of a frame from the station; also counts it."""
        metrics.count(action, verdict)
        return frame_log.line(
            received_at,
            self._station,
            "in",
            frame.type if frame.type is None or -32768 <= frame.type <= 32767 else None,
            "" if frame.message_id is None else frame.message_id,
            action,
            frame.size,
            verdict,
            masking.loggable(frame, action, self._socket.data_masks),
            latency_us=latency_us,
            repairs=repairs,
        )

    def received(
        self,
        frame: Frame,
        received_at: datetime,
        action: str,
        verdict: str,
        *,
        latency_us: int | None = None,
        repairs: tuple[str, ...] = (),
    ) -> None:
        """Log a frame from the station apart from any fact."""
        self._ingest.log(
            self.line(frame, received_at, action, verdict, latency_us=latency_us, repairs=repairs)
        )

    def sent(
        self,
        kind: int,
        message_id: MessageId,
        action: str,
        text: str,
        shown: str,
        latency_us: int | None = None,
    ) -> None:
        """Log a frame of ours; ``shown`` is its masked text."""
        row = frame_log.line(
            clock.now(),
            self._station,
            "out",
            kind,
            message_id,
            action,
            _size(text),
            "ok",
            shown,
            latency_us=latency_us,
        )
        self._ingest.log(row)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
