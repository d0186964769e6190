"""UpdateFirmware and PublishFirmware of one of our images: what the station is told, and an address of its own.

Source: OCPP 2.0.1 part 2, L01 (UpdateFirmware) and L03 (PublishFirmware); security.md W-20, W-22.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from core import clock
from core.access import Actor, ActorKind
from core.errors import Conflict, Invalid, Passing
from stations.domain.intents import PublishFirmware, UpdateFirmware
from stations.domain.rollouts import UNDER_WAY
from stations.models import ChargingStation, FirmwareImage
from stations.services import firmware_images
from stations.services.numbers import next_request_id

OFFERED_FOR = timedelta(hours=24)


def prepare_update(station: ChargingStation, intent: UpdateFirmware, by: Actor) -> UpdateFirmware:
    """The request with its number and, of one of our images, everything that the station has to be told.

    Raises :class:`Invalid` without an image and without an address, and where the image is not for the station;
    :class:`Conflict` where its file was changed, or where a rollout is at work on the station.
    """
    _require_no_rollout(station, by)
    numbered = replace(intent, request_id=next_request_id())
    if intent.image is None:
        _require_address(intent.location)
        return numbered
    image = _checked(station, intent.image)
    return replace(
        numbered,
        location=_offer(station, image, intent.retrieve_at),
        version=image.version,
        signature=image.signature,
        signing_certificate=image.signing_certificate,
    )


def prepare_publication(station: ChargingStation, intent: PublishFirmware, by: Actor) -> PublishFirmware:
    """As :func:`prepare_update`; the image is not for the controller itself, so vendor and model are not compared."""
    numbered = replace(intent, request_id=next_request_id())
    if intent.image is None:
        _require_address(intent.location)
        if not intent.checksum:
            raise Invalid("Give the MD5 checksum of the file.", field="checksum")
        return numbered
    image = _of(station, intent.image)
    firmware_images.check(image)
    return replace(numbered, location=_offer(station, image, None), checksum=image.md5)


def _require_no_rollout(station: ChargingStation, by: Actor) -> None:
    at_it = [word.value for word in UNDER_WAY]
    if by.kind is not ActorKind.SYSTEM and station.rollout_rows.filter(status__in=at_it).exists():
        raise Passing("A rollout is updating this station now. Wait for it, or abort the rollout.")


def _require_address(location: str) -> None:
    if not location:
        raise Invalid("Name an image, or the address of the file.", field="image")


def _checked(station: ChargingStation, pk: UUID) -> FirmwareImage:
    image = _of(station, pk)
    if refusal := firmware_images.fits(image, station):
        raise Invalid(refusal.message, field="image")
    firmware_images.check(image)
    return image


def _of(station: ChargingStation, pk: UUID) -> FirmwareImage:
    image = FirmwareImage.objects.filter(pk=pk, organization_id=station.organization_id).first()
    if image is None:
        raise Invalid("There is no such image.", field="image")
    return image


def _offer(station: ChargingStation, image: FirmwareImage, retrieve_at: datetime | None) -> str:
    begins = max(clock.now(), retrieve_at) if retrieve_at else clock.now()
    if begins > clock.now() + timedelta(days=30):
        raise Conflict("An address of the file lasts for 30 days at most. Choose an earlier download.")
    return firmware_images.offer(image, station, begins + OFFERED_FOR)
