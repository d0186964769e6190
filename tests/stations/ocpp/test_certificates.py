"""Certificates on the wire: requests to sign and their outcome, roots on stations, passwords."""

import base64
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from stations.domain import intents
from stations.models import Alert, Command, InstalledCertificate, SigningRequest, StationCredential, Variable
from stations.services import sweeping
from stations.services.certificates import reading, sending, signing
from tests import pki
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation

ROOT = pki.authority()
OTHER_ROOT = pki.authority("Other root")


def organization_of(charger: Charger) -> Organization:
    return Organization.objects.get(pk=charger.station.organization_id)


def csr_of(charger: Charger, key: Any = None) -> str:
    return pki.request(charger.station.identity, organization_of(charger).name, key)


def requests_of(charger: Charger) -> list[SigningRequest]:
    return list(SigningRequest.objects.filter(station=charger.station).order_by("id"))


def ask_to_sign(socket: WireStation, csr: str, **details: Any) -> str:
    answer: str = socket.call("SignCertificate", {"csr": csr, **details})["status"]
    return answer


# -- requests to sign --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_tc_074_and_a_11_a_renewal_goes_from_the_trigger_to_the_accepted_certificate(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        trigger, command = ask(charger, socket, alice, intents.RenewCertificate(), {"status": "Accepted"})
        assert ask_to_sign(socket, csr_of(charger)) == "Accepted"
        (waiting,) = requests_of(charger)
        sending.sign_and_send(waiting, ROOT.sign(waiting.csr), by=alice)
        signed = socket.next_call()
        (sent,) = requests_of(charger)
        socket.reply(signed, {"status": "Accepted"})
        done = eventually(lambda: next((r for r in requests_of(charger) if r.status == "accepted"), None))

    assert trigger[2:] == (
        ["ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}]
        if version == "1.6"
        else ["TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}]
    )
    assert with_effect(command).effect == "seen"
    assert (waiting.status, waiting.key, sent.status) == ("waiting", "EC secp256r1", "sent")
    assert signed[2:] == ["CertificateSigned", {"certificateChain": done.chain}]
    assert done.expires_at is not None
    assert AuditEntry.objects.filter(action="certificate.signed", object_id=str(done.pk)).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_tc_a_14_a_refused_certificate_fails_with_the_stations_word_and_alerts(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        ask_to_sign(socket, csr_of(charger))
        sending.sign_and_send(requests_of(charger)[0], ROOT.sign(requests_of(charger)[0].csr), by=alice)
        socket.reply(socket.next_call(), {"status": "Rejected"})
        failed = eventually(lambda: next((r for r in requests_of(charger) if r.status == "failed"), None))
        event = {"type": "InvalidChargingStationCertificate", "timestamp": clock.to_wire(clock.now())}
        assert socket.call("SecurityEventNotification", event) == {}

    assert "Rejected" in failed.detail
    assert failed.chain
    kinds = set(Alert.objects.filter(station=charger.station).values_list("kind", flat=True))
    assert kinds == {"certificate_not_signed", "security_event"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("other station", "name (CN)"),
        ("other operator", "organisation (O)"),
        ("weak RSA", "2048"),
        ("weak curve", "curve"),
        ("no PEM", "PEM"),
        ("two requests", "PEM"),
        ("forged", "not signed"),
    ],
)
def test_p237_a_bad_request_is_rejected_and_kept_with_its_reason(
    charger: Charger, version: str, fault: str, reason: str
) -> None:
    identity, operator = charger.station.identity, organization_of(charger).name
    good = csr_of(charger)
    bad = {
        "other station": lambda: pki.request("SOMEBODY", operator),
        "other operator": lambda: pki.request(identity, "Somebody"),
        "weak RSA": lambda: pki.request(identity, operator, rsa.generate_private_key(65537, 1024)),
        "weak curve": lambda: pki.request(identity, operator, ec.generate_private_key(ec.SECP224R1())),
        "no PEM": lambda: "MIIBVTCB",
        "two requests": lambda: good + good,
        "forged": lambda: forged(good),
    }[fault]()
    with charger.dial(version) as socket:
        socket.boot()
        assert ask_to_sign(socket, bad) == "Rejected"

    (kept,) = requests_of(charger)
    assert (kept.status, reason in kept.detail) == ("rejected", True), kept.detail
    assert AuditEntry.objects.filter(
        action="certificate.request_rejected", object_id=str(kept.pk), actor=f"station:{identity}"
    ).exists()


def forged(pem: str) -> str:
    """The last byte of the signature changed."""
    lines = pem.strip().splitlines()
    raw = bytearray(base64.b64decode("".join(lines[1:-1])))
    raw[-1] ^= 1
    return f"{lines[0]}\n{base64.encodebytes(bytes(raw)).decode()}{lines[-1]}\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_p239_a_repeat_is_answered_from_the_same_job(charger: Charger, version: str) -> None:
    csr = csr_of(charger)
    with charger.dial(version) as socket:
        socket.boot()
        assert [ask_to_sign(socket, csr) for _ in range(8)] == ["Accepted"] * 8

    (only,) = requests_of(charger)
    assert (only.status, only.repeats) == ("waiting", 7)


@pytest.mark.parametrize("version", VERSIONS)
def test_c_05_a_new_key_replaces_the_older_request_and_the_sixth_within_an_hour_is_refused(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        answers = [ask_to_sign(socket, csr_of(charger)) for _ in range(6)]

    assert answers == ["Accepted"] * 5 + ["Rejected"]
    assert [one.status for one in requests_of(charger)] == ["replaced"] * 4 + ["waiting"]
    assert Alert.objects.filter(station=charger.station, kind="certificate_requests").exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("said", [None, "ChargingStationCertificate", "V2GCertificate"])
def test_p236_the_certificate_is_sent_as_the_kind_that_was_asked_for(
    charger: Charger, alice: Actor, version: str, said: str | None
) -> None:
    csr = pki.request("SECC-1", "V2G operator") if said == "V2GCertificate" else csr_of(charger)
    with charger.dial(version) as socket:
        socket.boot()
        assert ask_to_sign(socket, csr, **({"certificateType": said} if said else {})) == "Accepted"
        (request,) = requests_of(charger)
        sending.sign_and_send(request, ROOT.sign(request.csr), by=alice)
        signed = socket.next_call()
        socket.reply(signed, {"status": "Accepted"})

    assert signed[3].get("certificateType") == said
    assert "requestId" not in signed[3]


def test_2_1_gets_its_own_request_id_and_the_root_it_named_back(charger: Charger, alice: Actor) -> None:
    named = pki.hash_data(ROOT.certificate, ROOT.certificate)
    with charger.dial("2.1") as socket:
        socket.boot()
        csr = pki.request("SECC-1", "V2G operator")
        details = {"certificateType": "V2G20Certificate", "requestId": 77, "hashRootCertificate": named}
        assert ask_to_sign(socket, csr, **details) == "Accepted"
        (request,) = requests_of(charger)
        sending.sign_and_send(request, ROOT.sign(request.csr), by=alice)
        signed = socket.next_call()
        socket.reply(signed, {"status": "Accepted"})

    assert (signed[3]["requestId"], signed[3]["certificateType"]) == (77, "V2G20Certificate")
    assert request.root["serial_number"] == named["serialNumber"]


def test_p238_a_chain_that_does_not_fit_is_not_sent_and_the_operator_is_told(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        ask_to_sign(socket, csr_of(charger))
        (request,) = requests_of(charger)
        stranger = pki.new_key().public_key()
        subject = pki.name(charger.station.identity, organization_of(charger).name)
        good = ROOT.sign(request.csr)
        leaf = good[: good.index("-----END CERTIFICATE-----") + 26]
        bad = {
            "another key": pki.pem(ROOT.issue(subject, stranger)),
            "not in order": leaf + pki.pem(OTHER_ROOT.certificate),
            "PEM": "certificate",
            "not valid now": ROOT.sign(request.csr, days=-1, since=5),
            "authority": pki.pem(ROOT.certificate),
        }
        for reason, chain in bad.items():
            with pytest.raises(Invalid) as refused:
                sending.sign_and_send(request, chain, by=alice)
            assert reason in refused.value.message or reason == "authority"
        now = clock.now()
        Variable.objects.create(
            station=charger.station, component="SecurityCtrlr", variable="MaxCertificateChainSize",
            value="600", changed_at=now, reported_at=now,
        )  # fmt: skip
        with pytest.raises(Invalid, match="takes 600"):
            sending.sign_and_send(request, good, by=alice)
        socket.call("Heartbeat", {})

    assert requests_of(charger)[0].status == "waiting"
    assert not Command.objects.filter(station=charger.station).exists()


def test_p235_without_an_answer_the_certificate_is_sent_again_and_given_up_visibly(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        ask_to_sign(socket, csr_of(charger))
        (request,) = requests_of(charger)
        sending.sign_and_send(request, ROOT.sign(request.csr), by=alice)
        for tries in (1, 2, 3):
            call = socket.next_call()
            socket.send([4, call[1], "InternalError", "", {}])
            eventually(lambda n=tries: requests_of(charger)[0].tries == n)
            sending.sweep(clock.now() + timedelta(minutes=5))

    (given_up,) = requests_of(charger)
    assert (given_up.status, "3 tries" in given_up.detail) == ("failed", True)
    assert Alert.objects.filter(station=charger.station, kind="certificate_not_signed").exists()


def test_c_02_a_request_without_an_outcome_after_an_hour_alerts(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        ask_to_sign(socket, csr_of(charger))
    alerts = Alert.objects.filter(station=charger.station, kind="certificate_not_signed", cleared_at=None)
    signing.watch(clock.now())
    assert not alerts.exists()

    signing.watch(clock.now() + timedelta(minutes=61))
    assert alerts.exists()

    signing.refuse(requests_of(charger)[0], "Not ours", by=make_actor(organization_of(charger)))
    assert requests_of(charger)[0].detail == "Not ours"


class TestSigner:
    """What CERTIFICATE_SIGNER may name: fails at first, then signs."""

    __test__ = False
    down = True

    def sign(self, request: SigningRequest) -> str:
        if TestSigner.down:
            raise Conflict("The authority does not answer.")
        return ROOT.sign(request.csr)


def test_a_signer_that_is_down_is_asked_again_and_the_station_is_not_made_to_loop(
    charger: Charger, settings: Any
) -> None:
    settings.CERTIFICATE_SIGNER = f"{__name__}.TestSigner"
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert ask_to_sign(socket, csr_of(charger)) == "Accepted"
        sweeping.sweep()
        waiting = requests_of(charger)[0]
        TestSigner.down = False
        sweeping.sweep()
        socket.reply(socket.next_call(), {"status": "Accepted"})
        eventually(lambda: requests_of(charger)[0].status == "accepted")

    assert (waiting.status, waiting.detail) == ("waiting", "The authority does not answer.")
    assert requests_of(charger)[0].signed_by == "system:signing"


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("1.6", "OccurenceConstraintViolation"),
        ("2.0.1", "OccurrenceConstraintViolation"),
        ("2.1", "OccurrenceConstraintViolation"),
    ],
)
def test_a_request_without_csr_breaks_the_schema(charger: Charger, version: str, code: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call("SignCertificate", {})

    assert refused.value.code == code
    assert not requests_of(charger)


# -- roots on stations ---------------------------------------------------------------------------------------


def listed(version: str, kind: str, *named: dict[str, str]) -> dict[str, Any]:
    """The answer to GetInstalledCertificateIds."""
    if not named:
        return {"status": "NotFound"}
    if version == "1.6":
        return {"status": "Accepted", "certificateHashData": list(named)}
    entries = [{"certificateType": kind, "certificateHashData": one} for one in named]
    return {"status": "Accepted", "certificateHashDataChain": entries}


def present(charger: Charger) -> list[InstalledCertificate]:
    return list(InstalledCertificate.objects.filter(station=charger.station).present().order_by("id"))


CSMS = intents.GetInstalledCertificates(certificate_types=("csms_root_certificate",))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("use", ["csms_root_certificate", "manufacturer_root_certificate"])
def test_tc_075_and_m_01_02_a_root_that_was_installed_is_known_with_its_expiry_and_then_as_it_is_listed(
    charger: Charger, alice: Actor, version: str, use: str
) -> None:
    word = {
        "csms_root_certificate": "CSMSRootCertificate",
        "manufacturer_root_certificate": "ManufacturerRootCertificate",
    }[use]
    wire_word = "CentralSystemRootCertificate" if (version, use) == ("1.6", "csms_root_certificate") else word
    install = intents.InstallCertificate(certificate_type=use, certificate=pki.pem(ROOT.certificate))
    named = pki.hash_data(ROOT.certificate, ROOT.certificate, "SHA512")
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, install, {"status": "Accepted"})
        (unlisted,) = present(charger)
        asking = intents.GetInstalledCertificates(certificate_types=(use,))
        ask(charger, socket, alice, asking, listed(version, word, named))

    assert call[3] == {"certificateType": wire_word, "certificate": pki.pem(ROOT.certificate)}
    assert command.status == "accepted"
    assert (unlisted.hash_algorithm, unlisted.reported) == ("SHA256", False)
    (root,) = present(charger)
    assert (root.pk, root.hash_algorithm, root.reported) == (unlisted.pk, "SHA512", True)
    assert root.expires_at == ROOT.certificate.not_valid_after_utc
    assert "Test root" in root.subject


@pytest.mark.parametrize("version", VERSIONS)
def test_a_root_said_in_raw_words_that_we_cannot_read_ends_as_the_station_says_and_is_not_in_the_inventory(
    charger: Charger, alice: Actor, version: str
) -> None:
    word = "CentralSystemRootCertificate" if version == "1.6" else "CSMSRootCertificate"
    raw = intents.Call(
        action="InstallCertificate",
        payload={"certificateType": word, "certificate": "of the vendor's own form"},
    )
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, raw, {"status": "Accepted"})

    assert (command.status, command.error) == ("accepted", None)
    assert present(charger) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["Rejected", "Failed"])
def test_tc_m_05_a_root_that_the_station_refuses_is_not_in_the_inventory(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    install = intents.InstallCertificate(
        certificate_type="csms_root_certificate", certificate=pki.pem(ROOT.certificate)
    )
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, install, {"status": word})

    assert (command.status, command.response["status"]) == ("rejected", word)
    assert present(charger) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_tc_m_19_an_empty_list_removes_what_was_believed_to_be_there(
    charger: Charger, alice: Actor, version: str
) -> None:
    named = pki.hash_data(ROOT.certificate, ROOT.certificate)
    with charger.dial(version) as socket:
        socket.boot()
        ask(charger, socket, alice, CSMS, listed(version, "CSMSRootCertificate", named))
        (before,) = present(charger)
        _, command = ask(charger, socket, alice, CSMS, {"status": "NotFound"})

    assert command.status == "accepted"
    assert present(charger) == []
    assert InstalledCertificate.objects.get(pk=before.pk).removed_at is not None


def test_tc_m_15_18_all_kinds_and_chains_are_listed_at_once(charger: Charger, alice: Actor) -> None:
    named = pki.hash_data(ROOT.certificate, ROOT.certificate)
    entries = [
        {"certificateType": "MORootCertificate", "certificateHashData": named},
        {
            "certificateType": "V2GCertificateChain",
            "certificateHashData": named,
            "childCertificateHashData": [{**named, "serialNumber": "0abc"}],
        },
    ]
    with charger.dial("2.0.1") as socket:
        socket.boot()
        answer = {"status": "Accepted", "certificateHashDataChain": entries}
        call, _ = ask(charger, socket, alice, intents.GetInstalledCertificates(), answer)

    assert call[3] == {}
    by_use = {one.use: one for one in present(charger)}
    assert set(by_use) == {"mo_root_certificate", "v2g_certificate_chain"}
    assert by_use["v2g_certificate_chain"].children[0]["serial_number"] == "0abc"


def test_1_6_is_asked_for_each_kind_in_turn(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        command = issue(charger, alice, intents.GetInstalledCertificates())
        asked = []
        for _ in range(2):
            call = socket.next_call()
            asked.append(call[3]["certificateType"])
            socket.reply(call, {"status": "NotFound"})
        assert ended(command).status == "accepted"

    assert asked == ["CentralSystemRootCertificate", "ManufacturerRootCertificate"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_p240_a_certificate_is_deleted_by_the_very_words_that_the_station_used(
    charger: Charger, alice: Actor, version: str, algorithm: str
) -> None:
    named = pki.hash_data(ROOT.certificate, ROOT.certificate, algorithm)
    named["issuerNameHash"] = named["issuerNameHash"].upper()
    named["serialNumber"] = "00" + named["serialNumber"][:38]
    with charger.dial(version) as socket:
        socket.boot()
        ask(charger, socket, alice, CSMS, listed(version, "CSMSRootCertificate", named))
        delete = intents.DeleteCertificate(certificate=present(charger)[0].pk)
        call, command = ask(charger, socket, alice, delete, {"status": "Accepted"})

    assert call[2:] == ["DeleteCertificate", {"certificateHashData": named}]
    assert command.status == "accepted"
    assert present(charger) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("word", "left"), [("Failed", 1), ("NotFound", 0)])
def test_tc_m_21_a_deletion_that_fails_leaves_the_certificate_unless_it_was_never_there(
    charger: Charger, alice: Actor, version: str, word: str, left: int
) -> None:
    named = pki.hash_data(ROOT.certificate, ROOT.certificate)
    with charger.dial(version) as socket:
        socket.boot()
        ask(charger, socket, alice, CSMS, listed(version, "CSMSRootCertificate", named))
        delete = intents.DeleteCertificate(certificate=present(charger)[0].pk)
        _, command = ask(charger, socket, alice, delete, {"status": word})

    assert (command.status, len(present(charger))) == ("rejected", left)


def test_c_10_the_last_root_for_our_server_stays_where_the_station_needs_it(
    charger: Charger, alice: Actor
) -> None:
    named = [pki.hash_data(one.certificate, one.certificate) for one in (ROOT, OTHER_ROOT)]
    with charger.dial("2.0.1") as socket:
        socket.boot()
        ask(charger, socket, alice, CSMS, listed("2.0.1", "CSMSRootCertificate", *named))
        charger.set(security_profile=2)
        first, last = present(charger)
        ask(charger, socket, alice, intents.DeleteCertificate(certificate=first.pk), {"status": "Accepted"})
        with pytest.raises(Conflict, match="last root"):
            issue(charger, alice, intents.DeleteCertificate(certificate=last.pk))

    assert present(charger) == [last]


def test_p240_the_stations_own_certificate_is_never_deleted(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        ask_to_sign(socket, csr_of(charger))
        (request,) = requests_of(charger)
        sending.sign_and_send(request, ROOT.sign(request.csr), by=alice)
        socket.reply(socket.next_call(), {"status": "Accepted"})
        eventually(lambda: requests_of(charger)[0].status == "accepted")
        leaf, root = reading.chain(requests_of(charger)[0].chain)
        own = pki.hash_data(leaf, root, "SHA384")
        ask(charger, socket, alice, CSMS, listed("2.0.1", "CSMSRootCertificate", own))
        with pytest.raises(Conflict, match="in use"):
            issue(charger, alice, intents.DeleteCertificate(certificate=present(charger)[0].pk))


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("text", "PEM"),
        (pki.pem(ROOT.certificate) * 2, "one certificate"),
        (pki.pem(ROOT.issue(pki.name("leaf"), pki.new_key().public_key())), "authority"),
        (pki.pem(pki.authority("Past root", days=0).certificate), "not valid"),
    ],
    ids=["no PEM", "two", "a leaf", "expired"],
)
def test_what_is_no_root_is_not_installed(
    charger: Charger, alice: Actor, certificate: str, reason: str
) -> None:
    with pytest.raises(Invalid, match=reason):
        issue(
            charger,
            alice,
            intents.InstallCertificate(certificate_type="csms_root_certificate", certificate=certificate),
        )


def test_an_oem_root_needs_2_1(charger: Charger, alice: Actor) -> None:
    install = intents.InstallCertificate(
        certificate_type="oem_root_certificate", certificate=pki.pem(ROOT.certificate)
    )
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert ended(issue(charger, alice, install)).status == "not_supported"
    with charger.dial("2.1") as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, install, {"status": "Accepted"})

    assert call[3]["certificateType"] == "OEMRootCertificate"


# -- passwords -----------------------------------------------------------------------------------------------

ROTATE = intents.RotatePassword(reason="Trusted network")


def password_in(call: list[Any]) -> str:
    """The new password as it is on the wire."""
    if call[2] == "ChangeConfiguration":
        assert call[3]["key"] == "AuthorizationKey"
        return str(call[3]["value"])
    item = call[3]["setVariableData"][0]
    assert (item["component"]["name"], item["variable"]["name"]) == ("SecurityCtrlr", "BasicAuthPassword")
    return str(item["attributeValue"])


def answer_to(call: list[Any], word: str) -> dict[str, Any]:
    if call[2] == "ChangeConfiguration":
        return {"status": word}
    item = {key: call[3]["setVariableData"][0][key] for key in ("component", "variable")}
    return {"setVariableResult": [{**item, "attributeStatus": word}]}


def opens(charger: Charger, version: str, password: str) -> bool:
    return (
        Charger(charger.url, charger.station, password, charger.address).knock(version=version).status == 101
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_tc_073_and_a_09_a_new_password_that_was_taken_replaces_the_old_one(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, ROTATE)
        call = socket.next_call()
        fresh = password_in(call)
        socket.reply(call, answer_to(call, "Accepted"))
        done = ended(command)

    assert done.status == "accepted"
    assert opens(charger, version, fresh)
    assert not opens(charger, version, charger.password)
    row = Command.objects.filter(pk=command.pk).values().get()
    assert (row["sealed"], fresh in str(row), row["parameters"]["password"]) == ("", False, "****")
    assert fresh not in str(list(AuditEntry.objects.filter(object_id=str(command.pk)).values()))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["Rejected", "CALLERROR"])
def test_tc_a_10_a_new_password_that_was_refused_is_forgotten(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, ROTATE)
        call = socket.next_call()
        if word == "CALLERROR":
            socket.send([4, call[1], "NotSupported", "", {}])
        else:
            socket.reply(call, answer_to(call, word))
        ended(command)

    assert not opens(charger, version, password_in(call))
    assert opens(charger, version, charger.password)


@pytest.mark.parametrize("version", VERSIONS)
def test_p018_without_an_answer_both_passwords_open_the_door(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, ROTATE)
        call = socket.next_call()
    assert ended(command).error["code"] == "disconnected"

    states = set(StationCredential.objects.filter(station=charger.station).values_list("state", flat=True))
    assert states == {"current", "next"}
    assert opens(charger, version, charger.password)
    assert opens(charger, version, password_in(call))


def test_s_16_without_tls_a_reason_is_needed(charger: Charger, alice: Actor) -> None:
    with pytest.raises(Invalid) as refused:
        issue(charger, alice, intents.RotatePassword())
    assert refused.value.field == "reason"

    charger.set(security_profile=3)
    with pytest.raises(Conflict):
        issue(charger, alice, ROTATE)


# -- strangers -----------------------------------------------------------------------------------------------


def test_neither_strangers_nor_technicians_touch_certificates(charger: Charger, alice: Actor) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    bob = make_actor(organization_of(charger), Role.TECHNICIAN, "bob")
    with charger.dial("2.0.1") as socket:
        socket.boot()
        ask_to_sign(socket, csr_of(charger))
    (request,) = requests_of(charger)
    for intent in (
        intents.InstallCertificate(
            certificate_type="csms_root_certificate", certificate=pki.pem(ROOT.certificate)
        ),
        intents.DeleteCertificate(certificate=uuid4()),
        intents.RenewCertificate(),
        intents.SendSignedCertificate(request=request.pk),
        ROTATE,
    ):
        with pytest.raises(NotFound):
            issue(charger, charlie, intent)
        with pytest.raises(NotPermitted):
            issue(charger, bob, intent)
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        with pytest.raises(error):
            sending.sign_and_send(request, ROOT.sign(request.csr), by=actor)
        with pytest.raises(error):
            signing.refuse(request, "", by=actor)
    with pytest.raises(NotFound):
        issue(charger, charlie, intents.GetInstalledCertificates())

    assert requests_of(charger)[0].status == "waiting"
    assert not SigningRequest.objects.visible_to(charlie).exists()
