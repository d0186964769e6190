"""What load balancers and supervisors are told (M-10, M-12)."""

import json
import signal
import urllib.error
import urllib.request

from tests.portal.probing import Peer
from tests.running import Server, start_server
from tests.waiting import eventually

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def ask(server: Server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(server.http_url + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_complete_portal_is_ready(live: Server) -> None:
    status, text = ask(live, "/readyz")
    assert status == 200
    assert json.loads(text) == {"database": "ok", "migrations": "ok", "valkey": "ok", "draining": False}


def test_without_its_database_it_is_alive_but_not_ready(django_db_setup: None) -> None:
    with start_server(DATABASE_URL=NOWHERE) as server:
        assert ask(server, "/healthz") == (200, "ok\n")
        status, text = ask(server, "/readyz")
        assert status == 503
        assert json.loads(text)["database"] == "missing"


def test_without_valkey_it_is_ready_and_says_so_and_a_drain_ends_that(django_db_setup: None) -> None:
    with start_server(VALKEY_URL="redis://127.0.0.1:1/0", OCPP_DRAIN_SPREAD="3") as server:
        status, text = ask(server, "/readyz")
        assert (status, json.loads(text)["valkey"]) == (200, "missing")

        with Peer(server.port) as unfinished:
            unfinished.socket.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: ask(server, "/readyz")[0] == 503)
            assert json.loads(ask(server, "/readyz")[1])["draining"] is True
        assert server.process.wait(15) == 0


def test_an_address_of_valkey_that_cannot_be_read_is_a_missing_valkey_and_no_fault(
    django_db_setup: None,
) -> None:
    with start_server(VALKEY_URL="rubbish") as server:
        status, text = ask(server, "/readyz")

        assert (status, json.loads(text)["valkey"]) == (200, "missing")
