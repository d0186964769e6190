"""The tabs "Firmware & logs" and "Security" of a station: what they show, send and refuse."""

import re
from collections.abc import Callable

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.db.models import QuerySet
from django.test import Client

from core import clock
from core.access import Role
from core.models import Membership, Organization
from stations.domain import intents
from stations.domain.certificates import (
    CertificateUse,
    ContractAsked,
    HashData,
    SigningRequested,
    Standing,
    StatusAsked,
)
from stations.domain.events import SecurityEventReported, Stamp
from stations.domain.firmware import FirmwareKind, FirmwareStateReported, LogStateReported
from stations.domain.station import StationRef
from stations.models import ChargingStation, Command, ContractRequest, InstalledCertificate, SigningRequest
from stations.services import firmware, logs, security_events
from stations.services.certificates import contracts, installed, signing, standings
from stations.services.certificates.validity import Found
from tests import factories, pki
from tests.portal.dashboard.conftest import proven

ROOT = pki.authority()
URL = "https://firmware.example.org/a.bin"


def sent_to(pages: str) -> QuerySet[Command]:
    """The commands of the station whose pages these are."""
    return Command.objects.filter(station=pages.rstrip("/").rpartition("/")[2])


@pytest.fixture
def browser_of() -> Callable[[Membership], Client]:
    def make(member: Membership) -> Client:
        client = Client()
        client.force_login(member.user)
        return proven(client)

    return make


@pytest.fixture
def technician(organization: Organization, browser_of: Callable[[Membership], Client]) -> Client:
    return browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))


@pytest.fixture
def pages(home: str, station: ChargingStation) -> str:
    return f"{home}stations/{station.pk}/"


def side(station: ChargingStation) -> StationRef:
    return StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)


def waiting_request(station: ChargingStation) -> SigningRequest:
    csr = pki.request(station.identity, station.organization.name)
    signing.receive(side(station), SigningRequested(csr=csr), clock.now())
    return SigningRequest.objects.get(station=station)


def text_of(answer: object) -> str:
    page = answer.content.decode()  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_an_empty_firmware_tab_says_what_to_do(browser: Client, pages: str) -> None:
    shown = text_of(browser.get(f"{pages}firmware/"))

    assert "Never updated here" in shown
    assert "No log yet" in shown


def test_steps_of_an_update_are_shown_with_the_stations_word_and_what_to_try(
    browser: Client, pages: str, station: ChargingStation
) -> None:
    now = clock.now()
    firmware.begin(side(station), intents.UpdateFirmware(location=URL, version="2.0", request_id=7))
    for word in ("Downloading", "Downloading", "DownloadFailed"):
        state = FirmwareStateReported(kind=FirmwareKind.UPDATE, status=word, request_id=7)
        firmware.reported(side(station), state, now)
    logs.reported(side(station), LogStateReported(status="Uploaded", request_id=8), now)

    shown = text_of(browser.get(f"{pages}firmware/"))

    assert "Downloading now · 2×" in shown
    assert "Can the station reach the address?" in shown
    assert "Log that nobody asked for here" in shown


def test_an_installation_without_proof_is_called_unconfirmed(
    browser: Client, pages: str, station: ChargingStation
) -> None:
    firmware.begin(side(station), intents.UpdateFirmware(location=URL, version="2.0", request_id=7))
    state = FirmwareStateReported(kind=FirmwareKind.UPDATE, status="Installed", request_id=7)
    firmware.reported(side(station), state, clock.now())

    assert "Installed, not confirmed" in text_of(browser.get(f"{pages}firmware/"))


