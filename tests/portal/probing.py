"""The probe's process, and a peer that puts bytes on the wire as it likes."""

import base64
import contextlib
import json
import re
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
MASK = b"\x11\x22\x33\x44"
PATIENCE_S = 5.0
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: " + base64.b64encode(b"0123456789abcdef").decode(),
)


@dataclass
class Probe:
    """A served `asgi_probe`."""

    process: "subprocess.Popen[str]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, timeout: float = PATIENCE_S) -> str:
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return str(answer.read().decode())

    def seen(self) -> list[dict[str, Any]]:
        return list(json.loads(self.get("/seen")))

    def logged(self) -> str:
        return self.log.read_text()

    def memory_mib(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Probe]:
    """Serve the probe on a free port (or as the options say) until the end of the block."""
    log = Path(tempfile.mkstemp(prefix="probe-", suffix=".log")[1])
    words = [sys.executable, "-m", "tests.portal.asgi_probe", json.dumps({"port": 0, **options})]
    with log.open("w") as errors:
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", said)
        assert found or "unix_path" in options, log.read_text()
        yield Probe(process, int(found[1]) if found else 0, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stdout.close()
        log.unlink()


@dataclass
class Answer:
    """An HTTP answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Peer:
    """A raw connection. What is not an HTTP answer is read frame by frame."""

    def __init__(self, port: int, address: str = "127.0.0.1", unix_path: str = "") -> None:
        if unix_path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(unix_path)
        else:
            self.socket = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
        self.socket.settimeout(PATIENCE_S)
        self.stream = self.socket.makefile("rb")

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.socket.close()

    def ask(self, path: str, *lines: str, method: str = "GET") -> Answer:
        """A request with exactly these header lines after ``Host``."""
        head = "\r\n".join((f"{method} {path} HTTP/1.1", "Host: probe", *lines))
        self.socket.sendall(head.encode("latin-1") + b"\r\n\r\n")
        return self.answer()

    def upgrade(self, path: str, *lines: str) -> Answer:
        return self.ask(path, *UPGRADE, *lines)

    def answer(self) -> Answer:
        status = int(self.stream.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self.stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = b"" if status == 101 else self.stream.read(int(headers.get("content-length", 0)))
        return Answer(status, headers, body)

    def say(self, text: str) -> None:
        self.frame(0x81, text.encode())

    def frame(self, first: int, payload: bytes = b"", masked: bool = True, length: int | None = None) -> None:
        """One frame; a ``length`` other than the payload's may be claimed."""
        self.socket.sendall(frame(first, payload, masked, length))

    def hear(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        first, length = self.stream.read(2)
        if length == 126:
            length = int.from_bytes(self.stream.read(2), "big")
        elif length == 127:
            length = int.from_bytes(self.stream.read(8), "big")
        return first & 0x0F, self.stream.read(length)

    def hear_text(self) -> str:
        opcode, payload = self.hear()
        assert opcode == 1, (opcode, payload)
        return payload.decode()

    def hear_close(self) -> int:
        """The close code; pings on the way are passed over."""
        opcode, payload = self.hear()
        while opcode == 9:
            opcode, payload = self.hear()
        assert opcode == 8, (opcode, payload[:100])
        return int(struct.unpack("!H", payload[:2])[0])

    def is_cut(self) -> bool:
        """Whether the other side has closed the connection; waits for it."""
        try:
            while self.socket.recv(65_536):
                pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True


def frame(first: int, payload: bytes = b"", masked: bool = True, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65_536:
        head = bytes((first, bit | 126)) + struct.pack("!H", size)
    else:
        head = bytes((first, bit | 127)) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(
        (MASK * (len(payload) // 4 + 1))[: len(payload)], "big"
    )
    return head + MASK + mixed.to_bytes(len(payload), "big")
