"""Firmware rollouts as plain rules: waves, windows, when to stop, and what a station's words prove.

A station has the new version when it reports that version, and not because it said ``Installed`` (P232).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from stations.domain.firmware import JobStatus
from stations.domain.words import CommandStatus

DEFAULT_THRESHOLD = 5
DEFAULT_COUNT = 2
DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
"""OCPI's words, as in the restrictions of tariffs."""


class RolloutStatus(StrEnum):
    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    ABORTED = "aborted"


class PausedBy(StrEnum):
    PERSON = "person"
    RULE = "rule"


class Progress(StrEnum):
    """Where one station of a rollout stands. ``INSTALLED``: it reports the new version."""

    WAITING = "waiting"
    SENT = "sent"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    INSTALLING = "installing"
    REBOOTING = "rebooting"
    INSTALLED = "installed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


_R = RolloutStatus
NEXT: Mapping[RolloutStatus, frozenset[RolloutStatus]] = {
    _R.DRAFT: frozenset({_R.AWAITING_APPROVAL, _R.RUNNING}),
    _R.AWAITING_APPROVAL: frozenset({_R.RUNNING, _R.ABORTED}),
    _R.RUNNING: frozenset({_R.PAUSED, _R.DONE, _R.ABORTED}),
    _R.PAUSED: frozenset({_R.RUNNING, _R.DONE, _R.ABORTED}),
    _R.DONE: frozenset({_R.RUNNING}),
    _R.ABORTED: frozenset(),
}
"""``DONE`` goes on where those that failed are tried again."""

_P = Progress
UNDER_WAY = frozenset({_P.SENT, _P.DOWNLOADING, _P.DOWNLOADED, _P.INSTALLING, _P.REBOOTING})
FINISHED = frozenset({_P.INSTALLED, _P.FAILED, _P.UNREACHABLE, _P.SKIPPED, _P.CANCELLED})
LOST = frozenset({_P.FAILED, _P.UNREACHABLE})

OF_JOB: Mapping[str, Progress] = {
    JobStatus.SENT: _P.SENT,
    JobStatus.ACCEPTED: _P.SENT,
    JobStatus.SCHEDULED: _P.SENT,
    JobStatus.DOWNLOADING: _P.DOWNLOADING,
    JobStatus.DOWNLOADED: _P.DOWNLOADED,
    JobStatus.INSTALLING: _P.INSTALLING,
    JobStatus.REBOOTING: _P.REBOOTING,
    JobStatus.INSTALLED: _P.REBOOTING,
}
HOPELESS = frozenset(
    {
        "InvalidSignature",
        "InvalidChecksum",
        "InstallVerificationFailed",
        "InvalidCertificate",
        "RevokedCertificate",
    }
)
"""Words after which the same file fails again."""
LONGEST = 3
"""After so many times the patience with silence an attempt has failed, whatever the station goes on to say."""
UNREACHED = frozenset({"offline", "disconnected", ""})
"""Why a command stayed with us through no fault of the station or ours; an expired one says nothing."""
UNKNOWN_OUTCOMES = frozenset({"timeout", "outcome_unknown", "disconnected"})


@dataclass(frozen=True, slots=True)
class Window:
    """Part of the day by the site's own clock; one whose end is not after its start goes over midnight.

    A day of ``days`` is that of the start; none means all. What the clock skips in spring does not open, what it
    shows twice in autumn is open twice.
    """

    start: time
    end: time
    days: tuple[str, ...] = ()

    def is_open(self, at: datetime, zone: ZoneInfo) -> bool:
        local = at.astimezone(zone)
        clock = local.time()
        if self.start < self.end:
            return self.start <= clock < self.end and self._has(local)
        if clock >= self.start:
            return self._has(local)
        return clock < self.end and self._has(local - timedelta(days=1))

    def _has(self, local: datetime) -> bool:
        return not self.days or DAYS[local.weekday()] in self.days


@dataclass(frozen=True, slots=True)
class StopRule:
    """How many lost stations of a wave pause the rollout. Where one of the two is given, only that one counts."""

    percent: int | None = None
    count: int | None = None

    def reached(self, lost: int, size: int) -> bool:
        if lost <= 0:
            return False
        neither = self.percent is None and self.count is None
        percent = DEFAULT_THRESHOLD if neither else self.percent
        count = DEFAULT_COUNT if neither else self.count
        by_percent = percent is not None and lost * 100 >= percent * size
        return by_percent or (count is not None and lost >= count)


