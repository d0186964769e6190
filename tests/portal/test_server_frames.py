"""Messages, limits, back-pressure and pings of the hardened server, on the wire."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.portal.probing import Peer, Probe, frame, serving
from tests.waiting import eventually

MIB = 1_048_576
TEXT, BINARY, PING = 0x81, 0x82, 0x89


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with serving() as probe:
        yield probe


@pytest.fixture
def peer(probe: Probe) -> Iterator[Peer]:
    with Peer(probe.port) as peer:
        assert peer.upgrade("/echo").status == 101
        yield peer


def ended(probe: Probe, cause: str) -> dict[str, Any]:
    """What the application was told of the end of the newest socket."""

    def look() -> dict[str, Any] | None:
        events = probe.seen()
        return events[-1] if events and events[-1]["chargeyard.cause"] == cause else None

    event = eventually(look)
    assert event is not None
    return event


@pytest.mark.parametrize("size", [0, 1, 125, 126, 999])
def test_a_text_comes_back(peer: Peer, size: int) -> None:
    text = ("e" * size)[: size - 1] + "\u00fc"[:size] if size else ""
    peer.say(text)
    assert peer.hear_text() == text


@pytest.mark.parametrize("size", [65_535, 65_536, 200_000])
def test_long_texts_arrive_and_leave_whole(peer: Peer, size: int) -> None:
    peer.say("e" * size)
    assert peer.hear_text() == f"{size} bytes"
    peer.say(f"big:{size}")
    assert peer.hear_text() == "b" * size


def test_a_message_may_come_byte_by_byte_and_many_in_one_piece(peer: Peer) -> None:
    for byte in frame(TEXT, b"drop by drop") + frame(TEXT, b"x" * 300):
        peer.socket.sendall(bytes((byte,)))
    assert (peer.hear_text(), peer.hear_text()) == ("drop by drop", "x" * 300)

    peer.socket.sendall(b"".join(frame(TEXT, b"%d" % n) for n in range(500)))
    assert [peer.hear_text() for _ in range(500)] == [str(n) for n in range(500)]


def test_a_binary_message_arrives_as_bytes(peer: Peer) -> None:
    peer.frame(BINARY, b"\x00\xff")
    assert peer.hear() == (2, b"\x00\xff")


def test_a_ping_is_answered_between_two_fragments(peer: Peer) -> None:
    peer.frame(0x01, b"one ")
    peer.frame(PING, b"here?")
    peer.frame(0x80, b"two")
    assert peer.hear() == (10, b"here?")
    assert peer.hear_text() == "one two"


# -- limits ------------------------------------------------------------------------------------------------


def test_a_message_of_exactly_the_limit_is_processed_whole_or_in_fragments(peer: Peer) -> None:
    peer.frame(TEXT, b"m" * MIB)
    assert peer.hear_text() == f"{MIB} bytes"
    peer.frame(0x01, b"m" * (MIB - 1))
    peer.frame(0x80, b"m")
    assert peer.hear_text() == f"{MIB} bytes"


def test_one_byte_over_the_limit_closes_1009_and_is_logged(peer: Peer, probe: Probe) -> None:
    peer.frame(TEXT, b"m" * (MIB + 1))
    assert peer.hear_close() == 1009
    assert ended(probe, "oversize")["code"] == 1009
    assert "websocket.closed" in probe.logged()


def test_one_byte_over_the_limit_in_fragments_closes_1009(peer: Peer) -> None:
    peer.frame(0x01, b"m" * MIB)
    peer.frame(0x80, b"m")
    assert peer.hear_close() == 1009


def test_a_claim_of_a_huge_frame_closes_1009_without_waiting_for_it(peer: Peer) -> None:
    peer.frame(TEXT, b"", length=1 << 40)
    assert peer.hear_close() == 1009


def test_the_close_frame_is_seen_by_a_peer_that_goes_on_sending(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/echo")
        peer.frame(TEXT, b"", length=50 * MIB)
        for _ in range(20):
            try:
                peer.socket.sendall(bytes(MIB))
            except ConnectionError:
                break
            time.sleep(0.01)
        assert peer.hear_close() == 1009


def test_invalid_utf8_closes_1007(peer: Peer) -> None:
    peer.frame(TEXT, b'[2,"1","\xff"]')
    assert peer.hear_close() == 1007


def test_an_encoded_surrogate_closes_1007(peer: Peer) -> None:
    peer.frame(0x01, b"\xed\xa0")
    peer.frame(0x80, b"\x80")
    assert peer.hear_close() == 1007


@pytest.mark.parametrize(
    "bytes_",
    [
        frame(0xC1, b"deflated"),
        frame(0xA1, b"reserved"),
        frame(TEXT, b"not masked", masked=False),
        frame(0x80, b"continues nothing"),
        frame(0x01, b"first") + frame(TEXT, b"again first"),
        frame(0x83, b"unknown opcode"),
        frame(0x8B, b"unknown control"),
        frame(0x09, b"fragmented ping"),
        frame(PING, b"p" * 126),
        b"\x81\xfe\x00\x05mask.....",
        frame(0x88, b"\x03"),
        frame(0x88, struct.pack("!H", 1005)),
    ],
)
def test_a_broken_frame_closes_1002_and_the_next_connection_works(probe: Probe, bytes_: bytes) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/echo")
        peer.socket.sendall(bytes_)
        assert peer.hear_close() == 1002
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.is_cut()
    with Peer(probe.port) as peer:
        peer.upgrade("/echo")
        peer.say("well")
        assert peer.hear_text() == "well"


def test_too_many_fragments_close_1008(peer: Peer) -> None:
    peer.socket.sendall(frame(0x01) + frame(0x00) * 4094 + frame(0x80, b"done"))
    assert peer.hear_text() == "done"
    peer.socket.sendall(frame(0x01) + frame(0x00) * 4096)
    assert peer.hear_close() == 1008


def test_a_flood_of_pings_closes_1008(peer: Peer) -> None:
    peer.socket.sendall(frame(PING) * 200)
    heard = [peer.hear()[0] for _ in range(50)]
    while heard[-1] == 10:
        heard.append(peer.hear()[0])
    assert heard[-1] == 8
    assert len(heard) <= 101


def test_the_peers_close_is_answered_with_its_code(peer: Peer, probe: Probe) -> None:
    peer.frame(0x88, struct.pack("!H", 3210) + b"enough")
    assert peer.hear_close() == 3210
    assert peer.is_cut()
    event = ended(probe, "peer")
    assert (event["code"], event["reason"]) == (3210, "enough")


def test_a_lost_connection_is_1006(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/echo")
    assert ended(probe, "lost")["code"] == 1006


def test_an_application_that_fails_after_accept_closes_1011_and_is_logged(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/fail-later")
        peer.say("go")
        assert peer.hear_close() == 1011
    assert "after accept" in probe.logged()


# -- back-pressure -----------------------------------------------------------------------------------------


def flood(peer: Peer, message: bytes, at_most: int) -> int:
    """Send until the other side takes no more; how many bytes went out."""
    peer.socket.settimeout(0.5)
    sent = 0
    try:
        while sent < at_most:
            sent += peer.socket.send(message[sent % len(message) :])
    except TimeoutError:
        return sent
    return sent


def test_a_stuck_application_stops_reading_and_loses_nothing() -> None:
    with serving() as probe, Peer(probe.port) as peer:
        peer.upgrade("/stuck")
        before = probe.memory_mib()
        message = frame(TEXT, b"f" * 1000)
        sent = flood(peer, message, at_most=60 * MIB)
        assert sent < 40 * MIB, "the sender was never stopped"
        assert probe.memory_mib() - before < 5

        probe.get("/release")
        peer.socket.settimeout(10)
        peer.socket.sendall(message[sent % len(message) :])  # finish what was begun
        peer.say("end")
        assert peer.hear_text() == str(sent // len(message) + 1)


def test_a_peer_that_does_not_read_is_not_buffered_for_without_end() -> None:
    with serving(write_s=1) as probe, Peer(probe.port) as peer:
        peer.upgrade("/echo")
        before = probe.memory_mib()
        peer.socket.sendall(frame(TEXT, b"big:900000") * 60)
        time.sleep(0.4)
        assert probe.memory_mib() - before < 12
        assert ended(probe, "write_timeout")["code"] == 1006


# -- pings -------------------------------------------------------------------------------------------------


def test_pings_come_at_the_interval_of_the_socket(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/echo?ping=0.2")
        began = time.monotonic()
        for _ in range(4):
            assert peer.hear() == (9, b"")
            peer.frame(0x8A)
        assert 0.7 < time.monotonic() - began < 1.6
        peer.say("still here")
        assert peer.hear_text() == "still here"


def test_a_peer_that_does_not_answer_pings_is_noticed_within_two_intervals(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/echo?ping=0.3")
        began = time.monotonic()
        assert peer.hear_close() == 1011
        assert time.monotonic() - began < 0.9
        assert ended(probe, "ping_timeout")


def test_a_peer_that_need_not_answer_pings_stays(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/echo?ping=0.1&pong=0")
        assert [peer.hear()[0] for _ in range(6)] == [9] * 6
        peer.say("alive")
        assert (1, b"alive") in [peer.hear() for _ in range(3)]


def test_pings_are_off_by_default(peer: Peer) -> None:
    peer.socket.settimeout(0.4)
    with pytest.raises(TimeoutError):
        peer.hear()


def test_a_long_message_on_a_slow_line_is_no_missing_pong(probe: Probe) -> None:
    with Peer(probe.port) as peer:
        peer.upgrade("/echo?ping=0.2")
        for byte in frame(TEXT, b"s" * 10):
            peer.socket.sendall(bytes((byte,)))
            time.sleep(0.06)
        opcode, payload = peer.hear()
        while opcode == 9:
            opcode, payload = peer.hear()
        assert (opcode, payload) == (1, b"s" * 10)


def test_pongs_are_not_missed_while_the_application_is_behind() -> None:
    with serving(waiting_frames=2) as probe, Peer(probe.port) as peer:
        peer.upgrade("/stuck?ping=0.2")
        peer.socket.sendall(frame(TEXT, b"f") * 10)
        time.sleep(1)
        peer.frame(0x8A)
        probe.get("/release")
        peer.say("end")
        opcode, payload = peer.hear()
        while opcode == 9:
            opcode, payload = peer.hear()
        assert json.loads(payload) == 10
