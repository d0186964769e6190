"""Contract certificates on the wire: OCSP through the guard, in time, or no connection at all (P128, W-18)."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from core import clock
from core.access import Actor
from stations.domain.certificates import HashData, Standing, StatusAsked
from stations.domain.station import StationRef
from stations.models import CertificateStanding, ContractRequest, InstalledCertificate
from stations.services.certificates import contracts, standings
from stations.services.certificates.contracts import ContractAnswer
from stations.services.certificates.validity import Found
from tests import pki
from tests.factories import make_actor, make_organization, make_station, make_token
from tests.running import Server, free_port, start_server
from tests.stations.ocpp.asking import VERSIONS_2X
from tests.stations.ocpp.knocking import Charger, next_address
from tests.wire.client import CallError
from tests.wire.golden import wire

EMAID = "DE8AAA1234567"
ROOT = pki.authority("MO root")


@pytest.fixture(scope="module")
def responder() -> Iterator[pki.Responder]:
    """An OCSP responder that the deployment allows."""
    with pki.responding(pki.Responder(ROOT)) as serving:
        yield serving


@pytest.fixture(scope="module")
def portal(django_db_setup: None, responder: pki.Responder) -> Iterator[Server]:
    with start_server(EGRESS_ALLOW=f"127.0.0.1:{responder.port}") as server:
        yield server


@pytest.fixture
def calm(responder: pki.Responder) -> pki.Responder:
    """The responder as it is without any trouble."""
    fresh = pki.Responder(ROOT, port=responder.port)
    for name in ("asked", "revoked", "signer", "delegated", "stale", "status", "body"):
        setattr(responder, name, getattr(fresh, name))
    return responder


@pytest.fixture
def owner(committed: None) -> Actor:
    return make_actor(make_organization())


@pytest.fixture
def car_side(portal: Server, owner: Actor) -> Charger:
    """A station at the portal that may reach the responder."""
    portal.require_alive()
    station, password = make_station(owner)
    return Charger(portal.ocpp_url, station, password, next_address())


def leaf(serving: pki.Responder, common: str = EMAID, **details: Any) -> x509.Certificate:
    details.setdefault("responder", serving.url)
    return ROOT.issue(pki.name(common), pki.new_key().public_key(), **details)


def hashed(certificate: x509.Certificate, url: str, algorithm: str = "SHA256") -> dict[str, str]:
    return {**pki.hash_data(certificate, ROOT.certificate, algorithm), "responderURL": url}


def authorize(charger: Charger, version: str, emaid: str = EMAID, **shown: Any) -> tuple[str, str]:
    """Status of the token, and of the certificate."""
    with charger.dial(version) as socket:
        socket.boot()
        answer = socket.call("Authorize", {"idToken": {"idToken": emaid, "type": "eMAID"}, **shown})
    return answer["idTokenInfo"]["status"], answer["certificateStatus"]


def trust(charger: Charger, root: pki.Authority = ROOT) -> None:
    """The organization has put this root on a station."""
    certificate = root.certificate
    named = pki.hash_data(certificate, certificate)
    InstalledCertificate.objects.create(
        organization_id=charger.station.organization_id,
        station=charger.station,
        use="mo_root_certificate",
        hash_algorithm="SHA256",
        issuer_name_hash=named["issuerNameHash"],
        issuer_key_hash=named["issuerKeyHash"],
        serial_number=named["serialNumber"],
        pem=pki.pem(certificate),
        seen_at=clock.now(),
    )


# -- Authorize with hashes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_tc_c_50_a_good_contract_by_its_hashes_is_accepted(
    car_side: Charger, owner: Actor, calm: pki.Responder, version: str, algorithm: str
) -> None:
    make_token(owner, EMAID, type="eMAID")

    shown = [hashed(leaf(calm), calm.url, algorithm)]

    assert authorize(car_side, version, iso15118CertificateHashData=shown) == ("Accepted", "Accepted")
    assert calm.asked == 1


def test_tc_c_50_a_responder_that_the_issuer_made_is_believed(
    car_side: Charger, owner: Actor, calm: pki.Responder
) -> None:
    make_token(owner, EMAID, type="eMAID")
    calm.delegate()

    shown = [hashed(leaf(calm), calm.url)]

    assert authorize(car_side, "2.0.1", iso15118CertificateHashData=shown) == ("Accepted", "Accepted")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_c_51_a_revoked_contract_is_refused_and_named_so(
    car_side: Charger, owner: Actor, calm: pki.Responder, version: str
) -> None:
    make_token(owner, EMAID, type="eMAID")
    good, bad = leaf(calm), leaf(calm)
    calm.revoked.add(bad.serial_number)

    shown = [hashed(good, calm.url), hashed(bad, calm.url)]

    told = authorize(car_side, version, iso15118CertificateHashData=shown)
    assert told == ("Invalid", "CertificateRevoked")


def test_a_good_certificate_does_not_make_an_unknown_contract_known(
    car_side: Charger, calm: pki.Responder
) -> None:
    shown = [hashed(leaf(calm), calm.url)]

    assert authorize(car_side, "2.0.1", iso15118CertificateHashData=shown) == ("Unknown", "Accepted")


def forge(responder: pki.Responder) -> None:
    """Somebody else signs in the responder's place, with a certificate of the same name."""
    other = pki.authority("MO root")
    responder.signer = other
    responder.delegated = other.certificate


