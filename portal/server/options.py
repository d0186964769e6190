"""What a server can be told. Times in seconds, sizes in bytes."""

import resource
from dataclasses import dataclass, field

DESCRIPTORS_KEPT_BACK = 256  # for the database, Valkey, files and plain requests


def sockets_by_file_limit() -> int:
    """How many stations' sockets this process may hold, after its file limit was raised as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(64, soft - DESCRIPTORS_KEPT_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where to listen, and the limits of `spec` L-01 to L-08 with their defaults."""

    host: str = "127.0.0.1"
    port: int | None = None
    unix_path: str = ""
    reuse_port: bool = False
    edge_secret: str = ""
    body_bytes: int = 210_000_000  # of a plain request: the largest upload and its form
    message_bytes: int = 1_048_576
    fragments: int = 4_096
    control_frames_per_second: int = 50
    waiting_frames: int = 64
    waiting_bytes: int = 2 * 1_048_576
    sockets_per_address: int = 2_000
    sockets: int = field(default_factory=sockets_by_file_limit)
    header_s: float = 10
    decision_s: float = 20
    close_s: float = 5
    write_s: float = 60
    application_close_s: float = 10
    drain_spread_s: float = 20
    drain_grace_s: float = 4
    exit_s: float = 10
    shutdown_spread_s: float = 1
