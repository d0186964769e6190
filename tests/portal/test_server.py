"""Upgrades and plain requests through the hardened server, on the wire."""

import asyncio
import http.client
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets
from django.core.management import CommandError, call_command

from tests.portal.probing import UPGRADE, Peer, Probe, frame, serving
from tests.waiting import eventually

BANNERS = ("server", "x-powered-by", "via")


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with serving(header_s=1, decision_s=0.5, body_bytes=3_000_000, edge_secret="edge-secret") as probe:
        yield probe


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503])
def test_a_refusal_reaches_the_client_with_its_status_and_headers(probe: Probe, status: int) -> None:
    with Peer(probe.port) as peer:
        answer = peer.upgrade(f"/refuse/{status}")

        assert (answer.status, answer.body) == (status, b"go away")
        assert answer.headers["www-authenticate"] == 'Basic realm="ocpp"'
        assert answer.headers["retry-after"] == "7"
        assert answer.headers["content-length"] == "7"
        assert answer.headers["connection"] == "close"
        assert peer.is_cut()


def test_a_client_library_sees_the_status_of_a_refusal(probe: Probe) -> None:
    async def knock() -> int:
        try:
            async with websockets.connect(f"ws://127.0.0.1:{probe.port}/refuse/404"):
                return 101
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(knock()) == 404


