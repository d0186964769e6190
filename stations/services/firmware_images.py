"""Firmware images: taken in, checked, offered to stations (security.md W-20, W-22).

A file is stored before the row that names it is committed; what a process left behind when it ended in between
is found by :func:`tidy`. Files from elsewhere are fetched by a worker: the row comes first and is what waits.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.transaction import atomic

from core import audit, clock, keys
from core.access import Actor, Permission
from core.errors import Conflict, DomainError, Invalid, NotFound
from stations import live
from stations.models import Alert, ChargingStation, FirmwareImage, FirmwareLink
from stations.services import alerts, files, firmware_signing

FOLDER = "firmware"
TEXTS: Mapping[str, int] = {"name": 100, "version": 50, "vendor": 50, "model": 50}
GIVEN = frozenset({*TEXTS, "from_versions", "signature", "signing_certificate"})
FROM_VERSIONS_MOST = 100
LINK_KEPT = timedelta(days=30)
DAMAGED = "firmware_file_changed"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
FILE_ENDING = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an image is not for a station."""

    message: str


def add(source: Any, filename: str, values: Mapping[str, Any], *, by: Actor) -> FirmwareImage:
    """A new image of what ``source.read(n)`` gives, stored, hashed and its signature verified.

    Raises :class:`Invalid` naming the field, :class:`Conflict` for a file that is here already,
    :class:`core.errors.NoRoom`.
    """
    by.require_everywhere(Permission.FIRMWARE_UPLOAD)
    image = draft(values, by)
    image.filename = files.checked_name(filename, most=100, field="file")
    kept = files.keep(source, FOLDER, most_bytes=settings.FIRMWARE_MAX_BYTES)
    try:
        with atomic():
            settle(image, kept)
            image.save(force_insert=True)
            changes = {"sha256": [None, image.sha256], "version": [None, image.version]}
            audit.record("firmware_image.added", image, by=by, changes=changes)
            tell(image)
    except DomainError:
        files.delete(kept.name)
        raise
    return image


def draft(values: Mapping[str, Any], by: Actor) -> FirmwareImage:
    """An image without its file yet, each value checked. Raises :class:`Invalid`."""
    if unknown := set(values) - GIVEN:
        raise Invalid(f"An image has no “{min(unknown)}”.", field=min(unknown))
    image = FirmwareImage(organization_id=by.home, created_by=by.label[:200])
    for name, most in TEXTS.items():
        setattr(image, name, _text(values.get(name, ""), name, most))
    if not image.version:
        raise Invalid("Name the version that a station reports once it runs the image.", field="version")
    image.from_versions = _versions(values.get("from_versions", ()))
    image.signature = "".join(str(values.get("signature") or "").split())
    image.signing_certificate = str(values.get("signing_certificate") or "").strip()
    if bool(image.signature) != bool(image.signing_certificate):
        raise Invalid("Give the signature and the signing certificate together.", field="signature")
    if image.signing_certificate:
        found = firmware_signing.certificate(image.signing_certificate, clock.now())
        image.certificate_ends_at = found.not_valid_after_utc
    return image


def settle(image: FirmwareImage, kept: files.Kept) -> None:
    """The file is stored: the image becomes ready, unless its signature does not fit. Raises :class:`Invalid`."""
    image.file, image.size_bytes = kept.name, kept.size_bytes
    image.sha256, image.md5 = kept.sha256, kept.md5
    if image.signature:
        signed_by = firmware_signing.certificate(image.signing_certificate, clock.now())
        firmware_signing.verify(image.signature, signed_by, image.sha256)
    image.state, image.detail = FirmwareImage.State.READY, ""


def retire(image: FirmwareImage, *, by: Actor) -> FirmwareImage:
    """Offer the image to nobody from now on; rollouts of it stop. What is being loaded now ends as well."""
    by.require_everywhere(Permission.FIRMWARE_UPLOAD, image)
    with atomic():
        row = FirmwareImage.objects.select_for_update().get(pk=image.pk)
        if row.retired_at is not None:
            raise Conflict("The image is retired already.")
        row.retired_at = clock.now()
        row.save(update_fields=["retired_at"])
        FirmwareLink.objects.filter(image=row, expires_at__gt=row.retired_at).update(
            expires_at=row.retired_at
        )
        audit.record("firmware_image.retired", row, by=by)
        tell(row)
    return row


def rename(image: FirmwareImage, name: str, *, by: Actor) -> FirmwareImage:
    """Another name for people. All else stands: rollouts were planned and approved for it."""
    by.require_everywhere(Permission.FIRMWARE_UPLOAD, image)
    with atomic():
        row = FirmwareImage.objects.select_for_update().get(pk=image.pk)
        if row.retired_at is not None:
            raise Conflict("The image is retired already.")
        before, row.name = row.name, _text(name, "name", 100)
        if row.name != before:
            row.save(update_fields=["name"])
            audit.record("firmware_image.renamed", row, by=by, changes={"name": [before, row.name]})
            tell(row)
    return row


def fits(image: FirmwareImage, station: ChargingStation) -> Refusal | None:
    """``None`` where the image may be used and is for the station's vendor, model and present version."""
    if reason := unusable(image, clock.now()):
        return Refusal(reason)
    if image.organization_id != station.organization_id:
        return Refusal("The image belongs to another organization.")
    if image.vendor and station.vendor != image.vendor:
        return Refusal(
            f"The image is for {image.vendor}, the station is of {station.vendor or 'no known vendor'}."
        )
    if image.model and station.model != image.model:
        return Refusal(f"The image is for {image.model}, the station is {station.model or 'no known model'}.")
    if image.from_versions and station.firmware_version not in image.from_versions:
        return Refusal(
            f"The image is not for stations that run {station.firmware_version or 'no known version'}."
        )
    return None


