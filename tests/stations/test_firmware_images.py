"""Taking in firmware images: what is refused, and that nothing of it stays (W-17, W-20)."""

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from django.conf import settings

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, DomainError, Invalid, NoRoom, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from stations.models import ChargingStation, FirmwareImage
from stations.services import access, files, firmware_fetching, firmware_images, sites
from tests import factories, pki
from tests.core.test_egress import other_end, saying

CONTENT = b"\x7fELF" + b"firmware" * 1000
FOLDER = Path(settings.FILES_DIR) / "firmware"


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization)


@pytest.fixture
def root() -> pki.Authority:
    return pki.authority()


def names() -> set[str]:
    return {path.name for path in FOLDER.glob("*")} if FOLDER.exists() else set()


@contextmanager
def nothing_stays(organization: Organization) -> Iterator[None]:
    """No row, no file and no entry of the audit are there afterwards that were not there before."""
    before = names()
    yield
    assert names() == before
    assert not FirmwareImage.objects.filter(organization=organization).exists()
    assert not AuditEntry.objects.filter(organization=organization, action__startswith="firmware").exists()


def signed(key: Any, content: bytes = CONTENT) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return base64.b64encode(key.sign(content, pss, hashes.SHA256())).decode()
    return base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()


def certified(root: pki.Authority, key: Any, **details: Any) -> str:
    return pki.pem(root.issue(pki.name("Signer of firmware"), key.public_key(), **details))


def refusal(call: Any) -> Any:
    with pytest.raises(DomainError) as caught:
        call()
    return caught.value


