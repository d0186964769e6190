"""The parts of one running portal and the order they start and stop in."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from ctypes.util import find_library
from pathlib import Path

from portal import runtime
from portal.embedded import EmbeddedPostgres, EmbeddedValkey, ServerFailed
from portal.embedded.process import run, spawn
from portal.supervisor import environment
from portal.supervisor.lookout import Lookout
from portal.supervisor.options import Options
from portal.supervisor.readiness import Readiness
from portal.supervisor.services import Service, stop_together
from portal.supervisor.terminal import say, step

ROOT = Path(__file__).resolve().parent.parent.parent
CONNECTIONS_PER_GATEWAY = 30
CONNECTIONS_OF_OTHERS = 70
SERVER_PATIENCE_S = 20
DRAIN_SPREAD_S = 20  # of OCPP_DRAIN_SPREAD, spec/ocpp.md section 8
DEMO_DRAIN_SPREAD_S = 3
AFTER_DRAIN_S = 12


class Portal:
    """Database, Valkey, gateways, worker, beat and demo chargers of one data directory."""

    def __init__(self, options: Options, url: str) -> None:
        self.options = options
        self.url = url
        self.postgres: EmbeddedPostgres | None = None
        self.valkey: EmbeddedValkey | None = None
        self.lookout: Lookout | None = None
        self.environment: dict[str, str] = {}
        self.owner_url = ""
        self.servers: list[Service] = []
        self.gateways: list[Service] = []
        self.background: list[Service] = []
        self.demo: list[Service] = []
        self.login: dict[str, str] = {}
        self.demo_lines: list[str] = []

    def start(self) -> None:
        """Everything up to answering pages; raises :class:`ServerFailed`."""
        kept = environment.portal_secrets(self.options.data_dir)  # on disk before a database needs them
        say(f"Starting Chargeyard in {self.options.data_dir}")
        passwords = environment.server_passwords(self.options.data_dir)
        self._start_postgres(passwords)
        self._start_valkey(passwords)
        self._compose_environment(kept)
        with step("Schema, pages, first administrator"):
            self.login = json.loads(self._manage("setup", DATABASE_URL=self.owner_url).splitlines()[-1])
        self._start_gateways()  # they load while the demo is made
        if self.options.demo:
            with step("Demo data"):
                self.demo_lines = self._manage("demo").splitlines()
        with step("Server, worker, beat"):
            self._start_background()
            self._wait_until_ready()
        self._look_out()
        self._show()
        if self.options.demo:
            self._launch(self.demo, "Demo chargers", self._manage_command("demo", "--run"), patience_s=10)

    def attend(self) -> None:
        """Start again what has ended."""
        for service in self._all():
            service.watch()

    def stop(self, *, in_a_hurry: Callable[[], bool]) -> None:
        """Chargers of the demo, gateways (drained), background work, Valkey, and the database last."""
        if self.lookout:
            self.lookout.stop()
        for group in (self.demo, self.gateways, self.background):
            stop_together(group, in_a_hurry=in_a_hurry)
        if self.valkey:
            self.valkey.stop()
        if self.postgres:
            self.postgres.stop()
        (self.options.data_dir / runtime.RUNTIME_FILE).unlink(missing_ok=True)
        if self.login.get("password"):  # never shown, as something failed after it was made
            self._show_login()

    def _all(self) -> list[Service]:
        return [*self.servers, *self.gateways, *self.background, *self.demo]

    def _start_postgres(self, passwords: Mapping[str, str]) -> None:
        if os.environ.get("DATABASE_URL"):
            return
        self.postgres = EmbeddedPostgres(
            self.options.data_dir,
            passwords={role: passwords[role] for role in ("owner", "app")},
            max_connections=CONNECTIONS_OF_OTHERS + CONNECTIONS_PER_GATEWAY * self.options.gateways,
        )
        with step("PostgreSQL"):
            self.postgres.start()
        server = Service("PostgreSQL", self.postgres.launch, SERVER_PATIENCE_S, signal.SIGINT)
        self._attend_to(server, self.postgres.child)

    def _start_valkey(self, passwords: Mapping[str, str]) -> None:
        if os.environ.get("VALKEY_URL"):
            return
        self.valkey = EmbeddedValkey(self.options.data_dir, password=passwords["valkey"])
        with step("Valkey"):
            self.valkey.start()
        self._attend_to(Service("Valkey", self.valkey.launch, SERVER_PATIENCE_S), self.valkey.child)

    def _look_out(self) -> None:
        restart = self.valkey.kill if self.valkey else None
        self.lookout = Lookout(self.environment["VALKEY_URL"], restart)
        self.lookout.start()

    def _attend_to(self, server: Service, child: subprocess.Popen[bytes] | None) -> None:
        server.child, server.started_at = child, time.monotonic()
        self.servers.append(server)

    def _compose_environment(self, kept: Mapping[str, str]) -> None:
        """What the children are told, and what other commands find in the data directory."""
        found = {
            "PUBLIC_URL": self.url,
            "ALLOWED_HOSTS": environment.allowed_hosts(self.options, self.url),
        }
        if self.postgres:
            found |= {
                "DATABASE_URL": self.postgres.url("app"),
                "DATABASE_OWNER_URL": self.postgres.url("owner"),
            }
        if self.valkey:
            found["VALKEY_URL"] = self.valkey.url()
        runtime.write_env_file(self.options.data_dir / runtime.RUNTIME_FILE, found)
        defaults = {
            "LOG_LEVEL": "WARNING",
            "OUTAGE_LOG_LEVEL": "ERROR",  # the lookout says it for all of them
            "OCPP_DRAIN_SPREAD": str(self._drain_spread_s()),
        }
        self.environment = {
            **defaults,
            **kept,
            **os.environ,
            **found,
            "DATA_DIR": str(self.options.data_dir),
            "PYTHONUNBUFFERED": "1",
        }
        self.owner_url = self.environment.get("DATABASE_OWNER_URL") or self.environment["DATABASE_URL"]
        self.environment["DATABASE_OWNER_URL"] = ""  # no process that serves may change the schema (W-33)

    def _drain_spread_s(self) -> int:
        return DEMO_DRAIN_SPREAD_S if self.options.demo else DRAIN_SPREAD_S

    def _start_gateways(self) -> None:
        patience_s = float(self.environment["OCPP_DRAIN_SPREAD"]) + AFTER_DRAIN_S
        for number in range(1, self.options.gateways + 1):
            self._launch(
                self.gateways, f"Server {number}", self._serve_command(number), patience_s=patience_s
            )

    def _start_background(self) -> None:
        for name, words in (("Worker", WORKER), ("Beat", [*BEAT, *self._beat_files()])):
            self._launch(self.background, name, [sys.executable, *words], patience_s=25)
        if self.environment.get("FTP_PORT", "0") not in ("", "0"):
            command = self._manage_command("serve_ftp", "--host", self.options.host)
            self._launch(self.background, "FTP", command, patience_s=10)

    def _launch(self, group: list[Service], name: str, command: list[str], *, patience_s: float) -> None:
        service = Service(name, lambda: spawn(command, env=self.environment, cwd=ROOT), patience_s)
        group.append(service)
        service.launch()

    def _serve_command(self, number: int) -> list[str]:
        words = ["--host", self.options.host, "--port", str(self.options.port)]
        words += ["--gateway-id", f"{socket.gethostname()}:{self.options.port}:{number}"[-64:]]
        return self._manage_command("serve", *words, *(["--reuse-port"] if self.options.gateways > 1 else []))

    def _beat_files(self) -> list[str]:
        return ["--schedule", str(self.options.data_dir / "celerybeat-schedule"), "--pidfile="]

    def _manage(self, *words: str, **extra: str) -> str:
        """Run one management command to its end; what it printed. Its complaints go to the terminal."""
        environment_of_it = {**self.environment, **extra}
        code, printed = run(self._manage_command(*words), env=environment_of_it, cwd=ROOT)
        if code:
            raise ServerFailed(
                f"`manage.py {words[0]}` failed with exit code {code}; its messages are above."
            )
        return printed

    @staticmethod
    def _manage_command(*words: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *words]

    def _wait_until_ready(self) -> None:
        readiness = Readiness(self.options, self.url)
        while not readiness.reached():
            for gateway in self.gateways:
                if not gateway.alive:
                    raise ServerFailed("The server does not start; its messages are above.")
            time.sleep(0.1)

    def _show(self) -> None:
        self.ready_lines()
        self._show_login()
        for line in self.demo_lines:
            say(f"  {line}")
        if not all(find_library(name) for name in ("pango-1.0", "pangoft2-1.0")):
            say("\n  Invoices as PDF wait: the Pango library is missing. On Debian:")
            say("  apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0")
        if environment.is_exposed(self.options, self.url):
            say("\n  Warning: plain http leaves this machine, passwords included. Put a TLS proxy in front")
            say("  and set PUBLIC_URL to its https address (docs/operators/running.md).")
        say("\n  Ctrl-C ends it.\n")

    def ready_lines(self) -> None:
        say(f"\n  Dashboard   {self.url}/")
        say(f"  OCPP        {self.url.replace('http', 'ws', 1)}/ocpp/<identity of the charger>")
        if any(service.name == "FTP" for service in self.background):
            say(f"  FTP         port {self.environment['FTP_PORT']}, logs of chargers only")

    def _show_login(self) -> None:
        say(f"  Login       {self.login['email']}")
        password = self.login.pop("password", "")
        say(
            f"  Password    {password}   (shown only this once)"
            if password
            else "  Password    as set before"
        )


WORKER = [
    "-W",
    "ignore::PendingDeprecationWarning",
    "-W",
    "ignore:You're running the worker with superuser privileges",
    "-m",
    "celery",
    "--quiet",
    "--app=portal.celery",
    "worker",
    "--loglevel=WARNING",
    "--concurrency=2",
    "--without-gossip",
    "--without-mingle",
]
BEAT = ["-m", "celery", "--quiet", "--app=portal.celery", "beat", "--loglevel=WARNING"]
