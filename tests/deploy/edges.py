"""A real nginx or HAProxy with the configuration of deploy/, on loopback before a running portal."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.running import ROOT, free_port
from tests.stations.ocpp.knocking import Headers, Login, Reply, read_reply, request_head

DEPLOY = ROOT / "deploy"
PATIENCE_S = 10.0


def find(program: str, *, package: str, what: str) -> str:
    """The program's path; where it is missing the tests are skipped, and that is said."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    if not found:
        pytest.skip(f"NO {program.upper()} FOUND, tests of {what} are skipped: install the package {package}")
    return found


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Each of the changes made; one that has nothing to change is a fault of the test or of the file."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the configuration any more"
        text = text.replace(old, new)
    return text


@dataclass
class Edge:
    """``port`` speaks TLS, ``plain_port`` does not."""

    name: str
    port: int
    plain_port: int
    log: Path

    def context(self, certificate: Path | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(certificate)
        return context

    @contextlib.contextmanager
    def line(
        self,
        address: str = "127.0.0.1",
        server_name: str | None = "ocpp.localhost",
        context: ssl.SSLContext | None = None,
    ) -> Iterator[ssl.SSLSocket]:
        """A connection over TLS from that address."""
        with (
            socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (address, 0)) as raw,
            (context or self.context()).wrap_socket(raw, server_hostname=server_name) as line,
        ):
            yield line

    def knock(
        self,
        path: str,
        *,
        address: str,
        login: Login | None = None,
        offer: str | None = "ocpp1.6",
        headers: Headers = (),
        certificate: Path | None = None,
        server_name: str | None = "ocpp.localhost",
    ) -> Reply:
        """Ask for an upgrade and hang up."""
        head = request_head(server_name or "127.0.0.1", path, login=login, offer=offer, headers=headers)
        with self.line(address, server_name, self.context(certificate)) as line:
            line.sendall(head)
            return read_reply(line)[0]

    def pages(self, address: str = "127.0.0.1") -> HTTPSConnection:
        """A connection for plain requests to the portal's name."""
        return HTTPSConnection(
            "localhost", self.port, timeout=PATIENCE_S, context=self.context(), source_address=(address, 0)
        )

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