def make_stale(responder: pki.Responder) -> None:
    responder.stale = True


def make_mute(responder: pki.Responder) -> None:
    responder.status = 500


def make_garbled(responder: pki.Responder) -> None:
    responder.body = b"no OCSP"


def refuse(responder: pki.Responder) -> None:
    unauthorized = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    responder.body = unauthorized.public_bytes(Encoding.DER)


@pytest.mark.parametrize("trouble", [forge, make_stale, make_mute, make_garbled, refuse])
def test_p128_an_answer_that_proves_nothing_accepts_nothing(
    car_side: Charger, owner: Actor, calm: pki.Responder, trouble: Any
) -> None:
    make_token(owner, EMAID, type="eMAID")
    trouble(calm)

    shown = [hashed(leaf(calm), calm.url)]

    told = authorize(car_side, "2.0.1", iso15118CertificateHashData=shown)
    assert told == ("Invalid", "NoCertificateAvailable")
    assert calm.asked == 1


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_w_18_a_responder_that_is_not_allowed_is_not_called(
    car_side: Charger, owner: Actor, calm: pki.Responder, version: str
) -> None:
    make_token(owner, EMAID, type="eMAID")
    with pki.responding(pki.Responder(ROOT)) as elsewhere:
        for url in (
            elsewhere.url,
            f"http://localhost:{calm.port}/",
            "ftp://127.0.0.1/",
            "nonsense",
            "x" * 300,
        ):
            shown = [hashed(leaf(calm), url)]
            told = authorize(car_side, version, iso15118CertificateHashData=shown)
            assert told == ("Invalid", "NoCertificateAvailable")
        assert elsewhere.asked == 0
    assert calm.asked == 0


def test_an_allowed_responder_that_is_down_is_given_up_in_time(
    live: Server, owner: Actor, django_db_setup: None
) -> None:
    port = free_port()
    with start_server(EGRESS_ALLOW=f"127.0.0.1:{port}") as server:
        station, password = make_station(owner)
        charger = Charger(server.ocpp_url, station, password, next_address())
        shown = [hashed(leaf(pki.Responder(ROOT, port=port)), f"http://127.0.0.1:{port}/")]
        told = authorize(charger, "2.0.1", iso15118CertificateHashData=shown)
        with charger.dial("2.0.1") as socket:
            socket.boot()
            answer = socket.call("GetCertificateStatus", {"ocspRequestData": shown[0]})

    assert told == ("Invalid", "NoCertificateAvailable")
    assert answer == {"status": "Failed"}


# -- Authorize with the whole certificate --------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_c_52_a_whole_contract_certificate_below_a_root_of_ours_is_accepted(
    car_side: Charger, owner: Actor, calm: pki.Responder, version: str
) -> None:
    make_token(owner, EMAID, type="eMAID")
    trust(car_side)

    assert authorize(car_side, version, certificate=pki.pem(leaf(calm))) == ("Accepted", "Accepted")
    assert calm.asked == 1


