"""P019, P020 and what stands beside them: profiles 0, 2 and 3, certificates, and the proxy in front."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pytest_django import Settings

from core.access import Actor
from core.models import Organization
from stations.models import ChargingStation, Presence
from tests.factories import make_station, unique
from tests.running import Server, start_server
from tests.stations.ocpp.knocking import Charger, Headers, Reply, knock, next_address
from tests.waiting import eventually

SECRET = "only-the-edge-knows"
ORGANIZATION, COMMON = NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@pytest.fixture(scope="module")
def edge_server(django_db_setup: None) -> Iterator[Server]:
    """A portal behind a proxy, which may hold stations without authentication."""
    with start_server(OCPP_TRUSTED_PROXY_SECRET=SECRET, OCPP_ALLOW_UNAUTHENTICATED="1") as server:
        yield server


@pytest.fixture(scope="module")
def registering_server(django_db_setup: None) -> Iterator[Server]:
    with start_server(OCPP_AUTO_REGISTER="1") as server:
        yield server


def edge(address: str, *more: tuple[str, str], listener: str = "tls", secret: str = SECRET) -> Headers:
    """The headers of the proxy for a caller at that address."""
    vouched = [("X-Edge-Auth", secret), ("X-Edge-Listener", listener), ("X-Forwarded-For", address)]
    return [*vouched, *more]


class Certificates:
    """Certificates as the proxy hands them on; who signed them is the proxy's business."""

    def __init__(self, station: ChargingStation) -> None:
        self.identity = station.identity
        self.operator = Organization.objects.get(pk=station.organization_id).name

    def make(
        self,
        *names: tuple[x509.ObjectIdentifier, str],
        usage: x509.ObjectIdentifier = CLIENT,
        starts_days: int = -1,
        ends_days: int = 30,
    ) -> x509.Certificate:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names or self.right])
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now + timedelta(days=starts_days))
        builder = builder.not_valid_after(now + timedelta(days=ends_days))
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(key, hashes.SHA256())

    @property
    def right(self) -> list[tuple[x509.ObjectIdentifier, str]]:
        return [(ORGANIZATION, self.operator), (COMMON, self.identity)]


def pem(certificate: x509.Certificate, verdict: str = "SUCCESS") -> list[tuple[str, str]]:
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return [("X-Client-Verify", verdict), ("X-Client-Cert", quote(text, safe=""))]


def der(certificate: x509.Certificate) -> list[tuple[str, str]]:
    raw = certificate.public_bytes(serialization.Encoding.DER)
    return [("X-Client-Verify", "SUCCESS"), ("X-Client-Cert-DER", base64.b64encode(raw).decode())]


@pytest.fixture
def secured(edge_server: Server, alice: Actor, address: str) -> Charger:
    """A station of profile 2 behind the edge."""
    station, password = make_station(alice, security_profile=2)
    return Charger(edge_server.ocpp_url, station, password, address)


@pytest.fixture
def certified(edge_server: Server, alice: Actor, address: str) -> Charger:
    """A station of profile 3 behind the edge."""
    station, password = make_station(alice, security_profile=3)
    return Charger(edge_server.ocpp_url, station, password, address)


def present(charger: Charger, headers: list[tuple[str, str]]) -> Reply:
    return charger.knock(login=None, address="127.0.0.1", headers=edge(charger.address, *headers))


def test_p019_a_certificate_of_this_station_and_operator_is_let_in(certified: Charger) -> None:
    certificate = Certificates(certified.station).make()

    assert present(certified, pem(certificate)).status == 101
    assert present(certified, der(certificate)).status == 101


def test_p019_any_other_certificate_is_refused_saying_which_fault(certified: Charger) -> None:
    made = Certificates(certified.station)
    name, operator = made.identity, made.operator
    bad = {
        "certificate_name": made.make((ORGANIZATION, operator), (COMMON, f"{name}x")),
        "certificate_organization": made.make((ORGANIZATION, "Somebody else"), (COMMON, name)),
        "certificate_expired": made.make(starts_days=-9, ends_days=-1),
        "certificate_purpose": made.make(usage=SERVER),
    }
    for reason, certificate in bad.items():
        assert present(certified, pem(certificate)).status == 401, reason
    assert present(certified, pem(made.make(), "FAILED:revoked")).status == 401
    assert present(certified, [("X-Client-Verify", "SUCCESS"), ("X-Client-Cert", "nonsense")]).status == 401
    assert present(certified, []).status == 401

    expected = {*bad, "certificate_untrusted", "certificate_unreadable", "no_credential"}
    eventually(lambda: {refusal.reason for refusal in certified.refusals()} == expected)