def sizes(total: int, wanted: Sequence[Mapping[str, int]]) -> list[int]:
    """How many stations each wave has. The last takes the rest; waves for which none is left are dropped."""
    plan = wanted or ({"count": 1}, {"percent": 100})
    left, found = total, []
    for place, wave in enumerate(plan):
        size = wave["count"] if "count" in wave else -(-total * wave["percent"] // 100)
        size = left if place == len(plan) - 1 else min(max(1, size), left)
        if size:
            found.append(size)
        left -= size
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one attempt: of its command, of the station's own words, of what it runs now."""

    wanted: str
    runs: str
    booted_at: datetime | None
    connected: bool
    command: str
    left: bool
    error: str = ""
    job: str = ""
    word: str = ""
    detail: str = ""
    said_installed_at: datetime | None = None
    sent_at: datetime
    reported_at: datetime | None = None
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """``again``: another attempt may help. ``spent``: the station had the request, so the attempt counts."""

    progress: Progress
    detail: str = ""
    again: bool = False
    spent: bool = True


def judged(seen: Evidence, now: datetime, silence: timedelta) -> Verdict:
    """Where the station stands. The same evidence always gives the same verdict, however often it is read."""
    if seen.runs and seen.runs == seen.wanted:
        return Verdict(Progress.INSTALLED)
    if not seen.left and seen.command != CommandStatus.PENDING:
        return _never_left(seen)
    if seen.job in (JobStatus.FAILED, JobStatus.REFUSED, JobStatus.REPLACED):
        return _ended_badly(seen)
    refused = seen.command in (CommandStatus.REJECTED, CommandStatus.FAILED)
    if not seen.job and refused and seen.error not in UNKNOWN_OUTCOMES:
        return Verdict(Progress.FAILED, seen.detail or "The station refused the update.", again=True)
    if seen.said_installed_at and seen.booted_at and seen.booted_at > seen.said_installed_at:
        runs = seen.runs or "no version"
        return Verdict(Progress.FAILED, f"The station said Installed, but booted with {runs}.")
    progress = OF_JOB.get(seen.job, Progress.SENT)
    if now - seen.heard_at > silence:
        return _silent(seen, progress)
    if now - seen.sent_at > LONGEST * silence:
        text = f"The update did not come to an end; the last step was {progress.value}."
        return Verdict(Progress.FAILED, text)
    return Verdict(progress, _hint(seen))


def _never_left(seen: Evidence) -> Verdict:
    if seen.command == CommandStatus.NOT_SUPPORTED:
        return Verdict(Progress.FAILED, seen.detail or "The station cannot do this.")
    if seen.command == CommandStatus.CANCELLED:
        return Verdict(Progress.SKIPPED, "A person took the command back.")
    if seen.command == CommandStatus.FAILED and seen.error not in UNREACHED:
        return Verdict(Progress.FAILED, seen.detail or "The command could not be sent.", again=True)
    return Verdict(Progress.WAITING, "The station was not reached.", again=True, spent=False)


def _ended_badly(seen: Evidence) -> Verdict:
    if seen.job == JobStatus.REPLACED:
        return Verdict(Progress.FAILED, "A newer request took the place of this one.")
    if seen.job == JobStatus.REFUSED:
        text = f"The station refused: {seen.detail or 'no reason given'}."
        return Verdict(Progress.FAILED, text, again=seen.detail not in HOPELESS)
    text = f"The station reported {seen.word}."
    return Verdict(Progress.FAILED, text, again=seen.word not in HOPELESS)


def _silent(seen: Evidence, progress: Progress) -> Verdict:
    since = f"{seen.heard_at:%Y-%m-%d %H:%M} UTC"
    if seen.said_installed_at:
        return Verdict(Progress.FAILED if seen.connected else Progress.UNREACHABLE,
                       f"The station said Installed, but reports {seen.runs or 'no version'} still.")  # fmt: skip
    text = f"No word since {since}; the last step was {progress.value}."
    return Verdict(Progress.FAILED if seen.connected else Progress.UNREACHABLE, text)


def _hint(seen: Evidence) -> str:
    if seen.said_installed_at:
        return "The station says Installed; its next boot has to show the version."
    if seen.command in (CommandStatus.TIMED_OUT, CommandStatus.FAILED) and not seen.job:
        return "No answer came; what the station does next is waited for."
    return ""
