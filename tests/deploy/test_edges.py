"""Chargers, people and programs through a real nginx and a real HAProxy (security.md section 2, S-04, S-20 to S-25)."""

import socket
import ssl
import urllib.request
import warnings
from http.client import HTTPConnection
from pathlib import Path

import pytest

from core.access import Actor
from core.models import Organization
from stations.models import ChargingStation, Connection, Presence
from tests.deploy import edges
from tests.deploy.conftest import SECRET, TOKEN
from tests.deploy.edges import Edge
from tests.deploy.papers import Papers
from tests.factories import make_key, make_station
from tests.running import Server, free_port
from tests.stations.ocpp.knocking import read_reply
from tests.waiting import eventually
from tests.wire.client import WireStation, wire_password

FORGED = [
    ("X-Edge-Auth", SECRET),
    ("X-Edge-Listener", "tls"),
    ("X-Client-Verify", "SUCCESS"),
    ("X-Client-Cert", "nonsense"),
    ("X-Client-Cert-DER", "bm9uc2Vuc2U="),
    ("x_edge_auth", SECRET),
    ("X_Client_Verify", "SUCCESS"),
    ("X-Forwarded-For", "203.0.113.7"),
    ("X_Forwarded_For", "203.0.113.7"),
    ("X-Forwarded-Proto", "http"),
]
SUITES = [  # S-05
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
]


def operator(station: ChargingStation) -> str:
    return Organization.objects.get(pk=station.organization_id).name


def reasons(station: ChargingStation) -> set[str]:
    return set(Connection.objects.filter(station=station, outcome="refused").values_list("reason", flat=True))


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_charger_boots_through_the_edge_in_its_version_and_is_known_by_its_own_address(
    edge: Edge, alice: Actor, address: str, version: str
) -> None:
    station, password = make_station(alice, security_profile=2)
    way = socket.create_connection(("127.0.0.1", edge.port), 10, (address, 0))
    way.settimeout(None)  # the client has a deadline of its own
    url = f"wss://ocpp.localhost:{edge.port}/ocpp"

    with WireStation(url, station.identity, password, version, sock=way, ssl=edge.context()) as line:
        assert line.boot()["status"] == "Accepted"
        assert line.socket.subprotocol == f"ocpp{version}"
        assert Presence.objects.get(station=station).address == address


def test_refusals_reach_the_charger_with_the_status_and_headers_of_the_portal(
    edge: Edge, alice: Actor, address: str
) -> None:
    station, password = make_station(alice, security_profile=2)
    path, login = f"/ocpp/{station.identity}", (station.identity, wire_password(password, "1.6"))

    wrong = edge.knock(path, address=address, login=(station.identity, b"x" * 20))
    assert (wrong.status, wrong.header("WWW-Authenticate")) == (401, 'Basic realm="ocpp"')
    assert edge.knock(path, address=address, login=login, offer="ocpp9.9").status == 400
    assert edge.knock("/ocpp", address=address, login=login).status == 404
    assert edge.knock(path, address=address, login=login).status == 101
    ChargingStation.objects.filter(pk=station.pk).update(enabled=False)
    assert edge.knock(path, address=address, login=login).status == 403


def test_s20_no_header_of_the_edge_passes_from_a_client(edge: Edge, alice: Actor, address: str) -> None:
    certified, _ = make_station(alice, security_profile=3)
    secured, password = make_station(alice, security_profile=2)
    login = (secured.identity, wire_password(password, "1.6"))

    forged = edge.knock(f"/ocpp/{certified.identity}", address=address, headers=FORGED)
    doubled = edge.knock(f"/ocpp/{secured.identity}", address=address, login=login, headers=FORGED + FORGED)

    assert forged.status == 401
    eventually(lambda: reasons(certified) == {"no_credential"})
    assert doubled.status == 101
    assert Presence.objects.get(station=secured).address == address


