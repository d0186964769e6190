"""What people decide about a rollout: start, approve, pause, go on, abort, try again, go back (security.md W-21)."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.db.transaction import atomic

from core import access, audit, clock
from core.access import Actor
from core.errors import Conflict, DomainError, Invalid, NotFound, NotPermitted, Passing
from stations.domain.rollouts import LOST, NEXT, PausedBy, Progress, RolloutStatus
from stations.models import Command, FirmwareImage, FirmwareRollout, RolloutStation, RolloutWave
from stations.services import commands, firmware_images, second_person
from stations.services.access import person_behind
from stations.services.rollouts import planning, telling

TAKEN = "Another rollout took one of the stations meanwhile. Try it again."
SAID = {
    RolloutStatus.DRAFT: "The rollout has not started.",
    RolloutStatus.AWAITING_APPROVAL: "The rollout waits for the approval of a second person.",
    RolloutStatus.RUNNING: "The rollout is running.",
    RolloutStatus.PAUSED: "The rollout is paused.",
    RolloutStatus.DONE: "The rollout is done.",
    RolloutStatus.ABORTED: "The rollout was aborted.",
}


def start(rollout: FirmwareRollout, *, by: Actor, expected: str = "") -> FirmwareRollout:
    """Freeze who takes part. Above ``SECOND_PERSON_ABOVE`` stations, with those that the same person told
    alone within a day, it then waits for another's approval.

    ``expected`` is the fingerprint of the preview that was looked at (:func:`planning.fingerprint`).
    Raises :class:`Conflict` for what was started or has changed, :class:`Invalid` where no station fits.
    """
    planning.require(rollout, by)
    try:
        with atomic():
            row = _locked(rollout, RolloutStatus.DRAFT)
            _freeze(row, expected)
            row.requested_by, row.requested_owner = by.label[:200], person_behind(by)
            row.requested_at = clock.now()
            included = set(_included(row))
            needs_two = second_person.are_too_many(included, by=by)
            move(row, RolloutStatus.AWAITING_APPROVAL if needs_two else RolloutStatus.RUNNING)
            changes = {
                "sha256": [None, row.image.sha256],
                "stations": [None, sorted(str(pk) for pk in included)],
            }
            audit.record("rollout.started", row, by=by, changes=changes)
            telling.changed(row)
    except IntegrityError as error:
        raise Passing(TAKEN, retry_after_s=1) from error
    return row


def approve(rollout: FirmwareRollout, *, by: Actor) -> FirmwareRollout:
    """The second person's word. Raises :class:`NotPermitted` for who asked for it themselves."""
    planning.require(rollout, by)
    with atomic():
        row = _locked(rollout, RolloutStatus.AWAITING_APPROVAL)
        if person_behind(by) == row.requested_owner:
            raise NotPermitted("Who started a rollout cannot approve it. Ask another person.")
        row.approved_by, row.approved_at = by.label[:200], clock.now()
        move(row, RolloutStatus.RUNNING)
        audit.record("rollout.approved", row, by=by, changes={"sha256": [None, row.image.sha256]})
        telling.changed(row)
    return row


def pause(rollout: FirmwareRollout, *, by: Actor) -> FirmwareRollout:
    """Nothing more is sent; stations that are at it go on, and are followed."""
    planning.require(rollout, by)
    with atomic():
        row = _locked(rollout, RolloutStatus.RUNNING)
        halt(row, PausedBy.PERSON, "")
        audit.record("rollout.paused", row, by=by)
    return row


def halt(row: FirmwareRollout, who: PausedBy, detail: str) -> None:
    """Pause a rollout whose row is locked."""
    row.paused_by, row.detail = who.value, detail[:500]
    move(row, RolloutStatus.PAUSED)
    telling.changed(row)


