"""Logs by FTP, by a real client from a real server: an account for one request, one file, no more (W-19)."""

import ftplib
import io
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core import clock, keys
from core.access import Actor, Role
from core.models import AuditEntry
from stations.domain import intents
from stations.models import LogFile
from stations.services import commands, log_files
from tests import factories, pki
from tests.running import ROOT, free_port
from tests.waiting import eventually

LOG = b"2026-11-26T10:00:00Z door opened\r\n" * 5000 + bytes(range(256))
CAP = 1_000_000


@dataclass
class Ftp:
    """One `manage.py serve_ftp`."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def dial(self, kind: type[ftplib.FTP] = ftplib.FTP, **how: Any) -> ftplib.FTP:
        client = kind(timeout=15, **how)
        client.connect("127.0.0.1", self.port)
        return client


@dataclass
class Target:
    row: LogFile
    account: str
    token: str

    def now(self) -> LogFile:
        self.row.refresh_from_db()
        return self.row

    def sign_in(self, ftp: Ftp) -> ftplib.FTP:
        client = ftp.dial()
        client.login(self.account, self.token)
        return client


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def serving(*words: str, **settings: str) -> Iterator[Ftp]:
    port = free_port()
    log = Path(os.environ["DATA_DIR"]) / f"ftp-{port}.log"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "FTP_PORT": str(port),
        "LOG_FILE_MAX_BYTES": str(CAP),
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve_ftp", *words],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        eventually(
            lambda: process.poll() is not None or answers(port), within_s=30, what="the FTP server to listen"
        )
        assert process.poll() is None, log.read_text()
        yield Ftp(process, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def ftp(django_db_setup: None) -> Iterator[Ftp]:
    with serving() as server:
        yield server


@pytest.fixture
def bob(committed: None) -> Actor:
    return factories.make_actor(factories.make_organization(), Role.TECHNICIAN, "bob")


@pytest.fixture
def target(bob: Actor, settings: Any) -> Callable[[], Target]:
    """A request for a log by FTP: what the station is told of it."""
    settings.FTP_PORT = 2121

    def make() -> Target:
        station = factories.make_station(bob)[0]
        intent = intents.GetLog(kind="diagnostics", transfer="ftp")
        command = commands.issue(station, intent, by=bob, if_offline="wait")
        said = json.loads(keys.unseal(command.sealed, purpose=commands.SEALED_FOR))
        url = urlsplit(said["location"])
        assert (url.scheme, url.path) == ("ftp", "/")
        row = LogFile.objects.get(station_id=station.pk)
        return Target(row, url.username or "", url.password or "")

    return make


def kept() -> set[str]:
    from django.conf import settings

    folder = Path(settings.FILES_DIR) / "logs"
    return {path.name for path in folder.glob("*")} if folder.exists() else set()


def store(client: ftplib.FTP, name: str = "diag.zip", content: bytes = LOG) -> str:
    return client.storbinary(f"STOR {name}", io.BytesIO(content))


def refused(say: Callable[[], Any]) -> str:
    with pytest.raises(ftplib.Error) as caught:
        say()
    return str(caught.value)


def test_w19_a_station_stores_the_log_that_it_was_asked_for(
    ftp: Ftp, target: Callable[[], Target], bob: Actor
) -> None:
    asked = target()
    client = asked.sign_in(ftp)

    assert store(client, "/diag.zip").startswith("226")

    found = asked.now()
    assert (found.name, found.size_bytes, found.way) == ("diag.zip", len(LOG), "ftp")
    assert b"".join(log_files.content(found)) == LOG
    assert "diag" not in found.file
    log_files.reading(found, by=bob)
    assert AuditEntry.objects.filter(organization=found.organization_id, action="log.read").count() == 1
    assert asked.token not in ftp.log.read_text()


def test_w19_a_target_takes_one_file_and_its_account_is_over_then(
    ftp: Ftp, target: Callable[[], Target]
) -> None:
    asked = target()
    client = asked.sign_in(ftp)
    store(client)
    before = kept()

    assert refused(lambda: store(client, "again.zip", b"other")).startswith("550 A file was uploaded here")
    assert refused(lambda: asked.sign_in(ftp)).startswith("530")
    assert kept() == before
    assert b"".join(log_files.content(asked.now())) == LOG


@pytest.mark.parametrize("over", ["wrong password", "another's password", "by http", "too late", "anonymous"])
def test_w19_strangers_do_not_come_in(ftp: Ftp, target: Callable[[], Target], over: str) -> None:
    asked, other = target(), target()
    account, token = asked.account, asked.token
    if over == "wrong password":
        token = "A" * 43
    elif over == "another's password":
        token = other.token
    elif over == "by http":
        LogFile.objects.filter(pk=asked.row.pk).update(account="")
    elif over == "too late":
        LogFile.objects.filter(pk=asked.row.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    else:
        account, token = "anonymous", "me@example.org"
    client = ftp.dial()

    assert refused(lambda: client.login(account, token)) == "530 Authentication failed."
    assert refused(lambda: store(client)).startswith("530")
    assert (asked.now().tries, other.now().tries) == (0, 0)


def test_w19_nothing_but_storing_is_offered(ftp: Ftp, target: Callable[[], Target]) -> None:
    asked = target()
    client = asked.sign_in(ftp)
    said = [
        "LIST", "NLST", "MLSD", "MLST", "STAT /", "STAT", "RETR diag.zip", "SIZE diag.zip", "MDTM diag.zip",
        "DELE diag.zip", "RNFR diag.zip", "RNTO x", "MKD x", "RMD x", "CDUP", "CWD logs", "CWD ..", "APPE diag.zip",
        "STOU", "REST 5", "SITE CHMOD 777 x", "PORT 127,0,0,1,10,10", "EPRT |1|127.0.0.1|5000|", "MFMT 1 x",
    ]  # fmt: skip
    before = kept()

    answered = {line: refused(lambda line=line: client.sendcmd(line))[0] for line in said}

    assert set(answered.values()) == {"5"}, answered
    assert kept() == before
    assert (client.pwd(), client.cwd("/")[:3]) == ("/", "250")
    assert store(client).startswith("226")


@pytest.mark.parametrize(
    "name", ["../diag.zip", "/etc/passwd", "a/b", "a\\b", ".hidden", "..", "x" * 256, "a\x07b"]
)
def test_w19_path_tricks_in_names_are_refused_and_the_station_may_try_again(
    ftp: Ftp, target: Callable[[], Target], name: str
) -> None:
    asked = target()
    client = asked.sign_in(ftp)
    before = kept()

    assert refused(lambda: store(client, name)).startswith("553 This is no name of a file")

    assert (asked.now().tries, kept()) == (0, before)
    assert store(client).startswith("226")


def test_w19_a_file_above_the_cap_is_refused_while_it_comes_and_leaves_nothing(
    ftp: Ftp, target: Callable[[], Target]
) -> None:
    asked = target()
    client = asked.sign_in(ftp)
    before = kept()

    client.sendcmd("TYPE I")
    data = client.transfercmd("STOR big.log")
    with pytest.raises(ConnectionError):
        data.sendall(b"x" * 128_000_000)  # it hears early that this is too much
    data.close()

    assert refused(client.voidresp).startswith("552 The file is larger than")
    assert kept() == before
    assert "larger than" in asked.now().detail
    assert store(client, content=b"x" * CAP).startswith("226")


def test_w19_an_empty_file_is_refused(ftp: Ftp, target: Callable[[], Target]) -> None:
    asked = target()
    before = kept()

    assert refused(lambda: store(asked.sign_in(ftp), content=b"")) == "553 The file is empty."

    assert (asked.now().received_at, kept()) == (None, before)


@pytest.mark.parametrize("how", ["reset", "both ends", "abort"])
def test_w19_a_cut_connection_is_no_whole_file_and_the_target_is_free_again(
    ftp: Ftp, target: Callable[[], Target], how: str
) -> None:
    asked = target()
    client = asked.sign_in(ftp)
    before = kept()
    data = client.transfercmd("STOR diag.zip")
    data.sendall(LOG[:70_000])
    eventually(lambda: asked.now().claimed_at, what="the upload to begin")

    if how == "reset":
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        data.close()
        assert refused(client.voidresp).startswith("426")
    elif how == "both ends":
        client.close()
        data.close()
    else:
        assert refused(lambda: client.sendcmd("ABOR")).startswith("426")
        assert client.voidresp().startswith("226")

    eventually(lambda: asked.now().claimed_at is None, what="the target to be free")
    assert (asked.now().received_at, asked.now().detail) == (None, "The upload broke off.")
    assert kept() == before
    assert store(asked.sign_in(ftp)).startswith("226")


def test_two_files_at_once_are_not_taken(ftp: Ftp, target: Callable[[], Target]) -> None:
    asked = target()
    client, second = asked.sign_in(ftp), asked.sign_in(ftp)
    data = client.transfercmd("STOR diag.zip")
    data.sendall(LOG[:1000])
    eventually(lambda: asked.now().claimed_at, what="the upload to begin")

    assert refused(lambda: store(second)).startswith("550 Another upload to this target")
    data.sendall(LOG[1000:])
    data.close()
    assert client.voidresp().startswith("226")
    assert b"".join(log_files.content(asked.now())) == LOG


def dialled(ftp: Ftp) -> ftplib.FTP | None:
    """A connection, or none while that which looked whether the server listens is not over yet."""
    try:
        return ftp.dial()
    except ftplib.error_temp:
        return None


def test_w19_connections_are_bound_and_a_silent_one_ends(committed: None) -> None:
    with serving(FTP_CONNECTIONS="3", FTP_CONNECTIONS_PER_ADDRESS="2", FTP_IDLE_SECONDS="3") as ftp:
        first, second = (eventually(lambda: dialled(ftp), what="a free place") for _ in range(2))
        assert refused(ftp.dial).startswith("421 Too many connections")

        began = time.monotonic()
        assert first.sock is not None
        assert second.sock is not None
        assert b"421" in first.sock.recv(200)
        assert first.sock.recv(200) == b""
        assert time.monotonic() - began < 10


def test_w19_who_talks_without_signing_in_is_sent_away_too(committed: None) -> None:
    with serving(FTP_IDLE_SECONDS="1") as ftp:
        client, began = ftp.dial(), time.monotonic()

        def chatter() -> None:
            while time.monotonic() - began < 10:
                client.sendcmd("NOOP")

        assert refused(chatter).startswith("421 This takes too long")
        assert time.monotonic() - began < 5


def test_an_upload_that_a_stop_cuts_off_leaves_the_target_free(target: Callable[[], Target]) -> None:
    asked, before = target(), kept()
    with serving() as ftp:
        client = asked.sign_in(ftp)
        data = client.transfercmd("STOR diag.zip")
        data.sendall(LOG[:70_000])
        eventually(lambda: asked.now().claimed_at, what="the upload to begin")

    assert ftp.process.returncode == 0
    assert (asked.now().claimed_at, asked.now().received_at) == (None, None)
    assert kept() == before
    data.close()


def test_w19_with_a_certificate_nobody_signs_in_without_tls(
    target: Callable[[], Target], settings: Any, tmp_path: Path
) -> None:
    root = pki.authority()
    key = pki.new_key()
    certificate = root.issue(pki.name("files.example.org"), key.public_key())
    (tmp_path / "ftp.pem").write_text(pki.pem(certificate))
    (tmp_path / "ftp.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    papers = {"FTP_CERTIFICATE": str(tmp_path / "ftp.pem"), "FTP_KEY": str(tmp_path / "ftp.key")}
    asked = target()
    with serving(**papers) as ftp:
        assert refused(lambda: asked.sign_in(ftp)).startswith("550 SSL/TLS required")
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        client = ftp.dial(ftplib.FTP_TLS, context=trusting)
        assert isinstance(client, ftplib.FTP_TLS)
        client.login(asked.account, asked.token)
        assert refused(lambda: store(client)).startswith("550 SSL/TLS required on the data channel")
        client.prot_p()
        assert store(client).startswith("226")
    assert b"".join(log_files.content(asked.now())) == LOG


@pytest.mark.parametrize(
    ("settings_of_it", "says"),
    [
        ({"FTP_PORT": "0"}, "set FTP_PORT"),
        ({"FTP_PASSIVE_PORTS": "many"}, "a range as in 50000-50099"),
        ({"FTP_PASSIVE_PORTS": "50-10"}, "between 1024 and 65535"),
        ({"FTP_CERTIFICATE": "/nowhere.pem"}, "FTP_CERTIFICATE"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(settings_of_it: dict[str, str], says: str) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "FTP_PORT": str(free_port()),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "serve_ftp"],
        cwd=ROOT,
        env={**environment, **settings_of_it},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