def test_p019_a_client_certificate_of_the_chargers_authority_opens_the_door_and_no_other(
    edge: Edge, papers: Papers, alice: Actor, address: str
) -> None:
    station, _ = make_station(alice, security_profile=3)
    name, organization = station.identity, operator(station)

    def status(certificate: object) -> int:
        return edge.knock(f"/ocpp/{name}", address=address, certificate=certificate).status  # type: ignore[arg-type]

    assert status(papers.client(name, organization)) == 101
    assert status(papers.client(name, organization, by=papers.foreign)) == 401
    assert status(papers.client(f"{name}x", organization)) == 401
    assert status(None) == 401


def test_s22_a_certificate_on_the_authoritys_list_is_refused(
    edge: Edge, papers: Papers, alice: Actor, address: str
) -> None:
    station, _ = make_station(alice, security_profile=3)

    certificate = papers.revoked_client(station.identity, operator(station))

    assert edge.knock(f"/ocpp/{station.identity}", address=address, certificate=certificate).status == 401


def test_s23_a_charger_that_sends_no_server_name_is_served(
    edge: Edge, papers: Papers, alice: Actor, address: str
) -> None:
    secured, password = make_station(alice, security_profile=2)
    certified, _ = make_station(alice, security_profile=3)
    login = (secured.identity, wire_password(password, "1.6"))
    certificate = papers.client(certified.identity, operator(certified))

    nameless = edge.knock(f"/ocpp/{secured.identity}", address=address, login=login, server_name=None)
    shown = edge.knock(
        f"/ocpp/{certified.identity}", address=address, certificate=certificate, server_name=None
    )

    assert (nameless.status, shown.status) == (101, 101)


def test_the_address_that_the_portal_shows_takes_chargers_with_a_password_too(
    edge: Edge, alice: Actor, address: str
) -> None:
    station, password = make_station(alice, security_profile=2)
    login = (station.identity, wire_password(password, "1.6"))

    reply = edge.knock(f"/ocpp/{station.identity}", address=address, login=login, server_name="localhost")

    assert reply.status == 101


@pytest.mark.parametrize("suite", SUITES)
def test_s05_each_suite_that_ocpp_asks_for_is_spoken(edge: Edge, suite: str) -> None:
    context = edge.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)

    with edge.line(context=context) as line:
        agreed = line.cipher()
    assert agreed is not None
    assert agreed[0] == suite


def test_s04_no_older_tls_no_weak_suite_and_no_http2(edge: Edge) -> None:
    old, weak, modern = edge.context(), edge.context(), edge.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-SHA")
    modern.set_alpn_protocols(["h2", "http/1.1"])

    for refused in (old, weak):
        with pytest.raises(ssl.SSLError), edge.line(context=refused):
            pass
    with edge.line(context=modern) as line:
        assert line.version() == "TLSv1.3"
        assert line.selected_alpn_protocol() != "h2"


def test_pages_know_that_they_were_asked_by_https(edge: Edge) -> None:
    pages = edge.pages()
    pages.request("GET", "/", headers={"Host": "localhost", "X-Forwarded-Proto": "http"})
    answer = pages.getresponse()
    answer.read()
    assert (answer.status, answer.headers["Location"]) == (302, "/accounts/login/")
    assert answer.headers["Strict-Transport-Security"]

    pages.request("GET", "/accounts/login/", headers={"Host": "localhost"})
    answer = pages.getresponse()
    assert b"csrfmiddlewaretoken" in answer.read()
    assert "__Host-csrftoken" in answer.headers["Set-Cookie"]
    pages.close()


def test_neither_figures_nor_other_names_nor_big_bodies_pass(edge: Edge) -> None:
    def status(method: str, path: str, host: str = "localhost", announced: int = 0, sent: bytes = b"") -> int:
        length = announced or len(sent)
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"
        with edge.line(server_name="localhost") as line:
            line.sendall(head.encode() + sent)
            return read_reply(line)[0].status

    assert status("GET", "/healthz") == 200
    assert status("GET", "/metrics") == 404
    assert status("GET", "/healthz", host="stranger.example.net") in {404, 421}
    assert status("POST", "/api/v1/stations/", announced=1_100_000) == 413
    assert status("POST", "/o/x/firmware/images/new/", sent=bytes(1_100_000)) in {302, 403}
    assert status("POST", "/api/v1/firmware-images/", announced=230_000_000) == 413
    assert status("PUT", f"/files/logs/{'A' * 43}/x.log", sent=bytes(1_100_000)) == 404