def test_w_18_the_address_in_a_certificate_below_a_root_of_ours_may_be_called_if_it_leads_outside_only(
    car_side: Charger, owner: Actor, calm: pki.Responder
) -> None:
    make_token(owner, EMAID, type="eMAID")
    trust(car_side)
    with pki.responding(pki.Responder(ROOT)) as inside:
        told = authorize(car_side, "2.0.1", certificate=pki.pem(leaf(inside)))
        assert inside.asked == 0

    assert told == ("Invalid", "NoCertificateAvailable")


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("unknown root", "CertChainError"),
        ("another contract", "CertChainError"),
        ("expired", "CertificateExpired"),
        ("not readable", "NoCertificateAvailable"),
        ("no responder named", "NoCertificateAvailable"),
        ("revoked", "CertificateRevoked"),
    ],
)
def test_a_whole_contract_certificate_that_is_not_good_opens_nothing(
    car_side: Charger, owner: Actor, calm: pki.Responder, case: str, status: str
) -> None:
    make_token(owner, EMAID, type="eMAID")
    if case != "unknown root":
        trust(car_side)
    certificate = {
        "another contract": lambda: leaf(calm, "DE8BBB7654321"),
        "expired": lambda: leaf(calm, days=-1, since=5),
        "no responder named": lambda: leaf(calm, responder=""),
    }.get(case, lambda: leaf(calm))()
    if case == "revoked":
        calm.revoked.add(certificate.serial_number)
    text = "no certificate" if case == "not readable" else pki.pem(certificate)

    assert authorize(car_side, "2.0.1", certificate=text) == ("Invalid", status)
    assert calm.asked == (1 if case == "revoked" else 0)


# -- GetCertificateStatus, GetCertificateChainStatus ---------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_m_24_the_responders_own_answer_is_handed_on(
    car_side: Charger, calm: pki.Responder, version: str
) -> None:
    certificate = leaf(calm)
    with car_side.dial(version) as socket:
        socket.boot()
        asked = {"ocspRequestData": hashed(certificate, calm.url)}
        answer = socket.call("GetCertificateStatus", asked)

    assert answer["status"] == "Accepted"
    told = ocsp.load_der_ocsp_response(base64.b64decode(answer["ocspResult"]))
    assert told.serial_number == certificate.serial_number
    assert told.certificate_status is ocsp.OCSPCertStatus.GOOD
    kept = CertificateStanding.objects.get(station=car_side.station)
    assert (kept.source, kept.standing) == ("OCSP", "good")


def test_what_was_told_last_of_a_certificate_replaces_what_was_told_before(
    car_side: Charger, owner: Actor, calm: pki.Responder
) -> None:
    certificate = leaf(calm)
    asked = {"ocspRequestData": hashed(certificate, calm.url)}
    with car_side.dial("2.0.1") as socket:
        socket.boot()
        socket.call("GetCertificateStatus", asked)
        before = CertificateStanding.objects.get(station=car_side.station)
        calm.revoked.add(certificate.serial_number)
        socket.call("GetCertificateStatus", asked)

    [after] = CertificateStanding.objects.visible_to(owner).filter(station=car_side.station)
    stranger = make_actor(make_organization(), name="charlie")
    assert (before.standing, after.standing) == ("good", "revoked")
    assert not CertificateStanding.objects.visible_to(stranger).filter(station=car_side.station).exists()


