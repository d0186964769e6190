"""PostgreSQL and Valkey from pip wheels, run as child processes that end with their parent."""

from portal.embedded.postgres import EmbeddedPostgres
from portal.embedded.process import ServerFailed
from portal.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey", "ServerFailed"]