def test_an_image_is_hashed_stored_under_a_name_of_ours_and_audited(alice: Actor) -> None:
    image = factories.make_image(alice, CONTENT, vendor="Example", from_versions=["1.0", " 1.1 ", "1.0"])

    assert (image.state, image.size_bytes, image.filename) == ("ready", len(CONTENT), "ac22-2.0.bin")
    assert image.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (Path(settings.FILES_DIR) / image.file).read_bytes() == CONTENT
    assert image.filename not in image.file
    assert image.from_versions == ["1.0", "1.1"]
    entry = AuditEntry.objects.get(action="firmware_image.added", object_id=str(image.pk))
    assert entry.changes["sha256"] == [None, image.sha256]
    firmware_images.check(image)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_signature_is_verified_over_the_file(alice: Actor, root: pki.Authority, kind: str) -> None:
    key = pki.new_key() if kind == "ec" else rsa.generate_private_key(65537, 2048)

    image = factories.make_image(
        alice, CONTENT, signature=signed(key), signing_certificate=certified(root, key)
    )

    assert image.state == "ready"
    assert image.certificate_ends_at is not None
    firmware_images.check(image)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"version": " "}, "version"),
        ({"version": "2" * 51}, "version"),
        ({"name": "a\x00b"}, "name"),
        ({"vendor": "a\nb"}, "vendor"),
        ({"from_versions": [str(n) for n in range(101)]}, "from_versions"),
        ({"state": "ready"}, "state"),
        ({"signature": "c2ln"}, "signature"),
        ({"signing_certificate": "PEM"}, "signature"),
        ({"signature": "c2ln", "signing_certificate": "no certificate"}, "signing_certificate"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_kept(
    organization: Organization, alice: Actor, values: dict[str, Any], field: str
) -> None:
    with nothing_stays(organization):
        assert refusal(lambda: factories.make_image(alice, CONTENT, **values)).field == field


@pytest.mark.parametrize(
    "name", ["", "../a.bin", "a/b.bin", "a\\b", ".hidden", "a..bin", "a\r\nb", 'a"b', "x" * 101]
)
def test_a_name_that_is_none_of_a_file_is_refused(
    organization: Organization, alice: Actor, name: str
) -> None:
    with nothing_stays(organization):
        assert refusal(lambda: factories.make_image(alice, CONTENT, filename=name)).field == "file"


def test_an_empty_file_and_one_above_the_cap_are_refused(
    organization: Organization, alice: Actor, settings: Any
) -> None:
    settings.FIRMWARE_MAX_BYTES = 1000
    read = io.BytesIO(b"x" * 10_000_000)

    with nothing_stays(organization):
        assert isinstance(refusal(lambda: factories.make_image(alice, b"")), Invalid)
        call = lambda: firmware_images.add(read, "a.bin", {"version": "2"}, by=alice)  # noqa: E731
        assert isinstance(refusal(call), files.TooLarge)
    assert read.tell() < 200_000


def test_f19_a_full_disk_is_told_and_leaves_nothing(
    organization: Organization, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(28, "No space left on device")
            return super().read(10)

    with nothing_stays(organization):
        call = lambda: firmware_images.add(Full(CONTENT), "a.bin", {"version": "2"}, by=alice)  # noqa: E731
        assert isinstance(refusal(call), NoRoom)


@pytest.mark.parametrize("what", ["other file", "other key", "no base64", "too long"])
def test_a_signature_of_something_else_is_refused(
    organization: Organization, alice: Actor, root: pki.Authority, what: str
) -> None:
    key = pki.new_key()
    signature = {
        "other file": signed(key, b"other"),
        "other key": signed(pki.new_key()),
        "no base64": "!!",
        "too long": "A" * 801,
    }[what]
    values = {"signature": signature, "signing_certificate": certified(root, key)}

    with nothing_stays(organization):
        assert refusal(lambda: factories.make_image(alice, CONTENT, **values)).field == "signature"


def test_a_certificate_that_expired_is_too_weak_or_not_for_signing_is_refused(
    organization: Organization, alice: Actor, root: pki.Authority
) -> None:
    key, weak = pki.new_key(), rsa.generate_private_key(65537, 1024)
    usage = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    name = pki.name("Encrypts only")
    start = clock.now() - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(5).not_valid_before(start).not_valid_after(start + timedelta(days=9))
    mute = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    wrong = {
        certified(root, key, days=-1, since=10): "expired",
        certified(root, key, since=-2): "not valid yet",
        certified(root, weak): "1024 bits",
        pki.pem(mute): "not for signing",
    }

    with nothing_stays(organization):
        for pem, said in wrong.items():
            values = {"signature": signed(key), "signing_certificate": pem}
            error = refusal(lambda: factories.make_image(alice, CONTENT, **values))  # noqa: B023
            assert (error.field, said in error.message) == ("signing_certificate", True)


def test_w20_a_certificate_that_expires_later_stops_the_image(alice: Actor, root: pki.Authority) -> None:
    key = pki.new_key()
    image = factories.make_image(
        alice, CONTENT, signature=signed(key), signing_certificate=certified(root, key, days=3)
    )
    station, _ = factories.make_station(alice)
    assert firmware_images.fits(image, station) is None

    with time_machine.travel(clock.now() + timedelta(days=4)):
        found = firmware_images.fits(image, station)
        assert found is not None
        assert "expired" in found.message
        with pytest.raises(Conflict):
            firmware_images.check(image)
        with pytest.raises(Conflict):
            firmware_images.offer(image, station, clock.now() + timedelta(hours=1))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"vendor": "Other"}, "for Other"),
        ({"model": "DC150"}, "for DC150"),
        ({"from_versions": ["1.5"]}, "run 1.0"),
        ({"vendor": "Example", "model": "AC22", "from_versions": ["0.9", "1.0"]}, ""),
        ({}, ""),
    ],
)
def test_an_image_fits_by_vendor_model_and_present_version(
    alice: Actor, rule: dict[str, Any], said: str
) -> None:
    station, _ = factories.make_station(alice)
    ChargingStation.objects.filter(pk=station.pk).update(
        vendor="Example", model="AC22", firmware_version="1.0"
    )
    station.refresh_from_db()

    found = firmware_images.fits(factories.make_image(alice, **rule), station)

    assert (found.message if found else "").find(said) >= 0
    assert (found is None) == (not said)