def test_the_figures_of_a_process_are_asked_behind_the_edge_by_plain_http(portal: Server) -> None:
    asked = urllib.request.Request(f"{portal.http_url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.url == asked.full_url
        assert b"python_info" in answer.read()


def test_events_arrive_as_they_happen(edge: Edge, alice: Actor) -> None:
    organization = Organization.objects.get(pk=alice.organization_id)
    headers = {"Authorization": f"Bearer {make_key(organization)}", "Accept": "text/event-stream"}
    pages = edge.pages()
    pages.request("GET", "/api/v1/events/", headers={"Host": "localhost", **headers})
    answer = pages.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    make_station(alice)

    assert eventually(lambda: answer.readline().strip().startswith(b"event:"), within_s=8)
    pages.close()


def test_l03_a_flood_at_the_door_is_held_off_at_the_edge(edge: Edge, address: str) -> None:
    pages = edge.pages(address)
    seen = set()
    for _ in range(300):
        pages.request("GET", "/ocpp/flood", headers={"Host": "localhost"})
        answer = pages.getresponse()
        answer.read()
        seen.add(answer.status)
        if answer.status == 429:
            break
    pages.close()

    assert seen == {404, 429}


def test_plain_http_sends_people_to_https_and_never_takes_a_charger(edge: Edge) -> None:
    def ask(path: str) -> tuple[int, str | None]:
        plain = HTTPConnection("127.0.0.1", edge.plain_port, timeout=10)
        plain.request("GET", path, headers={"Host": "localhost"})
        answer = plain.getresponse()
        plain.close()
        return answer.status, answer.headers["Location"]

    assert ask("/o/x/?y=1") == (301, "https://localhost/o/x/?y=1")
    assert ask("/ocpp/CP1") == (403, None)


@pytest.mark.parametrize("start", [edges.nginx, edges.haproxy])
def test_with_no_gateway_left_a_charger_is_told_when_to_come_back(
    start: object, papers: Papers, tmp_path: Path, address: str
) -> None:
    away = free_port()
    with start(papers.directory, tmp_path, backend=away, draining=away, secret=SECRET) as alone:  # type: ignore[operator]
        reply = alone.knock("/ocpp/CP1", address=address)

    assert (reply.status, reply.header("Retry-After")) == (503, "60")


@pytest.mark.parametrize("start", [edges.nginx, edges.haproxy])
def test_where_every_gateway_drains_a_charger_gets_the_answer_of_one(
    start: object, papers: Papers, tmp_path: Path, address: str
) -> None:
    with (
        edges.draining_gateway() as draining,
        start(papers.directory, tmp_path, backend=draining, draining=draining, secret=SECRET) as alone,  # type: ignore[operator]
    ):
        reply = alone.knock("/ocpp/CP1", address=address)

    assert (reply.status, reply.header("Retry-After")) == (503, "77")


def test_the_portal_itself_refuses_who_comes_past_the_edge(portal: Server, alice: Actor) -> None:
    station, password = make_station(alice)

    with pytest.raises(Exception, match="401"):
        WireStation(portal.ocpp_url, station.identity, password)


def test_the_shipped_files_pass_the_programs_own_check(papers: Papers, tmp_path: Path) -> None:
    """With the sockets of deploy/systemd, which the tests above replace."""
    nothing = Edge("none", free_port(), free_port(), tmp_path / "none.log")
    edges.write_nginx(papers.directory, tmp_path, nothing, secret=SECRET)
    told = edges.run_to_end(
        [edges.find_nginx(), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    )
    assert "test is successful" in told
    assert "[warn]" not in told

    edges.write_haproxy(papers.directory, tmp_path, nothing)
    told = edges.run_to_end([edges.find_haproxy(), "-c", "-f", str(tmp_path / "haproxy.cfg")])
    assert "Configuration file is valid" in told
    assert "[WARNING]" not in told