def resume(rollout: FirmwareRollout, *, by: Actor) -> FirmwareRollout:
    """Go on in spite of what was lost so far; the stop rule counts what is lost from now on."""
    planning.require(rollout, by)
    with atomic():
        row = _locked(rollout, RolloutStatus.PAUSED)
        if row.paused_by == PausedBy.RULE:
            _pardon(row)
        row.paused_by, row.detail = "", ""
        move(row, RolloutStatus.RUNNING)
        audit.record("rollout.resumed", row, by=by)
        telling.changed(row)
    return row


def _pardon(row: FirmwareRollout) -> None:
    """What was lost so far no longer stops the rollout, and the wave that was held may pass."""
    for wave in row.waves.exclude(started_at=None):
        wave.pardoned, wave.released = lost_in(wave), wave.released or wave.passed_at is None
        wave.save(update_fields=["pardoned", "released"])


def abort(rollout: FirmwareRollout, *, by: Actor) -> FirmwareRollout:
    """End it: who waits is cancelled, who is at it is followed to the end, for nothing can be taken back."""
    planning.require(rollout, by)
    with atomic():
        row = _locked(rollout, RolloutStatus.AWAITING_APPROVAL, RolloutStatus.RUNNING, RolloutStatus.PAUSED)
        now = clock.now()
        for one in row.rows.select_for_update().filter(status=Progress.WAITING).order_by("id"):
            finish(one, Progress.CANCELLED, "The rollout was aborted.", now)
        row.paused_by, row.detail, row.ended_at = "", "", now
        move(row, RolloutStatus.ABORTED)
        audit.record("rollout.aborted", row, by=by)
        telling.changed(row, finished=True)
    take_back(row)
    return row


def leave_out(rollout: FirmwareRollout, station: UUID, *, by: Actor) -> RolloutStation:
    """Take one station out that still waits. Raises :class:`Conflict` for one that is at it or has ended."""
    planning.require(rollout, by)
    with atomic():
        row = _locked(rollout, *(set(RolloutStatus) - {RolloutStatus.DRAFT}))
        one = row.rows.select_for_update().filter(station=station).first()
        if one is None:
            raise NotFound("The station is not part of this rollout.")
        if one.status != Progress.WAITING:
            raise Conflict("Only a station that still waits can be left out.")
        finish(one, Progress.SKIPPED, "A person left it out.", clock.now())
        audit.record("rollout.station_left_out", row, by=by, changes={"station": [None, str(station)]})
        telling.changed(row)
    return one


def retry(rollout: FirmwareRollout, *, by: Actor) -> FirmwareRollout:
    """Try the stations again that failed or were not reached. Raises :class:`Conflict` where there are none."""
    planning.require(rollout, by)
    try:
        with atomic():
            row = _locked(rollout, RolloutStatus.RUNNING, RolloutStatus.PAUSED, RolloutStatus.DONE)
            lost = row.rows.filter(status__in=LOST, wave__isnull=False)
            now = clock.now()
            again = lost.update(
                status=Progress.WAITING.value, finished_at=None, failures=0, next_try_at=None, status_at=now
            )
            if not again:
                raise Conflict("No station failed or was unreachable; there is nothing to try again.")
            row.waves.exclude(started_at=None).update(pardoned=0, released=False, started_at=now)
            if row.status == RolloutStatus.DONE:
                row.ended_at = None
                move(row, RolloutStatus.RUNNING)
            audit.record("rollout.retried", row, by=by, changes={"stations": [None, again]})
            telling.changed(row)
    except IntegrityError as error:
        raise Passing(TAKEN, retry_after_s=1) from error
    return row


def rollback(rollout: FirmwareRollout, *, by: Actor, image: FirmwareImage | None = None) -> FirmwareRollout:
    """A draft that brings the stations back to the image before. Raises :class:`Invalid` where none is known."""
    planning.require(rollout, by)
    rows = rollout.rows.filter(attempts__gt=0)
    stations = list(rows.values_list("station_id", flat=True))
    chosen = image or _image_before(rollout, rows.values_list("version_before", flat=True))
    if not stations:
        raise Conflict("No station was updated; there is nothing to go back to.")
    if chosen is None:
        raise Invalid("There is no image of the version before. Upload it, or choose one.", field="image")
    return planning.draft(
        {"image": chosen, "stations": stations, "rollback_of": rollout, "name": f"Rollback: {rollout}"[:100]},
        by=by,
    )


