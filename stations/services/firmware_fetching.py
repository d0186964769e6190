"""Firmware that is fetched from an address and then checked and kept as an uploaded one (security.md W-17, W-20).

The image's row is the queue: committed first, taken by a worker for a while, free again when the worker dies.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from django.conf import settings
from django.db.transaction import atomic

from core import audit, clock, egress
from core.access import Actor, Permission
from core.errors import DomainError, Invalid, NoRoom
from stations.models import FirmwareImage
from stations.services import files, firmware_images

TAKES_S = 600
TAKEN_FOR = timedelta(seconds=TAKES_S + 300)
TRIES = 3
AGAIN_AFTER = timedelta(minutes=2)
AT_ONCE = 5


class _Fails(Exception):
    """The file cannot be had; ``again`` where a later try may be luckier."""

    def __init__(self, detail: str, *, again: bool) -> None:
        super().__init__(detail)
        self.detail, self.again = detail, again


def request(url: str, values: Mapping[str, Any], *, by: Actor) -> FirmwareImage:
    """A new image whose file a worker fetches; its state tells when it is here. Raises as ``firmware_images.add``.

    Addresses are https, or http where ``EGRESS_ALLOW`` names the host; private networks are refused at once.
    """
    by.require_everywhere(Permission.FIRMWARE_UPLOAD)
    image = firmware_images.draft(values, by)
    image.source_url = _checked_url(url)
    image.filename = firmware_images.plain_filename(unquote(urlsplit(url).path))
    image.fetch_from = clock.now()
    with atomic():
        image.save(force_insert=True)
        changes = {"source_url": [None, image.source_url], "version": [None, image.version]}
        audit.record("firmware_image.requested", image, by=by, changes=changes)
        firmware_images.tell(image)
    return image


def run(now: datetime) -> int:
    """Fetch what waits; answers with how many files were looked for."""
    done = 0
    while done < AT_ONCE and (pk := _take(now)) is not None:
        _fetch(pk)
        done += 1
    return done


def _checked_url(url: str) -> str:
    schemes = _schemes(url)
    if len(url) > 2000:
        raise Invalid("An address has at most 2000 characters.", field="url")
    try:
        egress.check(url, schemes=schemes)
    except (egress.EgressRefused, egress.EgressFailed) as error:
        raise Invalid(str(error), field="url") from error
    return url


def _schemes(url: str) -> frozenset[str]:
    return frozenset({"http", "https"}) if egress.is_listed(url) else egress.HTTPS_ONLY


def _take(now: datetime) -> UUID | None:
    """The next image to be fetched, which no other worker then takes for a while."""
    with atomic():
        waiting = FirmwareImage.objects.select_for_update(skip_locked=True).filter(
            state=FirmwareImage.State.FETCHING, fetch_from__lte=now, retired_at=None
        )
        image = waiting.order_by("fetch_from").first()
        if image is None:
            return None
        image.fetch_tries += 1
        image.fetch_from = now + TAKEN_FOR
        image.save(update_fields=["fetch_tries", "fetch_from"])
        if image.fetch_tries > TRIES:
            _end(image, "The file could not be fetched: each try was broken off.")
            return None
        return image.pk


def _fetch(pk: UUID) -> None:
    image = FirmwareImage.objects.get(pk=pk)
    try:
        kept = _downloaded(image.source_url)
    except _Fails as error:
        _note(pk, error)
        return
    try:
        _arrived(pk, kept)
    except DomainError as error:
        files.delete(kept.name)
        _note(pk, _Fails(error.message, again=False))


def _downloaded(url: str) -> files.Kept:
    try:
        with TemporaryFile() as place:
            answer = egress.download(
                url,
                place,
                most_bytes=settings.FIRMWARE_MAX_BYTES,
                total_s=TAKES_S,
                schemes=_schemes(url),
            )
            if answer.status != 200:
                raise _Fails(f"The server answered with {answer.status}.", again=answer.status >= 500)
            place.seek(0)
            return files.keep(place, firmware_images.FOLDER, most_bytes=settings.FIRMWARE_MAX_BYTES)
    except egress.EgressRefused as error:
        raise _Fails(str(error), again=False) from error
    except egress.EgressFailed as error:
        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in files.FULL
        raise _Fails(NoRoom().message if full else str(error), again=True) from error
    except NoRoom as error:
        raise _Fails(error.message, again=True) from error
    except Invalid as error:
        raise _Fails(error.message, again=False) from error


def _arrived(pk: UUID, kept: files.Kept) -> None:
    with atomic():
        row = FirmwareImage.objects.select_for_update().get(pk=pk)
        if row.state != FirmwareImage.State.FETCHING:
            files.delete(kept.name)
            return
        firmware_images.settle(row, kept)
        row.fetch_from = None
        row.save()
        firmware_images.tell(row)


def _note(pk: UUID, error: _Fails) -> None:
    with atomic():
        row = FirmwareImage.objects.select_for_update().get(pk=pk)
        if row.state != FirmwareImage.State.FETCHING:
            return
        if error.again and row.fetch_tries < TRIES:
            row.fetch_from, row.detail = clock.now() + AGAIN_AFTER, error.detail[:500]
            row.save(update_fields=["fetch_from", "detail"])
            firmware_images.tell(row)
        else:
            _end(row, error.detail)


def _end(row: FirmwareImage, detail: str) -> None:
    row.state, row.detail, row.fetch_from = FirmwareImage.State.FAILED, detail[:500], None
    row.save(update_fields=["state", "detail", "fetch_from"])
    firmware_images.tell(row)