@contextlib.contextmanager
def running(edge: Edge, words: list[str], **environment: str) -> Iterator[Edge]:
    with edge.log.open("ab") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        _wait_until_open(edge, process)
        yield edge
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait_until_open(edge: Edge, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{edge.name} has ended:\n{edge.tail()}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", edge.port), 1).close()
            return
        time.sleep(0.02)
    raise AssertionError(f"{edge.name} does not listen:\n{edge.tail()}")


def find_nginx() -> str:
    return find("nginx", package="nginx", what="the nginx configuration")


def find_haproxy() -> str:
    return find("haproxy", package="haproxy", what="the HAProxy configuration")


def run_to_end(words: list[str]) -> str:
    """What a program that succeeds has said."""
    environment = {**os.environ, "OCPP_TRUSTED_PROXY_SECRET": "of no deployment"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextlib.contextmanager
def nginx(papers: Path, directory: Path, *, backend: int, draining: int, secret: str) -> Iterator[Edge]:
    """nginx; of two gateways one drains, of two web processes one is away."""
    program = find_nginx()
    edge = Edge("nginx", free_port(), free_port(), directory / "nginx.log")
    write_nginx(papers, directory, edge, secret=secret)
    dead = free_port()
    upstreams = replaced(
        (DEPLOY / "nginx/chargeyard/upstreams.conf").read_text(),
        {
            "unix:/run/chargeyard/gateway-1.sock": f"127.0.0.1:{draining}",
            "unix:/run/chargeyard/gateway-2.sock": f"127.0.0.1:{backend}",
            "unix:/run/chargeyard/web-1.sock": f"127.0.0.1:{dead}",
            "unix:/run/chargeyard/web-2.sock": f"127.0.0.1:{backend}",
        },
    )
    (directory / "chargeyard/upstreams.conf").write_text(upstreams)
    with running(
        edge, [program, "-g", "daemon off;", "-p", str(directory), "-c", str(directory / "nginx.conf")]
    ):
        yield edge


def write_nginx(papers: Path, directory: Path, edge: Edge, *, secret: str) -> None:
    """The shipped files with ports, names and places of a test, below a main file of its own."""
    shutil.copytree(DEPLOY / "nginx/chargeyard", directory / "chargeyard")
    (directory / "chargeyard/tls").symlink_to(papers)
    for name in ("secret.conf", "client-ca.conf"):
        shutil.copy(directory / f"chargeyard/{name}.example", directory / "chargeyard" / name)
    given = replaced((directory / "chargeyard/secret.conf").read_text(), {'""': f'"{secret}"'})
    (directory / "chargeyard/secret.conf").write_text(given)
    common = directory / "chargeyard/common.conf"
    common.write_text(replaced(common.read_text(), {"/var/log/nginx/": f"{directory}/"}))
    portal = replaced(
        (DEPLOY / "nginx/chargeyard.conf").read_text(),
        {
            "ocpp.example.org": "ocpp.localhost",
            "portal.example.org": "localhost",
            "listen 443": f"listen 127.0.0.1:{edge.port}",
            "listen 80": f"listen 127.0.0.1:{edge.plain_port}",
            "listen [::]:443": f"listen [::1]:{edge.port}",
            "listen [::]:80": f"listen [::1]:{edge.plain_port}",
        },
    )
    if not has_ipv6():
        portal = "\n".join(line for line in portal.splitlines() if "listen [::1]" not in line)
    (directory / "chargeyard.conf").write_text(portal)
    main = replaced(
        (DEPLOY / "nginx/nginx.conf").read_text(),
        {
            " /tmp/": f" {directory}/",
            "/run/nginx.pid": f"{directory}/pid",
            "worker_connections 16384": "worker_connections 512",
            "worker_rlimit_nofile 65536;\n": "",
        },
    )
    (directory / "nginx.conf").write_text(main)


@contextlib.contextmanager
def haproxy(papers: Path, directory: Path, *, backend: int, draining: int, secret: str) -> Iterator[Edge]:
    """HAProxy; of two gateways one drains, of two web processes one is away."""
    program = find_haproxy()
    edge = Edge("haproxy", free_port(), free_port(), directory / "haproxy.log")
    path, dead = write_haproxy(papers, directory, edge), free_port()
    text = replaced(
        path.read_text(),
        {
            "unix@/run/chargeyard/gateway-1.sock": f"127.0.0.1:{draining}",
            "unix@/run/chargeyard/gateway-2.sock": f"127.0.0.1:{backend}",
            "unix@/run/chargeyard/web-1.sock": f"127.0.0.1:{dead}",
            "unix@/run/chargeyard/web-2.sock": f"127.0.0.1:{backend}",
        },
    )
    path.write_text(text)
    with running(edge, [program, "-db", "-f", str(path)], OCPP_TRUSTED_PROXY_SECRET=secret):
        yield edge


def write_haproxy(papers: Path, directory: Path, edge: Edge) -> Path:
    """The shipped file with ports, names and places of a test."""
    text = replaced(
        (DEPLOY / "haproxy/haproxy.cfg").read_text(),
        {
            "portal.example.org": "localhost",
            "maxconn 20000": "maxconn 200",
            "bind :443": f"bind 127.0.0.1:{edge.port}",
            "bind :80": f"bind 127.0.0.1:{edge.plain_port}",
            "/etc/haproxy/chargeyard": str(directory),
        },
    )
    if os.geteuid() != 0:  # only root can become somebody else
        text = "".join(line for line in text.splitlines(True) if not line.startswith(("  user ", "  group ")))
    (directory / "haproxy.cfg").write_text(text)
    names = replaced(
        (DEPLOY / "haproxy/crt-list.txt.example").read_text(),
        {
            "portal.example.org": "localhost",
            "ocpp.example.org": "ocpp.localhost",
            "/etc/haproxy/chargeyard": str(papers),
        },
    )
    (directory / "crt-list.txt").write_text(names)
    return directory / "haproxy.cfg"


@contextlib.contextmanager
def draining_gateway() -> Iterator[int]:
    """The port of something that says 503 to every request, as a gateway does that is about to end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Retry-After", "77")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