def finish(one: RolloutStation, progress: Progress, detail: str, now: datetime) -> None:
    """Write the end of a station, whose rollout is locked; its address of the file ends with it (W-22)."""
    firmware_images.end_links(one.rollout.image_id, one.station_id, now)
    one.status, one.detail = progress.value, detail[:500]
    one.finished_at = one.status_at = now
    one.save(update_fields=["status", "detail", "finished_at", "status_at"])


def lost_in(wave: RolloutWave) -> int:
    """Stations of the wave that failed, or went silent after they had been told to update."""
    failed = wave.rows.filter(status=Progress.FAILED).count()
    return failed + wave.rows.filter(status=Progress.UNREACHABLE, attempts__gt=0).count()


def move(row: FirmwareRollout, to: RolloutStatus) -> None:
    """The next state of a rollout whose row is locked, by the one table."""
    assert to in NEXT[RolloutStatus(row.status)], (row.status, to)
    row.status = to.value
    if to is RolloutStatus.RUNNING and row.started_at is None:
        row.started_at = clock.now()
    row.save()


def _locked(rollout: FirmwareRollout, *allowed: RolloutStatus) -> FirmwareRollout:
    row = FirmwareRollout.objects.select_related("image").select_for_update(of=("self",)).get(pk=rollout.pk)
    if row.retired_at is not None:
        raise Conflict("The rollout was taken out of the list.")
    if row.status not in allowed:
        raise Conflict(SAID[RolloutStatus(row.status)])
    return row


def _freeze(row: FirmwareRollout, expected: str) -> None:
    found = planning.preview(row)
    if not found.included:
        raise Invalid("No station fits. The preview says why each of them is left out.", field="filter")
    if expected and expected != planning.fingerprint(row, found):
        raise Conflict(
            "What the rollout would do has changed since you looked. Look at it again, then start it."
        )
    now = clock.now()
    common = {"organization_id": row.organization_id, "rollout": row, "status_at": now}
    rows = []
    for number, stations in enumerate(found.waves, start=1):
        wave = RolloutWave.objects.create(rollout=row, number=number, size=len(stations))
        rows += [
            RolloutStation(wave=wave, station=one, version_before=one.firmware_version, **common)
            for one in stations
        ]
    rows += [
        RolloutStation(
            station=one,
            version_before=one.firmware_version,
            status=Progress.SKIPPED.value,
            detail=why[:500],
            finished_at=now,
            **common,
        )
        for one, why in found.left_out
    ]
    RolloutStation.objects.bulk_create(rows, batch_size=500)


def _included(row: FirmwareRollout) -> Iterable[UUID]:
    return row.rows.exclude(wave=None).values_list("station_id", flat=True)


def take_back(row: FirmwareRollout) -> None:
    """Cancel the commands of a rollout that have not left yet; the engine sees what became of them."""
    unsent = row.rows.filter(tries__command__status="pending").values_list("tries__command", flat=True)
    for command in Command.objects.filter(pk__in=list(unsent)):
        try:
            commands.cancel(command, by=access.system("rollout"))
        except DomainError:
            continue  # it left meanwhile


def _image_before(rollout: FirmwareRollout, versions: Iterable[str]) -> FirmwareImage | None:
    common = Counter(filter(None, versions)).most_common(1)
    if not common:
        return None
    live = FirmwareImage.objects.live().filter(organization_id=rollout.organization_id, version=common[0][0])
    return live.filter(vendor=rollout.image.vendor, model=rollout.image.model).order_by("-id").first()
