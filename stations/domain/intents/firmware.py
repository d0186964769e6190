"""Firmware and logs (2.0.1 blocks L and N01)."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from stations.domain.intents.base import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFirmware(Intent):
    """UpdateFirmware (2.0.1 L01, L02), 1.6 UpdateFirmware or, with a signature, SignedUpdateFirmware.

    ``version`` is what the station should report once it runs the image. With ``image`` the other values are
    those of one of ours; ``signature_optional``: a station that knows no signatures is told without.
    """

    name: ClassVar[str] = "update_firmware"
    permission: ClassVar[str] = "firmware.manage"

    image: UUID | None = None
    location: str = ""
    retrieve_at: datetime | None = None
    install_at: datetime | None = None
    signature: str = ""
    signing_certificate: str = ""
    signature_optional: bool = False
    version: str = ""
    retries: int | None = None
    retry_interval_s: int | None = None
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFirmware(Intent):
    """PublishFirmware (2.0.1 L03): a local controller offers the image to the stations behind it.

    With ``image`` location and checksum are those of one of ours.
    """

    name: ClassVar[str] = "publish_firmware"
    permission: ClassVar[str] = "firmware.manage"

    image: UUID | None = None
    location: str = ""
    checksum: str = ""
    retries: int | None = None
    retry_interval_s: int | None = None
    request_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpublishFirmware(Intent):
    """UnpublishFirmware (2.0.1 L04)."""

    name: ClassVar[str] = "unpublish_firmware"
    permission: ClassVar[str] = "firmware.manage"

    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLog(Intent):
    """GetLog (2.0.1 N01), 1.6 GetDiagnostics where the station has no security extension.

    Without ``location`` the station uploads to us, by the ``transfer`` named (``http`` or ``ftp``) or fitting.
    """

    name: ClassVar[str] = "get_log"
    permission: ClassVar[str] = "firmware.manage"

    kind: str
    location: str = ""
    transfer: str = ""
    oldest_at: datetime | None = None
    latest_at: datetime | None = None
    retries: int | None = None
    retry_interval_s: int | None = None
    request_id: int = 0