def test_of_many_certificates_that_were_asked_about_the_latest_are_kept(
    car_side: Charger, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_data = HashData(algorithm="SHA256", issuer_name_hash="ab", issuer_key_hash="cd", serial_number="")
    monkeypatch.setattr(standings, "MAX_STANDINGS", 3)
    station = car_side.station
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    for number in range(5):
        asked = StatusAsked(hash_data=replace(hash_data, serial_number=str(number)), urls=())
        standings.keep(side, [(asked, Found(Standing.UNKNOWN))] * 2, clock.now())

    rows = CertificateStanding.objects.filter(station=station)
    assert [row.serial_number for row in rows] == ["4", "3", "2"]


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_w_18_a_status_from_an_address_that_is_not_allowed_is_failed(car_side: Charger, version: str) -> None:
    with car_side.dial(version) as socket:
        socket.boot()
        assert socket.call("GetCertificateStatus", wire("v201/GetCertificateStatus.by_hash")) == {
            "status": "Failed"
        }


def test_the_state_of_a_chain_is_told_certificate_by_certificate(
    car_side: Charger, calm: pki.Responder
) -> None:
    trust(car_side)
    good, bad = leaf(calm), leaf(calm)
    calm.revoked.add(bad.serial_number)

    def entry(certificate: x509.Certificate, source: str, *urls: str) -> dict[str, Any]:
        named = pki.hash_data(certificate, ROOT.certificate)
        return {"certificateHashData": named, "source": source, "urls": list(urls)}

    asked = [
        entry(good, "OCSP", "http://ocsp.example.org/", calm.url),
        entry(bad, "OCSP", calm.url),
        entry(bad, "CRL", calm.url),
        entry(good, "CRL", "http://crl.example.org/"),
    ]
    with car_side.dial("2.1") as socket:
        socket.boot()
        answer = socket.call("GetCertificateChainStatus", {"certificateStatusRequests": asked})

    told = answer["certificateStatus"]
    assert [one["status"] for one in told] == ["Good", "Revoked", "Revoked", "Failed"]
    assert [one["source"] for one in told] == ["OCSP", "OCSP", "CRL", "CRL"]
    assert all(
        one["certificateHashData"] == of["certificateHashData"] for one, of in zip(told, asked, strict=True)
    )
    assert calm.asked == 3
    kept = {
        (row.serial_number, row.source): (row.standing, row.detail)
        for row in CertificateStanding.objects.filter(station=car_side.station)
    }
    names = [pki.hash_data(one, ROOT.certificate)["serialNumber"] for one in (good, bad)]
    assert kept[names[0], "OCSP"] == ("good", "")
    assert kept[names[1], "OCSP"] == kept[names[1], "CRL"] == ("revoked", "")
    assert kept[names[0], "CRL"] == ("failed", "Its address may not be called.")


def test_nothing_is_known_of_a_chain_whose_addresses_are_not_allowed(car_side: Charger) -> None:
    with car_side.dial("2.1") as socket:
        socket.boot()
        answer = socket.call("GetCertificateChainStatus", wire("v21/GetCertificateChainStatus.two"))

    assert [one["status"] for one in answer["certificateStatus"]] == ["Failed", "Failed"]


# -- Get15118EVCertificate -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_m_26_without_a_provider_a_request_for_a_contract_is_stored_and_failed(
    charger: Charger, version: str
) -> None:
    golden = "v21/Get15118EVCertificate.install" if version == "2.1" else "v201/Get15118EVCertificate.install"
    with charger.dial(version) as socket:
        socket.boot()
        answers = [socket.call("Get15118EVCertificate", wire(golden)) for _ in range(2)]

    assert answers == [{"status": "Failed", "exiResponse": ""}] * 2
    row = ContractRequest.objects.get(station=charger.station)
    assert (row.action, row.status, row.repeats) == ("Install", "failed", 1)
    assert "No provider" in row.detail


def test_p241_requests_longer_than_the_early_limit_are_taken(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        long = wire("v201/Get15118EVCertificate.install", exiRequest="A" * 12_000)
        assert socket.call("Get15118EVCertificate", long)["status"] == "Failed"

    assert len(ContractRequest.objects.get(station=charger.station).exi_request) == 12_000


class Pool:
    """What CONTRACT_PROVIDER may name."""

    def exchange(self, request: ContractRequest) -> ContractAnswer:
        return ContractAnswer(exi_response="B" * 9_000, remaining=2)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_m_28_what_a_provider_says_is_relayed_whatever_its_length(
    django_db_setup: None, owner: Actor, version: str
) -> None:
    with start_server(CONTRACT_PROVIDER=f"{__name__}.Pool") as server:
        station, password = make_station(owner)
        charger = Charger(server.ocpp_url, station, password, next_address())
        with charger.dial(version) as socket:
            socket.boot()
            update = wire("v201/Get15118EVCertificate.install", action="Update")
            answer = socket.call("Get15118EVCertificate", update)

    assert (answer["status"], len(answer["exiResponse"])) == ("Accepted", 9_000)
    assert answer.get("remainingContracts") == (2 if version == "2.1" else None)
    assert ContractRequest.objects.get(station=station).status == "accepted"
    assert contracts.provider() is None


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Get15118EVCertificate", {"action": "Install"}),
        ("GetCertificateStatus", {}),
    ],
)
def test_what_lacks_a_field_breaks_the_schema(charger: Charger, action: str, payload: dict[str, Any]) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call(action, payload)

    assert refused.value.code == "OccurrenceConstraintViolation"
    assert not ContractRequest.objects.filter(station=charger.station).exists()
