"""W-17: what the guard lets out, by the spelling of the address, what it leads to, and how the other end behaves."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from core import egress

BOTH = frozenset({"http", "https"})
Serve = Callable[[socket.socket], None]


@contextmanager
def other_end(serve: Serve) -> Iterator[int]:
    """A server on loopback that treats each connection as told; counts nothing, keeps nothing."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.1)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                line, _ = listening.accept()
            except TimeoutError:
                continue
            with line:
                line.settimeout(10)
                serve(line)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        thread.join(10)
        listening.close()


def saying(answer: bytes) -> Serve:
    def serve(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(answer)

    return serve


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://example.org/",
        "https://user:secret@example.org/",
        "https://user@example.org/",
        "https:///nowhere",
        "https://exa mple.org/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/\r\nHost: internal",
        "https://[::1/",
        "https://example.org:99999/",
        "https://exam%70le.org/",
        "",
    ],
)
def test_an_address_that_is_none_of_ours_to_call_is_refused(url: str) -> None:
    with pytest.raises(egress.EgressRefused):
        egress.check(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.0.0.1.",
        "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fe80::1%25eth0]", "[fc00::1]", "[fec0::1]", "[ff02::1]",
        "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]", "[2001:0:0:0:0:0:80ff:fffe]", "[2001:db8::1]", "localhost", "LOCALHOST.",
    ],
)  # fmt: skip
def test_whatever_leads_inside_is_refused(host: str) -> None:
    with pytest.raises(egress.EgressRefused):
        egress.check(f"https://{host}/")


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]", "0x08080808", "[::ffff:8.8.8.8]"])
def test_public_addresses_may_be_called_on_the_usual_port_only(host: str) -> None:
    target = egress.check(f"https://{host}/path?query=1")

    assert (target.port, target.path) == (443, "/path?query=1")
    assert all(egress.is_public(ip_address(text)) for text in target.addresses)
    with pytest.raises(egress.EgressRefused):
        egress.check(f"https://{host}:8443/")


@pytest.mark.parametrize(
    ("entries", "url", "allowed"),
    [
        (["127.0.0.0/8:8080"], "http://127.0.0.1:8080/", True),
        (["127.0.0.0/8:8080"], "http://127.0.0.1:8081/", False),
        (["127.0.0.0/8"], "http://127.0.0.1/", True),
        (["127.0.0.0/8"], "http://127.0.0.1:8080/", False),
        (["localhost:8080"], "http://LocalHost:8080/", True),
        (["localhost:8080"], "http://127.0.0.1:8080/", False),
        (["[::1]:8080"], "http://[::1]:8080/", True),
        (["10.0.0.0/8:8080"], "http://127.0.0.1:8080/", False),
        (["ocsp.example.org"], "http://127.0.0.1/", False),
    ],
)
def test_the_deployment_names_what_else_may_be_reached(
    settings: Any, entries: list[str], url: str, allowed: bool
) -> None:
    settings.EGRESS_ALLOW = tuple(entries)
    if allowed:
        assert egress.check(url, schemes=BOTH).addresses
        return
    with pytest.raises(egress.EgressRefused):
        egress.check(url, schemes=BOTH)


def test_only_what_is_named_itself_counts_as_listed(settings: Any) -> None:
    settings.EGRESS_ALLOW = ("ocsp.example.org", "127.0.0.0/8:8080")

    assert egress.is_listed("http://ocsp.example.org/status")
    assert egress.is_listed("http://127.0.0.1:8080/")
    assert not egress.is_listed("http://evil.example.org/")
    assert not egress.is_listed("http://ocsp.example.org:8080/")
    assert not egress.is_listed("http://ocsp.example.org@evil.example.org/")


def test_a_name_that_nobody_knows_fails_without_a_connection() -> None:
    with pytest.raises(egress.EgressFailed):
        egress.check("https://no-such-host.invalid/")


def test_an_answer_is_read_and_the_body_posted(settings: Any) -> None:
    heard: list[bytes] = []

    def serve(line: socket.socket) -> None:
        data = b""
        while b"question" not in data:
            data += line.recv(65536)
        heard.append(data)
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nanswer")

    with other_end(serve) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        answer = egress.fetch(f"http://127.0.0.1:{port}/ask", body=b"question", schemes=BOTH)

    assert (answer.status, answer.content_type, answer.body) == (200, "text/plain", b"answer")
    assert heard[0].startswith(b"POST /ask HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1" in heard[0]


def test_a_redirect_is_an_answer_and_is_not_followed(settings: Any) -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with other_end(saying(redirect)) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        assert egress.fetch(f"http://127.0.0.1:{port}/", schemes=BOTH).status == 302


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (egress.MAX_BYTES + 1),
    ],
    ids=["nothing", "no HTTP", "too short", "too long"],
)
def test_what_is_no_proper_answer_fails(settings: Any, answer: bytes) -> None:
    with other_end(saying(answer)) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        with pytest.raises(egress.EgressFailed):
            egress.fetch(f"http://127.0.0.1:{port}/", schemes=BOTH)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_other_end_that_never_answers_is_given_up(settings: Any, scheme: str) -> None:
    given_up = threading.Event()

    def drip(line: socket.socket) -> None:
        """One byte now and then keeps every single read alive; only the deadline ends it."""
        try:
            while not given_up.wait(0.05):
                line.sendall(b"H")
        except OSError:
            return

    with other_end(drip) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        with pytest.raises(egress.EgressFailed):
            egress.fetch(f"{scheme}://127.0.0.1:{port}/", schemes=BOTH, total_s=0.5)
        given_up.set()


def test_a_body_that_never_ends_is_no_answer_however_much_came(settings: Any) -> None:
    over = threading.Event()

    def drip(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not over.wait(0.05):
                line.sendall(b"x")
        except OSError:
            return

    with other_end(drip) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        with pytest.raises(egress.EgressFailed):
            egress.fetch(f"http://127.0.0.1:{port}/", schemes=BOTH, total_s=0.5)
        over.set()


def test_a_closed_port_fails(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)

    with pytest.raises(egress.EgressFailed):
        egress.fetch(f"http://127.0.0.1:{port}/", schemes=BOTH)


def test_a_certificate_that_nobody_vouches_for_is_not_talked_to(settings: Any) -> None:
    with other_end(saying(b"\x15\x03\x03\x00\x02\x02\x28")) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        with pytest.raises(egress.EgressFailed):
            egress.fetch(f"https://127.0.0.1:{port}/")