def test_a_retired_image_and_one_of_others_are_for_no_station(alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    retired, foreign = factories.make_image(alice), factories.make_image(charlie)
    firmware_images.retire(retired, by=alice)
    retired.refresh_from_db()

    for image in (retired, foreign):
        assert firmware_images.fits(image, station) is not None
        with pytest.raises(Conflict):
            firmware_images.offer(image, station, clock.now() + timedelta(hours=1))
    with pytest.raises(Conflict):
        firmware_images.retire(retired, by=alice)


def test_only_admins_of_the_whole_organization_bring_and_retire_images(
    organization: Organization, alice: Actor
) -> None:
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    dora = factories.make_member(organization, name="dora")
    sites.create({"name": "Harbour"}, by=alice)
    access.limit_member(dora, ["Harbour"], by=alice)
    limited = access.actor_of_member(dora)
    image = factories.make_image(alice)
    url, values = "https://93.184.216.34/a.bin", {"version": "2.0"}

    for actor in (bob, limited):
        with pytest.raises(NotPermitted):
            factories.make_image(actor)
        with pytest.raises(NotPermitted):
            firmware_fetching.request(url, values, by=actor)
        with pytest.raises(NotPermitted):
            firmware_images.retire(image, by=actor)
    with pytest.raises(NotFound):
        firmware_images.retire(image, by=charlie)
    image.refresh_from_db()
    assert image.retired_at is None
    assert FirmwareImage.objects.filter(organization=organization).count() == 1


@pytest.mark.parametrize(
    "url",
    ["http://93.184.216.34/a", "https://127.0.0.1/a", "https://10.0.0.1/a", "ftp://93.184.216.34/a", "file:///etc/passwd",
     "https://[::1]/a", "https://u:p@93.184.216.34/a", "https://93.184.216.34:22/a",
     "https://93.184.216.34/" + "a" * 2000],
)  # fmt: skip
def test_w17_an_address_that_may_not_be_called_is_refused_at_once(
    organization: Organization, alice: Actor, url: str
) -> None:
    with nothing_stays(organization):
        error = refusal(lambda: firmware_fetching.request(url, {"version": "2.0"}, by=alice))
        assert error.field == "url"


def answer(content: bytes, *, status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + content


def fetched(alice: Actor, settings: Any, said: bytes) -> FirmwareImage:
    """The image after a worker has looked for its file once at a server that answers so."""
    with other_end(saying(said)) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        image = firmware_fetching.request(
            f"http://127.0.0.1:{port}/dir/a%20b.bin?key=1", {"version": "2.0"}, by=alice
        )
        assert (image.state, image.file) == ("fetching", "")
        firmware_fetching.run(clock.now())
    image.refresh_from_db()
    return image


def test_a_file_is_fetched_from_its_address_by_a_worker(alice: Actor, settings: Any) -> None:
    image = fetched(alice, settings, answer(CONTENT))

    assert (image.state, image.size_bytes, image.filename) == ("ready", len(CONTENT), "a_b.bin")
    firmware_images.check(image)
    assert firmware_fetching.run(clock.now() + timedelta(days=1)) == 0


@pytest.mark.parametrize(
    ("said", "state", "detail"),
    [
        (answer(b"gone", status="404 Not Found"), "failed", "404"),
        (answer(b"", status="302 Found\r\nLocation: http://127.0.0.1/"), "failed", "302"),
        (answer(b"busy", status="503 Busy"), "fetching", "503"),
        (answer(b""), "failed", "empty"),
        (answer(CONTENT, length=99_999), "fetching", "broke off"),
        (answer(b"x" * 20_000), "fetching", "more than"),
        (b"SSH-2.0-nonsense\r\n", "fetching", "as expected"),
    ],
)
def test_what_is_no_file_is_told_and_nothing_is_stored(
    alice: Actor, settings: Any, said: bytes, state: str, detail: str
) -> None:
    settings.FIRMWARE_MAX_BYTES = 10_000
    before = names()

    image = fetched(alice, settings, said)

    assert (image.state, image.file) == (state, "")
    assert detail in image.detail
    assert names() == before


def test_w17_a_host_that_turns_to_a_private_address_later_is_not_called(alice: Actor, settings: Any) -> None:
    with other_end(saying(answer(CONTENT))) as port:
        settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
        image = firmware_fetching.request(f"http://127.0.0.1:{port}/a", {"version": "2.0"}, by=alice)
        settings.EGRESS_ALLOW = ()
        firmware_fetching.run(clock.now())

    image.refresh_from_db()
    assert (image.state, image.file) == ("failed", "")


def test_a_fetch_whose_worker_died_is_taken_again_and_given_up_after_three(alice: Actor) -> None:
    image = firmware_fetching.request("https://93.184.216.34/a", {"version": "2.0"}, by=alice)
    now = clock.now()

    for tried in range(3):
        taken = firmware_fetching._take(now + tried * timedelta(hours=1))
        assert taken == image.pk
        assert firmware_fetching._take(now + tried * timedelta(hours=1)) is None
    assert firmware_fetching.run(now + timedelta(hours=9)) == 0
    image.refresh_from_db()
    assert (image.state, image.fetch_tries) == ("failed", 4)


def test_files_that_no_image_names_go_after_a_day(alice: Actor) -> None:
    image = factories.make_image(alice)
    stray = files.keep(io.BytesIO(b"left behind"), "firmware", most_bytes=100)

    firmware_images.tidy(clock.now())
    assert Path(settings.FILES_DIR, stray.name).exists()
    firmware_images.tidy(clock.now() + timedelta(hours=25))

    assert not Path(settings.FILES_DIR, stray.name).exists()
    assert Path(settings.FILES_DIR, image.file).exists()