def test_the_fragment_equals_its_part_of_the_page(
    browser: Client, pages: str, station: ChargingStation
) -> None:
    firmware.begin(side(station), intents.UpdateFirmware(location=URL, request_id=7))
    waiting_request(station)
    for name, part in (("firmware", "jobs"), ("security", "state")):
        whole = browser.get(f"{pages}{name}/").content.decode()
        fragment = browser.get(f"{pages}{name}/", headers={"HX-Request": "true"}).content.decode()

        assert f'id="{part}"' in fragment
        assert "<html" not in fragment
        strip = lambda text: re.sub(r'value="[A-Za-z0-9]{64}"|\s+', "", text)  # noqa: E731
        assert strip(fragment) in strip(whole)


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("update_firmware", {"location": URL, "version": "2.0", "retrieve_at": "2026-12-01T02:00"}),
        ("get_log", {"kind": "security", "location": "ftp://files.example.org/up"}),
        ("publish_firmware", {"location": URL, "checksum": "9e107d9d372bb6826bd81d3542a419d6"}),
        ("unpublish_firmware", {"checksum": "9e107d9d372bb6826bd81d3542a419d6"}),
    ],
)
def test_a_technician_sends_what_belongs_to_firmware_and_others_do_not(
    technician: Client, viewer: Client, charlie: Client, pages: str, command: str, values: dict[str, str]
) -> None:
    body = {"command": command, "if_offline": "wait", **values}

    assert viewer.post(f"{pages}firmware/", body).status_code == 403
    assert charlie.post(f"{pages}firmware/", body).status_code == 404
    assert not sent_to(pages).exists()
    assert technician.post(f"{pages}firmware/", body).status_code == 302
    assert sent_to(pages).get().command == command


