"""Run a command with ``DATABASE_URL`` of an empty PostgreSQL that lives as long as the command."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from portal.embedded import EmbeddedPostgres


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory() as place:
        server = EmbeddedPostgres(Path(place) / "data", durable=False)
        server.start()
        try:
            return subprocess.call(command, env={**os.environ, "DATABASE_URL": server.url("owner")})
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