def test_p019_the_common_name_is_one_and_compared_whole(certified: Charger) -> None:
    made = Certificates(certified.station)
    for names in (
        [(COMMON, made.identity.lower()), (ORGANIZATION, made.operator)],
        [(COMMON, made.identity), (COMMON, "other"), (ORGANIZATION, made.operator)],
        [(COMMON, "*"), (ORGANIZATION, made.operator)],
        [(COMMON, made.identity), (ORGANIZATION, made.operator), (ORGANIZATION, "Second")],
    ):
        assert present(certified, pem(made.make(*names))).status == 401


def test_p019_a_certificate_without_an_edge_is_not_believed(live: Server, alice: Actor, address: str) -> None:
    station, password = make_station(alice, security_profile=3)
    charger = Charger(live.ocpp_url, station, password, address)

    assert present(charger, pem(Certificates(station).make())).status == 401


def test_p020_plain_ws_is_refused_for_profile_2_however_good_the_password(secured: Charger) -> None:
    assert secured.knock(headers=edge(secured.address, listener="plain")).status == 403
    assert secured.knock(headers=edge(secured.address)).status == 101
    assert "ws:// to wss://" in secured.refusals()[0].detail


def test_p020_without_an_edge_profile_2_cannot_connect(live: Server, alice: Actor, address: str) -> None:
    station, password = make_station(alice, security_profile=2)

    assert Charger(live.ocpp_url, station, password, address).knock().status == 403


def test_p020_basic_alone_is_refused_for_profile_3(certified: Charger) -> None:
    login = (certified.station.identity, b"x" * 20)

    assert certified.knock(login=login, headers=edge(certified.address)).status == 401


def test_the_edge_secret_must_occur_exactly_once(secured: Charger) -> None:
    for headers in (
        [],
        edge(secured.address, secret="wrong"),
        [*edge(secured.address), ("X-Edge-Auth", SECRET)],
        [("X_Edge_Auth", SECRET), ("X-Edge-Listener", "tls")],
    ):
        assert secured.knock(headers=headers).status == 401


def test_a_doubled_header_of_the_edge_is_refused(secured: Charger) -> None:
    doubled = [*edge(secured.address), ("X-Edge-Listener", "tls")]

    assert secured.knock(headers=doubled).status == 400


def test_the_address_behind_the_edge_is_the_one_that_it_names(secured: Charger) -> None:
    assert secured.knock(headers=edge("203.0.113.7")).status == 101

    assert Presence.objects.get(station=secured.station).address == "203.0.113.7"


def test_profile_0_needs_a_reason_and_the_switch(
    edge_server: Server, live: Server, alice: Actor, address: str, settings: Settings
) -> None:
    settings.OCPP_ALLOW_UNAUTHENTICATED = True
    station, _ = make_station(alice, security_profile=0, unauthenticated_reason="A test bench")
    allowed = Charger(edge_server.ocpp_url, station, "", address)
    forbidden = Charger(live.ocpp_url, station, "", address)

    assert allowed.knock(login=None, headers=edge(address)).status == 101
    assert forbidden.knock(login=None).status == 401


def test_p007_with_auto_registration_an_unknown_station_keeps_the_password_it_brought(
    registering_server: Server, committed: None
) -> None:
    identity = unique("stranger")
    url, login = registering_server.ocpp_url, (identity, b"\x01brought-by-itself\xff")

    assert knock(url, f"/{identity}", login=login, address=next_address()).status == 101
    station = ChargingStation.objects.get(identity=identity)
    assert station.registration == "pending"
    assert station.organization == Organization.objects.order_by("created_at").first()
    assert knock(url, f"/{identity}", login=login, address=next_address()).status == 101
    other = (identity, b"\x01another-password\xff")
    assert knock(url, f"/{identity}", login=other, address=next_address()).status == 401


def test_p007_auto_registration_refuses_a_station_without_a_password(
    registering_server: Server, committed: None, address: str
) -> None:
    identity = unique("stranger")

    assert knock(registering_server.ocpp_url, f"/{identity}", address=address).status == 401
    assert not ChargingStation.objects.filter(identity=identity).exists()
