"""Certificates through the API: the list, requests to sign, chains handed in, and who may do what."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor, Role
from core.errors import NotPermitted
from core.models import ApiKey, AuditEntry, Organization
from stations.domain.certificates import CertificateUse, SigningRequested
from stations.domain.station import StationRef
from stations.models import ChargingStation, Command, InstalledCertificate, SigningRequest, Site
from stations.services import access
from stations.services.certificates import installed, signing
from tests import factories, pki
from tests.portal.api.conftest import client_with, results

ROOT = pki.authority()
LIST = "/api/v1/certificates/"
REQUESTS = f"{LIST}requests/"


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


def side(station: ChargingStation) -> StationRef:
    return StationRef(station_id=station.pk, organization_id=station.organization_id)


@pytest.fixture
def root(station: ChargingStation) -> InstalledCertificate:
    installed.stored(side(station), CertificateUse.MANUFACTURER_ROOT, pki.pem(ROOT.certificate), clock.now())
    return InstalledCertificate.objects.get(station=station)


@pytest.fixture
def request_to_sign(station: ChargingStation, organization: Organization) -> SigningRequest:
    csr = pki.request(station.identity, organization.name)
    assert signing.receive(side(station), SigningRequested(csr=csr), clock.now())
    return SigningRequest.objects.get(station=station)


def test_the_list_says_what_is_on_which_station_and_until_when(
    api: APIClient, station: ChargingStation, root: InstalledCertificate
) -> None:
    (shown,) = results(api.get(LIST, {"station": str(station.pk), "certificate_type": root.use}))

    assert shown["id"] == str(root.pk)
    assert shown["certificate_type"] == "manufacturer_root_certificate"
    assert shown["hash_data"]["serial_number"] == f"{ROOT.certificate.serial_number:x}"
    assert shown["expires_at"] is not None
    assert api.get(f"{LIST}{root.pk}/").json() == shown
    assert results(api.get(LIST, {"removed": "true"})) == []
    assert results(api.get(LIST, {"certificate_type": "mo_root_certificate"})) == []


def test_installing_and_deleting_are_commands(
    api: APIClient, station: ChargingStation, root: InstalledCertificate
) -> None:
    body = {
        "station": str(station.pk),
        "certificate_type": "csms_root_certificate",
        "certificate": pki.pem(ROOT.certificate),
    }

    installing = api.post(LIST, body)
    deleting = api.delete(f"{LIST}{root.pk}/")

    assert [installing.status_code, deleting.status_code] == [202, 202]
    assert [installing.json()["command"], deleting.json()["command"]] == [
        "install_certificate",
        "delete_certificate",
    ]
    assert deleting.json()["parameters"]["hash_data"]["serial_number"] == root.serial_number
    assert api.get(installing["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"certificate": "x"}, "/certificate"),
        ({"certificate_type": "root"}, "/certificate_type"),
        ({"station": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, "/station"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_what_is_wrong_with_a_root_is_named(
    api: APIClient, station: ChargingStation, change: dict[str, Any], pointer: str
) -> None:
    body = {
        "station": str(station.pk),
        "certificate_type": "csms_root_certificate",
        "certificate": pki.pem(ROOT.certificate),
        **change,
    }

    answer = api.post(LIST, body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Command.objects.filter(station=station).exists()


def test_a_signed_chain_is_taken_checked_and_sent_when_the_station_is_back(
    api: APIClient, station: ChargingStation, request_to_sign: SigningRequest
) -> None:
    address = f"{REQUESTS}{request_to_sign.pk}/"
    (waiting,) = results(api.get(REQUESTS, {"status": "waiting"}))

    bad = api.post(f"{address}chain/", {"chain": pki.pem(ROOT.certificate)})
    good = api.post(f"{address}chain/", {"chain": ROOT.sign(waiting["csr"])})

    assert bad.status_code == 400
    assert bad.json()["errors"][0]["pointer"] == "/chain"
    assert (good.status_code, good.json()["status"]) == (200, "signed")
    command = Command.objects.get(station=station)
    assert (command.command, command.status) == ("certificate_signed", "pending")
    assert api.get(address).json()["signed_by"].startswith("key:")
    assert AuditEntry.objects.filter(action="certificate.signed", object_id=str(request_to_sign.pk)).exists()


def test_a_request_can_be_refused_once(api: APIClient, request_to_sign: SigningRequest) -> None:
    address = f"{REQUESTS}{request_to_sign.pk}/"

    refused = api.post(f"{address}refuse/", {"reason": "Unknown key"})
    again = api.post(f"{address}refuse/", {})
    late = api.post(f"{address}chain/", {"chain": ROOT.sign(request_to_sign.csr)})

    assert (refused.json()["status"], refused.json()["detail"]) == ("failed", "Unknown key")
    assert [again.status_code, late.status_code] == [409, 409]


def test_a_stranger_sees_and_changes_nothing(
    stranger: APIClient, station: ChargingStation, root: InstalledCertificate, request_to_sign: SigningRequest
) -> None:
    address = f"{REQUESTS}{request_to_sign.pk}/"

    assert results(stranger.get(LIST)) == []
    assert results(stranger.get(REQUESTS)) == []
    assert stranger.get(f"{LIST}{root.pk}/").status_code == 404
    assert stranger.delete(f"{LIST}{root.pk}/").status_code == 404
    assert stranger.get(address).status_code == 404
    assert stranger.post(f"{address}chain/", {"chain": ROOT.sign(request_to_sign.csr)}).status_code == 404
    assert stranger.post(f"{address}refuse/", {}).status_code == 404
    body = {"station": str(station.pk), "certificate_type": "csms_root_certificate", "certificate": "x"}
    assert stranger.post(LIST, body).status_code == 400
    assert not Command.objects.filter(station=station).exists()
    request_to_sign.refresh_from_db()
    assert request_to_sign.status == "waiting"


def test_writing_needs_the_scope_for_secrets_as_well(
    api_with: Callable[..., APIClient], root: InstalledCertificate, request_to_sign: SigningRequest
) -> None:
    reader = api_with("certificates:read")
    half = api_with("certificates:read", "certificates:write")
    whole = api_with("certificates:read", "certificates:write", "security:write")
    chain = {"chain": ROOT.sign(request_to_sign.csr)}
    address = f"{REQUESTS}{request_to_sign.pk}/chain/"

    assert results(reader.get(LIST))
    for client in (reader, half):
        assert client.delete(f"{LIST}{root.pk}/").status_code == 403
        assert client.post(address, chain).status_code == 403
    assert whole.post(address, chain).status_code == 200


def test_a_key_limited_to_another_site_sees_nothing(
    organization: Organization, alice: Actor, root: InstalledCertificate, request_to_sign: SigningRequest
) -> None:
    elsewhere = Site.objects.create(organization=organization, name="Elsewhere", time_zone="Europe/Berlin")
    secret = factories.make_key(organization)
    access.limit_key(ApiKey.objects.latest("created_at"), [str(elsewhere.pk)], by=alice)
    limited = client_with(secret)

    assert results(limited.get(LIST)) == []
    assert results(limited.get(REQUESTS)) == []
    assert limited.post(f"{REQUESTS}{request_to_sign.pk}/refuse/", {}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"command": "install_certificate", "certificate_type": "csms_root_certificate", "certificate": "PEM"},
        {"command": "renew_certificate"},
        {"command": "rotate_password", "reason": "ticket"},
        {"command": "update_firmware", "location": "https://firmware.example.org/a.bin"},
        {"command": "get_log", "kind": "security", "location": "https://files.example.org/u"},
    ],
)
def test_commands_beyond_daily_work_need_their_own_scope(
    api_with: Callable[..., APIClient], station: ChargingStation, body: dict[str, Any]
) -> None:
    url = f"/api/v1/stations/{station.pk}/commands/"

    assert api_with("commands:send").post(url, body).status_code == 403
    assert not Command.objects.filter(station=station).exists()


def test_a_technician_may_not_sign(
    organization: Organization, request_to_sign: SigningRequest, alice: Actor
) -> None:
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    with pytest.raises(NotPermitted):
        signing.refuse(request_to_sign, "", by=bob)
