"""How the hardened server ends: sockets over a spread, requests finished, streams closed (M-12)."""

import http.client
import signal
import socket
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from tests.portal.probing import Peer, Probe, serving
from tests.waiting import eventually


def open_sockets(probe: Probe, number: int, path: str = "/echo") -> list[Peer]:
    peers = [Peer(probe.port) for _ in range(number)]
    assert {peer.upgrade(path).status for peer in peers} == {101}
    return peers


def codes_and_times(peers: list[Peer], after: Callable[[], None]) -> tuple[set[int], list[float]]:
    """Close codes of all and when each came, seconds after the act."""
    found: list[tuple[int, float]] = []
    threads = [
        threading.Thread(target=lambda p=peer: found.append((p.hear_close(), time.monotonic())))
        for peer in peers
    ]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    after()
    for thread in threads:
        thread.join(10)
    for peer in peers:
        peer.frame(0x88, b"\x03\xf4")
    assert len(found) == len(peers)
    return {code for code, _ in found}, [at - began for _, at in found]


def test_sigterm_closes_1012_spread_over_the_window_and_the_process_ends() -> None:
    with serving(drain_spread_s=1.5) as probe:
        peers = open_sockets(probe, 30)
        codes, times = codes_and_times(peers, lambda: probe.process.send_signal(signal.SIGTERM))
        assert codes == {1012}
        assert max(times) <= 2.0
        assert max(times) - min(times) > 0.7
        assert probe.process.wait(5) == 0


def test_sigint_closes_1001() -> None:
    with serving(shutdown_spread_s=0.1) as probe:
        codes, _ = codes_and_times(open_sockets(probe, 3), lambda: probe.process.send_signal(signal.SIGINT))
        assert codes == {1001}
        assert probe.process.wait(5) == 0


def test_a_socket_whose_application_ignores_the_drain_is_closed_all_the_same() -> None:
    with serving(drain_spread_s=0.1, drain_grace_s=0.5, close_s=0.5) as probe:
        [peer] = open_sockets(probe, 1, "/stubborn")
        probe.process.send_signal(signal.SIGTERM)
        assert peer.hear_close() == 1012
        assert probe.process.wait(5) == 0, "a peer that does not answer the close may not hold the process"


def test_upgrades_are_refused_503_while_draining() -> None:
    with serving(drain_spread_s=3) as probe:
        held = open_sockets(probe, 8)
        probe.process.send_signal(signal.SIGTERM)

        def refused() -> bool:
            with Peer(probe.port) as peer:
                answer = peer.upgrade("/echo")
                assert answer.status == 503
                return "retry-after" in answer.headers

        eventually(refused, within_s=2)
        assert held


def listens(pid: int) -> bool:
    return any(one.status == psutil.CONN_LISTEN for one in psutil.Process(pid).net_connections("inet"))


def test_a_shared_port_is_given_up_at_once() -> None:
    with serving(drain_spread_s=3, reuse_port=True) as old:
        held = open_sockets(old, 8)
        with serving(reuse_port=True, port=old.port) as new:
            old.process.send_signal(signal.SIGTERM)
            eventually(lambda: not listens(old.process.pid))
            assert old.process.poll() is None  # those whom it holds are sent away later
            for _ in range(20):
                with Peer(new.port) as peer:
                    assert peer.upgrade("/echo").status == 101
        assert held


def test_a_request_in_work_is_finished_and_its_connection_closed() -> None:
    with serving(drain_spread_s=0.1) as probe:
        connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=5)
        connection.request("GET", "/slow")
        time.sleep(0.2)
        probe.process.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"done")
        assert response.headers["connection"] == "close"
        assert probe.process.wait(5) == 0


def test_an_event_stream_ends_cleanly() -> None:
    with serving(drain_spread_s=0.1) as probe:
        connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=5)
        connection.request("GET", "/stream")
        response = connection.getresponse()
        assert response.read1() == b"data: 1\n\n"
        probe.process.send_signal(signal.SIGTERM)
        assert response.read() == b""  # an end by the rules, else IncompleteRead
        assert probe.process.wait(5) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
    with serving(drain_spread_s=60) as probe:
        [peer] = open_sockets(probe, 1, "/stubborn")
        probe.process.send_signal(signal.SIGTERM)
        eventually(lambda: "server.draining" in probe.logged())
        probe.process.send_signal(number)
        assert probe.process.wait(2) == 128 + number
        assert peer.is_cut()


def test_a_port_is_free_again_after_the_end() -> None:
    with serving(drain_spread_s=0) as probe:
        open_sockets(probe, 1)
        probe.process.send_signal(signal.SIGTERM)
        probe.process.wait(10)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", probe.port))