def unusable(image: FirmwareImage, now: datetime) -> str:
    """Why no station may have the image now, or an empty text. The file itself is not looked at."""
    if image.retired_at is not None:
        return "The image was retired."
    if image.state == FirmwareImage.State.FETCHING:
        return "The file of the image is still being fetched."
    if image.state == FirmwareImage.State.FAILED:
        return "The file of the image could not be fetched."
    if image.state == FirmwareImage.State.DAMAGED:
        return "The stored file is no longer the one that was uploaded."
    if image.certificate_ends_at is not None and image.certificate_ends_at < now:
        return "The signing certificate of the image has expired."
    return ""


def check(image: FirmwareImage) -> None:
    """Look at everything again before a station is told: hash, signature, dates (W-20). Raises :class:`Conflict`."""
    now = clock.now()
    if reason := unusable(image, now):
        raise Conflict(reason)
    require_unchanged(image, now)
    if image.signature:
        try:
            signed_by = firmware_signing.certificate(image.signing_certificate, now)
            firmware_signing.verify(image.signature, signed_by, image.sha256)
        except Invalid as error:
            raise Conflict(error.message) from error


def require_unchanged(image: FirmwareImage, now: datetime) -> None:
    """Raise :class:`Conflict` where the stored bytes have another hash than at the upload."""
    assert image.size_bytes is not None
    if not files.is_unchanged(image.file, image.size_bytes, image.sha256, now):
        raise Conflict("The stored file is no longer the one that was uploaded.")


def offer(image: FirmwareImage, station: ChargingStation, until: datetime) -> str:
    """The address at which this station fetches the image until then. Raises :class:`Conflict` without one.

    Made anew at each call; it is stored hashed and cannot be shown again.
    """
    now = clock.now()
    if reason := unusable(image, now):
        raise Conflict(reason)
    if image.organization_id != station.organization_id:
        raise Conflict("The image belongs to another organization.")
    token = secrets.token_urlsafe(32)
    FirmwareLink.objects.create(
        organization_id=image.organization_id,
        image=image,
        station=station,
        digest=keys.digest(token),
        expires_at=until,
        created_at=now,
    )
    return f"{settings.FILES_URL}/files/firmware/{token}/{image.filename}"


def end_links(image_id: UUID, station_id: UUID, now: datetime) -> None:
    """The station fetches the image no more by what it was told before."""
    links = FirmwareLink.objects.filter(image=image_id, station=station_id, expires_at__gt=now)
    links.update(expires_at=now)


def open_link(token: str, filename: str) -> FirmwareImage:
    """The image behind an address of :func:`offer`, its bytes checked; counts the request.

    Raises :class:`NotFound` for what is no such address or no longer one, :class:`Conflict` where the bytes
    were changed, which is an alert at the station that asked.
    """
    link = _link(token)
    if link is None or link.image.filename != filename:
        raise NotFound("There is no such file here, or its time is over.")
    now = clock.now()
    if link.expires_at <= now or unusable(link.image, now):
        raise NotFound("There is no such file here, or its time is over.")
    FirmwareLink.objects.filter(pk=link.pk).update(requests=F("requests") + 1, fetched_at=now)
    try:
        require_unchanged(link.image, now)
    except Conflict as error:
        _damaged(link, error.message, now)
        raise
    return link.image


def tidy(now: datetime) -> int:
    """Forget links that nobody can use any more, and files that no image names."""
    links = FirmwareLink.objects.filter(expires_at__lt=now - LINK_KEPT).delete()[0]
    known = FirmwareImage.objects.exclude(file="")
    strays = files.forget_strays(
        FOLDER, lambda names: known.filter(file__in=names).values_list("file", flat=True), now
    )
    return links + strays


def tell(image: FirmwareImage) -> None:
    """Pages that show images look again after the commit."""
    live.announce_on_commit("firmware_image", image.organization_id, image.pk)


def plain_filename(text: str) -> str:
    """The last part of a path or address as a file's name, or one of our own."""
    name = FILE_ENDING.sub("_", text.rpartition("/")[2]).lstrip("._+-")[:100]
    return name.replace("..", "_") or "firmware.bin"


def _link(token: str) -> FirmwareLink | None:
    if not TOKEN.fullmatch(token):
        return None
    digest = keys.digest(token)
    found = FirmwareLink.objects.select_related("image", "station").filter(digest=digest).first()
    return found if found is not None and hmac.compare_digest(bytes(found.digest), digest) else None


def _damaged(link: FirmwareLink, message: str, now: datetime) -> None:
    with atomic():
        FirmwareImage.objects.filter(pk=link.image_id, state=FirmwareImage.State.READY).update(
            state=FirmwareImage.State.DAMAGED, detail=message
        )
        alerts.raise_(
            DAMAGED,
            station_id=link.station_id,
            organization_id=link.organization_id,
            severity=Alert.Severity.CRITICAL,
            detail=f"{message} The station was refused the image {link.image}.",
            at=now,
            subject=str(link.image_id),
        )
        tell(link.image)


def _text(value: Any, name: str, most: int) -> str:
    text = str(value or "").strip()
    if len(text) > most or any(not sign.isprintable() for sign in text):
        raise Invalid(f"This has at most {most} characters, all of them printable.", field=name)
    return text


def _versions(values: Any) -> list[str]:
    found = list(dict.fromkeys(_text(value, "from_versions", 50) for value in values))
    if len(found) > FROM_VERSIONS_MOST:
        raise Invalid(f"Name at most {FROM_VERSIONS_MOST} versions.", field="from_versions")
    return [version for version in found if version]
