"""Which image fits which station, and where the station fetches it."""

from dataclasses import dataclass
from datetime import datetime

from core.errors import Conflict
from stations.models import ChargingStation, FirmwareImage


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an image is not for a station."""

    message: str


def fits(image: FirmwareImage, station: ChargingStation) -> Refusal | None:
    """``None`` where the station's vendor, model and present version are what the image is for."""
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


def offer(image: FirmwareImage, station: ChargingStation, until: datetime) -> str:
    """The address at which this station fetches the image until then. Raises :class:`Conflict` without one."""
    if not image.source_url:
        raise Conflict("The image has no address to fetch it from.")
    return image.source_url
