"""Firmware and log jobs: what stations report of them, in the words of 2.0.1, and what it means for the job.

States come in any order and repetition, before the answer to our request, and without any request (P230).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FirmwareKind(StrEnum):
    """Whether the station installs the image itself or publishes it for others in its network."""

    UPDATE = "update"
    PUBLISH = "publish"


class JobStatus(StrEnum):
    """Where a firmware or log job stands. ``SENT`` until the station says something of it."""

    SENT = "sent"
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    INSTALLING = "installing"
    REBOOTING = "rebooting"
    INSTALLED = "installed"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    NOTHING = "nothing"
    FAILED = "failed"
    REFUSED = "refused"
    REPLACED = "replaced"


_S = JobStatus
MEANING: Mapping[str, JobStatus] = {
    "DownloadScheduled": _S.SCHEDULED,
    "Downloading": _S.DOWNLOADING,
    "DownloadPaused": _S.DOWNLOADING,
    "Downloaded": _S.DOWNLOADED,
    "SignatureVerified": _S.DOWNLOADED,
    "ChecksumVerified": _S.DOWNLOADED,
    "InstallScheduled": _S.DOWNLOADED,
    "Installing": _S.INSTALLING,
    "InstallRebooting": _S.REBOOTING,
    "Installed": _S.INSTALLED,
    "Published": _S.PUBLISHED,
    "DownloadFailed": _S.FAILED,
    "InvalidSignature": _S.FAILED,
    "InvalidChecksum": _S.FAILED,
    "InstallationFailed": _S.FAILED,
    "InstallVerificationFailed": _S.FAILED,
    "PublishFailed": _S.FAILED,
    "Uploading": _S.UPLOADING,
    "Uploaded": _S.UPLOADED,
    "UploadFailure": _S.FAILED,
    "BadMessage": _S.FAILED,
    "NotSupportedOperation": _S.FAILED,
    "PermissionDenied": _S.FAILED,
    "AcceptedCanceled": _S.REPLACED,
}
"""What each reported word means; others, such as ``Idle``, are kept as a step and change nothing."""

RANK: Mapping[JobStatus, int] = {status: rank for rank, status in enumerate(_S)}
ENDED = frozenset({_S.INSTALLED, _S.PUBLISHED, _S.WITHDRAWN, _S.UPLOADED, _S.NOTHING, _S.FAILED, _S.REFUSED,
                   _S.REPLACED})  # fmt: skip
DONE = frozenset({_S.INSTALLED, _S.PUBLISHED, _S.WITHDRAWN, _S.UPLOADED})
MAY_GO_ON = frozenset({_S.FAILED, _S.NOTHING})
"""Ended, but a station that tries again may yet come through."""


def following(present: JobStatus, word: str) -> JobStatus:
    """The job's status after the station reported ``word``: late words do not turn it back."""
    meant = MEANING.get(word)
    if meant is None or present in ENDED - MAY_GO_ON:
        return present
    if meant in ENDED or present in MAY_GO_ON:
        return meant
    return meant if RANK[meant] > RANK[present] else present


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareStateReported:
    """FirmwareStatusNotification and its kin (2.0.1 L01, L03). No ``request_id``: that of the latest request."""

    kind: FirmwareKind
    status: str
    request_id: int | None = None
    detail: str = ""
    locations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStateReported:
    """LogStatusNotification (2.0.1 N01), 1.6 DiagnosticsStatusNotification."""

    status: str
    request_id: int | None = None
    detail: str = ""