def test_a_close_before_accept_is_403(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        assert peer.upgrade("/close-first").status == 403


def test_an_application_that_fails_before_accept_is_500_and_logged(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        assert peer.upgrade("/fail-first").status == 500
    assert "before accept" in probe.logged()


def test_an_upgrade_that_is_not_decided_in_time_is_503(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        answer = peer.upgrade("/undecided")
    assert answer.status == 503
    assert 30 <= int(answer.headers["retry-after"]) <= 120


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Upgrade: websocket", "Connection: Upgrade"), 426),
        ((*UPGRADE[:3], "Sec-WebSocket-Key: short"), 400),
        (UPGRADE[:3], 400),
        ((*UPGRADE, UPGRADE[3]), 400),
        ((UPGRADE[0], *UPGRADE[2:]), 400),
        ((*UPGRADE, "Host: twice"), 400),
    ],
)
def test_a_malformed_upgrade_is_refused_before_the_application(
    probe: Probe, lines: tuple[str, ...], status: int
) -> None:
    with Peer(probe.port) as peer:
        answer = peer.ask("/echo", *lines)
    assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_an_upgrade_by_post_is_refused(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        assert peer.ask("/echo", *UPGRADE, method="POST").status == 405


def test_neither_kind_of_answer_names_the_server(probe: Probe) -> None:
    for answer in (
        Peer(probe.port).upgrade("/echo"),
        Peer(probe.port).upgrade("/refuse/401"),
        Peer(probe.port).ask("/hello"),
        Peer(probe.port).ask("/fail"),
        Peer(probe.port).ask("/hello", "no colon"),
        Peer(probe.port).ask("/\xff"),
    ):
        assert not set(BANNERS) & set(answer.headers)
        for name in (b"daphne", b"twisted", b"autobahn"):
            assert name not in answer.body.lower() + json.dumps(answer.headers).lower().encode()


def test_every_occurrence_of_a_header_is_seen_and_underscores_are_dropped(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade(
            "/scope/a",
            "X-Edge-Listener: tls",
            "x-edge-listener: plain",
            "X_Edge_Listener: forged",
            "Authorization: Basic one",
            "Authorization: Basic two",
        )
        headers = json.loads(peer.hear_text())["headers"]

    assert [value for name, value in headers if name == "x-edge-listener"] == ["tls", "plain"]
    assert [value for name, value in headers if name == "authorization"] == ["Basic one", "Basic two"]
    assert not any("_" in name or "forged" in value for name, value in headers)


def test_the_path_arrives_as_it_was_sent(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/scope//NORTH%7C7/%zz/../?a=%41")
        scope = json.loads(peer.hear_text())
    assert (scope["raw_path"], scope["query"]) == ("/scope//NORTH%7C7/%zz/../", "a=%41")


def test_subprotocols_are_read_over_all_occurrences_and_one_is_returned(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        answer = peer.upgrade("/scope", "Sec-WebSocket-Protocol: a ,, b", "Sec-WebSocket-Protocol:c")
        assert json.loads(peer.hear_text())["subprotocols"] == ["a", "b", "c"]
    assert (answer.status, answer.headers["sec-websocket-protocol"]) == (101, "a")
    assert answer.headers["x-extra"] == "yes"


def test_compression_is_not_negotiated(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        answer = peer.upgrade("/echo", "Sec-WebSocket-Extensions: permessage-deflate")
    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers


def test_what_a_client_sends_before_it_was_answered_is_not_lost(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        head = "\r\n".join(("GET /echo HTTP/1.1", "Host: probe", *UPGRADE))
        peer.socket.sendall(head.encode() + b"\r\n\r\n" + frame(0x81, b"early"))
        assert peer.answer().status == 101
        assert peer.hear_text() == "early"


@pytest.mark.parametrize("kind", ["plain", "upgrade"])
def test_the_client_address_is_the_edges_word_only_with_its_secret(probe: Probe, kind: str) -> None:
    def told(*lines: str) -> list[object]:
        with Peer(probe.port) as peer:
            if kind == "plain":
                return list(json.loads(peer.ask("/hello", *lines).body)["client"])
            peer.upgrade("/scope", *lines)
            return list(json.loads(peer.hear_text())["client"])

    assert told("X-Edge-Auth: edge-secret", "X-Forwarded-For: 192.0.2.7") == ["192.0.2.7", 0]
    assert told("X-Edge-Auth: wrong", "X-Forwarded-For: 192.0.2.7")[0] == "127.0.0.1"
    assert told("X-Forwarded-For: 192.0.2.7")[0] == "127.0.0.1"


def test_a_header_line_of_16_kib_is_read_and_a_longer_one_is_431(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        assert peer.upgrade("/echo", "X-Client-Cert: " + "c" * (16_384 - 15)).status == 101
    with Peer(probe.port) as peer:
        assert peer.upgrade("/echo", "X-Client-Cert: " + "c" * (16_385 - 15)).status == 431
    with Peer(probe.port) as peer:
        assert peer.ask("/hello", *(f"X-{n}: " + "c" * 16_000 for n in range(5))).status == 431


def test_trickled_headers_are_cut(probe: Probe) -> None:
    began = time.monotonic()
    with Peer(probe.port) as peer:
        peer.socket.sendall(b"GET /hello HTTP/1.1\r\n")
        for _ in range(5):
            time.sleep(0.3)
            try:
                peer.socket.sendall(b"X-Slow: yes\r\n")
            except ConnectionError:
                break
        assert peer.is_cut()
    assert time.monotonic() - began < 4


def test_a_connection_serves_several_requests_and_a_failure_is_500(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        assert peer.ask("/hello").status == 200
        time.sleep(1.1)  # longer than headers may take: an idle connection is not a slow one
        assert peer.ask("/fail").status == 500
    assert "in a request" in probe.logged()


def test_a_slow_reader_of_a_download_does_not_fill_memory(probe: Probe) -> None:
    before = probe.memory_mib()
    with Peer(probe.port) as peer:
        peer.socket.sendall(b"GET /download HTTP/1.1\r\nHost: probe\r\n\r\n")
        time.sleep(0.5)
        assert probe.memory_mib() - before < 16
        assert probe.get("/hello")


def test_a_body_is_handed_over_in_pieces_and_a_longer_one_than_allowed_is_413(probe: Probe) -> None:
    def send(size: int) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=5)
        connection.request("POST", "/upload", b"u" * size)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    assert send(0) == (200, "0 0")
    assert send(65_536) == (200, "65536 65536")
    assert send(3_000_000) == (200, "3000000 65536")
    assert send(3_000_001)[0] == 413


def test_one_address_holds_no_more_sockets_than_allowed() -> None:
    with serving(sockets_per_address=3, sockets=5) as probe:
        held = [Peer(probe.port) for _ in range(3)]
        assert {peer.upgrade("/echo").status for peer in held} == {101}
        with Peer(probe.port) as fourth:
            assert fourth.upgrade("/echo").status == 503
        others = [Peer(probe.port, f"127.0.0.{n}") for n in (2, 3, 4)]
        assert [peer.upgrade("/echo").status for peer in others] == [101, 101, 503]

        held[0].__exit__()

        def again() -> bool:
            with Peer(probe.port) as peer:
                return peer.upgrade("/echo").status == 101

        eventually(again)


def test_a_unix_socket_is_for_owner_and_group_only(tmp_path: Path) -> None:
    path = tmp_path / "ocpp.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    with serving(port=None, unix_path=str(path)), Peer(0, unix_path=str(path)) as peer:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        assert peer.upgrade("/echo").status == 101


def test_a_taken_port_is_one_clear_line(probe: Probe) -> None:
    words = [sys.executable, "manage.py", "serve", "--port", str(probe.port)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"CommandError: Cannot listen on 127.0.0.1:{probe.port}: Address already in use. Choose another --port."
    )


def test_a_name_that_presences_cannot_keep_is_refused_before_anything_is_served() -> None:
    with pytest.raises(CommandError, match="65 characters; choose one of at most 64"):
        call_command("serve", port=0, gateway_id="g" * 65)
