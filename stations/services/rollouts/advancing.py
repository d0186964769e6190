"""The engine: takes each rollout as far as it can go now. Safe to kill at any point and to run any number of times.

One transaction a step: judge who is at it, close waves, send some. What a step decided is committed with its
commands, or not at all.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from core import clock, turns
from core.errors import DomainError
from stations.domain.rollouts import (
    LOST,
    UNDER_WAY,
    Evidence,
    PausedBy,
    Progress,
    RolloutStatus,
    Verdict,
    judged,
)
from stations.models import (
    FirmwareRollout,
    RolloutAttempt,
    RolloutStation,
    RolloutWave,
)
from stations.services import firmware_images
from stations.services.rollouts import deciding, judging, sending, telling

SENT_AT_ONCE = 20
MOST_STEPS = 50
MOST_UNSENT = 200
UNSENT_PAUSE_S = 5
LATE = timedelta(days=7)


def advance(now: datetime) -> int:
    """Every rollout that is not over; answers with how many steps changed something."""
    turns.guarded("late rollouts", lambda: believe_late(now))
    unfinished = Exists(RolloutStation.objects.filter(rollout=OuterRef("pk"), finished_at=None))
    active = Q(status__in=[RolloutStatus.RUNNING, RolloutStatus.PAUSED])
    rollouts = FirmwareRollout.objects.filter(active | Q(status=RolloutStatus.ABORTED) & unfinished)
    return sum(
        turns.guarded(pk, partial(_advance_one, pk))
        for pk in list(rollouts.order_by("id").values_list("pk", flat=True))
    )


def believe_late(now: datetime) -> int:
    """Stations that were given up and came back with the new version after all."""
    late = RolloutStation.objects.filter(
        status__in=LOST,
        attempts__gt=0,
        finished_at__gt=now - LATE,
        station__firmware_version=F("rollout__image__version"),
        station__booted_at__gt=F("sent_at"),
    )
    rollouts = set(late.values_list("rollout_id", flat=True))
    return sum(_believe(pk, late, now) for pk in sorted(rollouts))


def _believe(pk: UUID, late: QuerySet[RolloutStation], now: datetime) -> int:
    with atomic():
        rollout = FirmwareRollout.objects.select_for_update().get(pk=pk)
        came = RolloutStation.objects.filter(
            pk__in=list(late.filter(rollout=pk).values_list("pk", flat=True))
        )
        came = came.filter(status__in=LOST)
        for wave in rollout.waves.filter(rows__in=came, pardoned__gt=0).distinct():
            wave.pardoned = max(0, wave.pardoned - came.filter(wave=wave).count())
            wave.save(update_fields=["pardoned"])
        count = came.update(
            status=Progress.INSTALLED.value, detail="It came late with the new version.", status_at=now
        )
        telling.changed(rollout)
    return count


def step(pk: UUID, now: datetime) -> bool:
    """One step of one rollout; whether more may follow at once. ``False`` where another process is at it."""
    with atomic():
        rollout = (
            FirmwareRollout.objects.select_related("image")
            .select_for_update(of=("self",), skip_locked=True)
            .filter(pk=pk)
            .first()
        )
        if rollout is None:
            return False
        if rollout.status == RolloutStatus.ABORTED:
            deciding.take_back(rollout)
        moved = _judge(rollout, now)
        if rollout.status == RolloutStatus.RUNNING:
            moved |= _waves(rollout, now)
        if rollout.status == RolloutStatus.RUNNING:
            moved |= _send(rollout, now)
        moved |= _close(rollout, now)
        if moved:
            telling.changed(rollout, finished=rollout.status == RolloutStatus.DONE)
        return moved


def _advance_one(pk: UUID) -> int:
    done = 0
    while done < MOST_STEPS and step(pk, clock.now()):
        done += 1
    return done


def _judge(rollout: FirmwareRollout, now: datetime) -> bool:
    """Read what became of who was told. A failed one that is at it again by itself is followed, not told anew."""
    told = Q(status__in=UNDER_WAY) | Q(status=Progress.WAITING, attempts__gt=0)
    rows = list(rollout.rows.filter(told).select_related("station__presence").order_by("id"))
    known = judging.evidence(rows, rollout.image.version)
    moved = False
    for row in rows:
        attempt, seen = known[row.pk]
        verdict = judged(seen, now, rollout.silence)
        if row.status == Progress.WAITING and not _goes_on(attempt, seen, verdict):
            continue
        moved |= _write(rollout, row, attempt, verdict, now)
    return moved | _overtaken(rollout, now)


def _goes_on(attempt: RolloutAttempt, seen: Evidence, verdict: Verdict) -> bool:
    """Whether a station that was to be told anew shows by a word of its own that it is at it again, or done."""
    if verdict.progress is Progress.INSTALLED:
        return True
    ended = attempt.ended_at
    spoke = seen.reported_at is not None and (ended is None or seen.reported_at > ended)
    return verdict.progress in UNDER_WAY and spoke


def _write(
    rollout: FirmwareRollout, row: RolloutStation, attempt: RolloutAttempt, verdict: Verdict, now: datetime
) -> bool:
    if not verdict.spent and row.attempts >= MOST_UNSENT:
        verdict = Verdict(Progress.UNREACHABLE, "It was not reached in many tries.")
    if verdict.progress in UNDER_WAY:
        return _note(row, verdict, now)
    if attempt.ended_at is None:
        attempt.outcome, attempt.detail = verdict.progress.value, verdict.detail[:500]
        attempt.ended_at = now
        attempt.save(update_fields=["outcome", "detail", "ended_at"])
    row.failures += verdict.progress is Progress.FAILED
    if _tries_on(rollout, row, verdict):
        wait_s = rollout.retry_seconds if verdict.spent else UNSENT_PAUSE_S
        row.next_try_at = now + timedelta(seconds=wait_s)
        row.status, row.detail, row.status_at = Progress.WAITING.value, verdict.detail[:500], now
        row.save()
        return True
    row.save(update_fields=["failures"])
    if verdict.progress is Progress.WAITING:
        verdict = Verdict(Progress.CANCELLED, "The rollout was aborted.")
    deciding.finish(row, verdict.progress, verdict.detail, now)
    return True


def _note(row: RolloutStation, verdict: Verdict, now: datetime) -> bool:
    """How far the station is; whether that is new."""
    if (row.status, row.detail) == (verdict.progress.value, verdict.detail):
        return False
    if row.status != verdict.progress.value:
        row.status_at = now
    row.status, row.detail = verdict.progress.value, verdict.detail[:500]
    row.save(update_fields=["status", "detail", "status_at"])
    return True


def _tries_on(rollout: FirmwareRollout, row: RolloutStation, verdict: Verdict) -> bool:
    goes_on = rollout.status in (RolloutStatus.RUNNING, RolloutStatus.PAUSED)
    return verdict.again and goes_on and (not verdict.spent or row.failures <= rollout.retries)


def _overtaken(rollout: FirmwareRollout, now: datetime) -> bool:
    """Stations that wait and run the version already, or waited offline for too long."""
    waiting = rollout.rows.filter(status=Progress.WAITING).order_by("id")
    has_it = list(waiting.filter(attempts=0, station__firmware_version=rollout.image.version))
    for row in has_it:
        deciding.finish(row, Progress.SKIPPED, "It runs this version already.", now)
    before = now - timedelta(seconds=rollout.catch_up_seconds)
    gone = Q(station__presence__disconnected_at=None) | Q(station__presence__disconnected_at__lt=before)
    away = list(waiting.filter(gone, wave__started_at__lt=before, station__presence__connected=False))
    for row in away:
        deciding.finish(row, Progress.UNREACHABLE, "The station did not connect in time.", now)
    return bool(has_it or away)


def _waves(rollout: FirmwareRollout, now: datetime) -> bool:
    """Apply the stop rule, let a wave pass, begin the next."""
    waves = list(rollout.waves.select_for_update().order_by("number"))
    for wave in waves:
        if wave.started_at is not None and _stopped(rollout, wave):
            return True
    current = next((wave for wave in waves if wave.passed_at is None), None)
    if current is None:
        return False
    if current.started_at is None:
        current.started_at = now
        current.save(update_fields=["started_at"])
        return True
    return _pass(rollout, current, now)


def _stopped(rollout: FirmwareRollout, wave: RolloutWave) -> bool:
    lost = deciding.lost_in(wave) - wave.pardoned
    if not rollout.stop_rule.reached(lost, wave.size):
        return False
    text = f"{lost} of the {wave.size} stations of wave {wave.number} failed or went silent."
    deciding.halt(rollout, PausedBy.RULE, text)
    return True


def _pass(rollout: FirmwareRollout, wave: RolloutWave, now: datetime) -> bool:
    """Offline stations do not hold a wave up, but somebody has to have come through before the next begins."""
    open_ = wave.rows.filter(finished_at=None)
    if open_.filter(Q(status__in=UNDER_WAY) | Q(station__presence__connected=True)).exists():
        return False
    installed = wave.rows.filter(status=Progress.INSTALLED)
    if not installed.exists() and not wave.released:
        if open_.exists():
            return False
        if wave.rows.exclude(status=Progress.SKIPPED).exists():
            text = f"No station of wave {wave.number} was installed. Look why before you go on."
            deciding.halt(rollout, PausedBy.RULE, text)
            return True
    if wave.ended_at is None:
        wave.ended_at = now
        wave.save(update_fields=["ended_at"])
        return True
    last = wave.number == rollout.waves.count()
    if not last and now < wave.ended_at + timedelta(seconds=rollout.soak_seconds):
        return False
    if not last and _sick(rollout, wave):
        return True
    wave.passed_at = now
    wave.save(update_fields=["passed_at"])
    return True


def _sick(rollout: FirmwareRollout, wave: RolloutWave) -> bool:
    """The gate after the soak: who was installed is online and without a fault."""
    if wave.released:
        return False
    sick = Q(station__presence__connected=False) | Q(station__evses__connectors__status="Faulted")
    found = wave.rows.filter(sick, status=Progress.INSTALLED).distinct().count()
    lost = deciding.lost_in(wave) - wave.pardoned
    if not found or not rollout.stop_rule.reached(found + lost, wave.size):
        return False
    text = f"{found} stations of wave {wave.number} are offline or faulted after the update."
    deciding.halt(rollout, PausedBy.RULE, text)
    return True


def _send(rollout: FirmwareRollout, now: datetime) -> bool:
    """Tell who may be told, after another look at the image: hash, signature and dates (W-20)."""
    rows, noted = sending.candidates(rollout, now)
    if not rows:
        return noted
    try:
        firmware_images.check(rollout.image)
    except DomainError as error:
        deciding.halt(rollout, PausedBy.RULE, error.message)
        return True
    for row in rows[:SENT_AT_ONCE]:
        sending.send(rollout, row, now)
    return True


def _close(rollout: FirmwareRollout, now: datetime) -> bool:
    """All have ended: the rollout is done."""
    if rollout.status not in (RolloutStatus.RUNNING, RolloutStatus.PAUSED):
        return False
    if rollout.paused_by == PausedBy.RULE or rollout.rows.filter(finished_at=None).exists():
        return False
    rollout.paused_by, rollout.detail, rollout.ended_at = "", "", now
    deciding.move(rollout, RolloutStatus.DONE)
    return True