@pytest.mark.parametrize(
    ("command", "values", "field"),
    [
        ("update_firmware", {"location": "javascript:alert(1)"}, "update_firmware_location"),
        ("update_firmware", {"location": URL, "signature": "x"}, "update_firmware_signature"),
        ("get_log", {"kind": "security", "location": "nowhere"}, "get_log_location"),
        ("update_firmware", {}, "update_firmware_location"),
        ("publish_firmware", {"location": URL, "checksum": "x"}, "publish_firmware_checksum"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    technician: Client, pages: str, command: str, values: dict[str, str], field: str
) -> None:
    answer = technician.post(f"{pages}firmware/", {"command": command, **values})

    assert answer.status_code == 422
    found = re.search(rf'<[^>]*id="{field}"[^>]*>', answer.content.decode())
    assert found
    assert 'aria-invalid="true"' in found[0]
    assert not sent_to(pages).exists()


def test_the_security_tab_shows_profile_certificates_requests_and_events(
    browser: Client, viewer: Client, pages: str, station: ChargingStation
) -> None:
    now = clock.now()
    installed.stored(side(station), CertificateUse.MANUFACTURER_ROOT, pki.pem(ROOT.certificate), now)
    waiting_request(station)
    stamp = Stamp(occurred_at=now, received_at=now)
    event = SecurityEventReported(type="TamperDetectionActivated", stamp=stamp, tech_info="<b>door</b>")
    security_events.store(side(station), event)

    shown = text_of(browser.get(f"{pages}security/"))
    seen = viewer.get(f"{pages}security/").content.decode()

    for text in ("password without TLS", "Waits for a certificate", "Test root", "TamperDetectionActivated"):
        assert text in shown
    assert "&lt;b&gt;door&lt;/b&gt;" in seen
    assert "not listed by the station yet" in seen
    assert "<textarea" not in seen


def test_the_security_tab_shows_what_cars_and_the_station_asked_about_certificates(
    browser: Client, charlie: Client, home: str, pages: str, station: ChargingStation
) -> None:
    evil, now = "<b>no</b>", clock.now()
    for number in range(12):
        asked = ContractAsked(
            schema_version="urn:iso:15118:2:2013:MsgDef",
            action="Update" if number else evil,
            exi_request=f"exi-{number}",
            prioritized_emaids=("DE-8AA-1234567-8", "DE8AA9999999", evil),
        )
        row = contracts.relay(side(station), asked, now)
    ContractRequest.objects.filter(pk=row.pk).update(remaining=2, detail=evil, status="accepted")
    hash_data = HashData(
        algorithm="SHA256", issuer_name_hash="ab", issuer_key_hash="cd", serial_number="0a<b>"
    )
    question = StatusAsked(hash_data=hash_data, urls=(), by_list=True)
    standings.keep(side(station), [(question, Found(Standing.REVOKED, detail=evil))], now)

    page = browser.get(f"{pages}security/").content.decode()
    shown = text_of(browser.get(f"{pages}security/"))

    for text in ("Contract certificates for cars", "2 contracts remain", "asked about", "Revoked", "CRL"):
        assert text in shown
    assert shown.count("Renewed contract certificate") == 10
    assert "DE8AA" in shown
    assert "1234567" not in page
    assert "exi-" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;no" in page
    browser.post(f"{home}preferences/", {"language": "de"})
    german = text_of(browser.get(f"{pages}security/"))
    for text in (
        "Vertragszertifikate für Autos",
        "2 Verträge bleiben",
        "Zertifikate, nach denen",
        "Anbieter",
    ):
        assert text in german
    assert charlie.get(f"{pages}security/").status_code == 404


def test_a_certificate_is_handed_in_on_the_page_of_its_request(
    browser: Client, technician: Client, charlie: Client, pages: str, station: ChargingStation
) -> None:
    request = waiting_request(station)
    page = f"{pages}security/requests/{request.pk}/"
    chain = ROOT.sign(request.csr)

    assert technician.get(page).status_code == 403
    assert technician.post(page, {"chain": chain}).status_code == 403
    assert charlie.post(page, {"chain": chain}).status_code == 404
    assert "BEGIN CERTIFICATE REQUEST" in browser.get(page).content.decode()
    wrong = browser.post(page, {"chain": pki.pem(ROOT.certificate)})
    assert wrong.status_code == 422
    assert "holds another key" in text_of(wrong)
    assert browser.post(page, {"chain": chain}).status_code == 302

    request.refresh_from_db()
    assert request.status == "signed"
    assert Command.objects.get(station=station).command == "certificate_signed"


def test_a_request_is_refused_by_who_may(
    browser: Client, technician: Client, charlie: Client, pages: str, station: ChargingStation
) -> None:
    request = waiting_request(station)
    address = f"{pages}security/requests/{request.pk}/refuse/"

    assert technician.post(address, {}).status_code == 403
    assert charlie.post(address, {}).status_code == 404
    assert browser.post(address, {"reason": "Unknown key"}).status_code == 302
    request.refresh_from_db()
    assert (request.status, request.detail) == ("failed", "Unknown key")


def test_a_new_password_without_tls_needs_a_reason_at_its_field(
    browser: Client, pages: str, station: ChargingStation
) -> None:
    refused = browser.post(f"{pages}security/", {"command": "rotate_password"})
    taken = browser.post(f"{pages}security/", {"command": "rotate_password", "reason": "Moved"})

    assert refused.status_code == 422
    assert "reached without TLS" in text_of(refused)
    assert taken.status_code == 302
    command = Command.objects.get(station=station)
    assert (command.reason, command.parameters["password"]) == ("Moved", "****")


@pytest.mark.parametrize("command", ["rotate_password", "renew_certificate", "install_certificate"])
def test_a_technician_does_not_touch_certificates_or_passwords(
    technician: Client, charlie: Client, pages: str, command: str
) -> None:
    values = {
        "reason": "x",
        "certificate_type": "csms_root_certificate",
        "certificate": pki.pem(ROOT.certificate),
    }

    assert technician.post(f"{pages}security/", {"command": command, **values}).status_code == 403
    assert charlie.post(f"{pages}security/", {"command": command, **values}).status_code == 404
    assert not sent_to(pages).exists()


def test_a_root_is_deleted_from_the_list(browser: Client, pages: str, station: ChargingStation) -> None:
    installed.stored(side(station), CertificateUse.MANUFACTURER_ROOT, pki.pem(ROOT.certificate), clock.now())
    row = InstalledCertificate.objects.get(station=station)

    answer = browser.post(f"{pages}security/", {"command": "delete_certificate", "certificate": str(row.pk)})

    assert answer.status_code == 302
    assert Command.objects.get(station=station).command == "delete_certificate"


def test_what_matters_asks_for_the_password_again_after_a_while(
    browser: Client, pages: str, station: ChargingStation
) -> None:
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = []
    session.save()

    for tab, command in (("firmware", "update_firmware"), ("security", "renew_certificate")):
        answer = browser.post(f"{pages}{tab}/", {"command": command, "location": URL})
        assert "reauthenticate" in answer["Location"]
    assert not sent_to(pages).exists()
