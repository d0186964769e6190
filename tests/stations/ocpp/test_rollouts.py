"""Firmware rollouts on the wire: waves, the rule that stops, when an installation is believed (F-11, W-20, W-21)."""

import base64
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.files.storage import storages

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Event, Organization, OutboxRow
from core.services import keys as core_keys
from stations.domain import intents
from stations.models import (
    Command,
    FirmwareImage,
    FirmwareJob,
    FirmwareLink,
    FirmwareRollout,
    Presence,
    RolloutAttempt,
    Transaction,
)
from stations.services import access, commands, firmware_images, rollouts, stations
from stations.services import sites as site_services
from stations.services.rollouts import advancing, planning, sending
from tests import factories, pki
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS
from tests.stations.ocpp.fleet import NEW, OLD, Member, advance, draft, fleet, in_order, row
from tests.waiting import eventually


@pytest.fixture
def image(alice: Actor) -> FirmwareImage:
    return factories.make_image(alice, version=NEW)


def started(image: FirmwareImage, members: list[Member], by: Actor, **values: Any) -> FirmwareRollout:
    rollout = rollouts.start(draft(image, members, by, **values), by=by)
    advance()
    return rollout


def status(rollout: FirmwareRollout) -> str:
    rollout.refresh_from_db()
    return rollout.status


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_is_told_once_and_installed_when_it_boots_with_the_version(
    live: Server, alice: Actor, image: FirmwareImage, version: str
) -> None:
    with fleet(live, alice, 1, (version,)) as (one,):
        rollout = started(image, [one], alice)
        call = one.take()
        advance()
        assert row(rollout, one).status == "sent"
        one.report("Downloading")
        advance()
        assert row(rollout, one).status == "downloading"
        one.report("Downloaded", "Installing", "Installed")
        advance()
        assert row(rollout, one).status == "rebooting", "the word of the station alone is not believed"
        one.boot(NEW)
        advance()
        assert one.hears_nothing()

    assert call[2] == "UpdateFirmware"
    assert "/files/firmware/" in str(call[3])
    assert not FirmwareLink.objects.filter(station=one.station, expires_at__gt=clock.now()).exists()
    done = row(rollout, one)
    assert (done.status, done.attempts, done.version_before) == ("installed", 1, OLD)
    assert status(rollout) == "done"
    types = told(rollout)
    assert (types[-1], types.count("rollout.finished")) == ("rollout.finished", 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_that_says_installed_and_boots_with_the_old_version_has_failed(
    live: Server, alice: Actor, image: FirmwareImage, version: str
) -> None:
    with fleet(live, alice, 1, (version,)) as (one,):
        rollout = started(image, [one], alice)
        one.take()
        one.report("Installing", "Installed")
        one.boot(OLD)
        advance()

    failed = row(rollout, one)
    assert failed.status == "failed"
    assert "booted with 1.0" in failed.detail
    assert status(rollout) == "paused"


def test_states_in_any_order_and_twice_end_in_one_state(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 3) as members:
        rollout = started(image, members, alice)
        for one in members:
            one.take()
            one.report("Installing", "Downloading", "Downloading", "Installed", "Downloaded")
        advance()
        assert {row(rollout, one).status for one in members} == {"rebooting"}
        for one in members:
            one.boot(NEW)
            one.report("Downloading")
        advance()
        advance()

    assert {row(rollout, one).status for one in members} == {"installed"}
    assert status(rollout) == "done"


def test_the_next_wave_begins_only_after_the_one_before_came_through_and_soaked(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 3) as members:
        rollout = started(
            image, members, alice, waves_wanted=[{"count": 1}, {"percent": 100}], soak_seconds=600
        )
        first, *others = in_order(rollout, members)
        first.install()
        advance()
        assert all(one.hears_nothing() for one in others)
        with time_machine.travel(clock.now() + timedelta(seconds=601)):
            advance()
            for one in others:
                one.take()

    assert [wave.passed_at is not None for wave in rollout.waves.all()] == [True, False]


def test_two_failures_of_a_wave_stop_the_rollout_and_no_further_station_is_told(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 5) as members:
        rollout = started(
            image, members, alice, waves_wanted=[{"count": 3}, {"percent": 100}], failure_count=2
        )
        *wave, fourth, fifth = in_order(rollout, members)
        wave[0].fail()
        advance()
        assert status(rollout) == "running"
        wave[1].fail()
        advance()
        wave[2].install()
        advance()
        assert (fourth.hears_nothing(), fifth.hears_nothing()) == (True, True)

    assert (status(rollout), rollout.paused_by) == ("paused", "rule")
    assert "2 of the 3 stations of wave 1" in rollout.detail
    assert row(rollout, wave[2]).status == "installed", "who is at it is followed while it is paused"
    assert {row(rollout, one).status for one in (fourth, fifth)} == {"waiting"}


def test_who_goes_on_after_failures_is_stopped_only_by_further_ones(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 3) as members:
        rollout = started(
            image, members, alice, waves_wanted=[{"count": 1}, {"percent": 100}], failure_count=1
        )
        first, *others = in_order(rollout, members)
        first.fail()
        advance()
        assert status(rollout) == "paused"
        rollouts.resume(rollout, by=alice)
        advance()
        for one in others:
            one.install()
        advance()

    assert status(rollout) == "done"
    assert row(rollout, first).status == "failed"


def test_f11_m06_whatever_the_worker_does_twice_a_station_gets_one_update_for_each_attempt(
    live: Server, alice: Actor, image: FirmwareImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet(live, alice, 2) as members:
        rollout = rollouts.start(draft(image, members, alice), by=alice)
        real, calls = sending.send, []

        def dies_after_the_first(*values: Any) -> None:
            real(*values)
            calls.append(values)
            raise SystemExit

        monkeypatch.setattr(sending, "send", dies_after_the_first)
        with pytest.raises(SystemExit):
            advance()
        assert calls
        assert not Command.objects.filter(station__in=[one.station for one in members]).exists()
        monkeypatch.undo()
        for _ in range(3):
            advance()
        for one in members:
            one.take()
            assert one.hears_nothing()

    tries = RolloutAttempt.objects.filter(row__rollout=rollout)
    assert sorted(tries.values_list("number", flat=True)) == [1, 1]


def test_a_failed_station_is_tried_again_as_often_as_wished_and_each_try_is_a_new_request(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = started(image, [one], alice, retries=1, retry_seconds=60)
        one.fail()
        advance()
        assert (row(rollout, one).status, status(rollout)) == ("waiting", "running")
        assert one.hears_nothing()
        with time_machine.travel(clock.now() + timedelta(seconds=61)):
            advance()
            one.fail()
            advance()

    last = row(rollout, one)
    assert (last.status, last.attempts) == ("failed", 2)
    assert len(set(last.tries.values_list("request_id", flat=True))) == 2


def test_a_word_after_which_the_same_file_fails_again_is_not_tried_again(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1, ("2.1",)) as (one,):
        rollout = started(image, [one], alice, retries=3)
        one.take()
        one.report("InvalidSignature")
        advance()

    assert (row(rollout, one).status, row(rollout, one).attempts) == ("failed", 1)


def test_an_offline_station_is_caught_up_with_and_holds_up_nobody(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 2) as members:
        here, away = members
        away.socket.__exit__()
        offline(away)
        rollout = started(image, members, alice)
        here.install()
        advance()
        assert row(rollout, away).detail == sending.OFFLINE
        assert status(rollout) == "running"
        with away.charger.dial(away.socket.version) as socket:
            back = Member(away.charger, socket)
            back.boot(OLD)
            advance()
            back.install()
            advance()

    assert status(rollout) == "done"
    assert row(rollout, away).status == "installed"


def test_a_station_that_never_comes_back_is_unreachable_and_counts_as_lost(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = started(image, [one], alice, silence_seconds=600)
        one.take()
        one.report("Installing")
        advance()
    offline(one)
    with time_machine.travel(clock.now() + timedelta(seconds=601)):
        advance()

    lost = row(rollout, one)
    assert lost.status == "unreachable"
    assert "last step was installing" in lost.detail
    assert (status(rollout), rollout.paused_by) == ("paused", "rule")


def test_a_station_that_was_given_up_and_comes_late_with_the_version_is_installed(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = started(image, [one], alice)
        one.fail()
        advance()
        assert row(rollout, one).status == "failed"
        one.boot(NEW)
        advance()

    assert row(rollout, one).status == "installed"


def test_a_running_session_is_waited_for(live: Server, alice: Actor, image: FirmwareImage) -> None:
    with fleet(live, alice, 1) as (one,):
        evse = stations.add_evse(one.station, 1)
        session = Transaction.objects.create(
            organization=one.station.organization, site=one.station.site, station=one.station, evse=evse,
            reference="1", started_at=clock.now(), last_event_at=clock.now(),
        )  # fmt: skip
        rollout = started(image, [one], alice)
        assert one.hears_nothing()
        assert row(rollout, one).detail == sending.BUSY
        Transaction.objects.filter(pk=session.pk).update(status="ended", ended_at=clock.now())
        advance()
        one.take()


def test_nothing_is_sent_outside_of_the_window_of_the_site(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        local = clock.now().astimezone(ZoneInfo(one.station.site.time_zone))
        start, end = (local + timedelta(hours=2)).time(), (local + timedelta(hours=3)).time()
        rollout = started(image, [one], alice, window_start=start, window_end=end)
        assert one.hears_nothing()
        assert row(rollout, one).detail == sending.SHUT
        with time_machine.travel(clock.now() + timedelta(hours=2, minutes=10)):
            advance()
            one.take()


def test_at_most_the_wished_number_of_a_site_is_at_it_at_once(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 3) as members:
        rollout = started(image, members, alice, concurrency=1)
        assert rollout.rows.filter(status="sent").count() == 1
        advance()
        assert rollout.rows.filter(status="sent").count() == 1


def test_w20_changed_bytes_stop_the_rollout_before_any_station_is_told(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = rollouts.start(draft(image, [one], alice), by=alice)
        storage = storages["files"]
        with storage.open(image.file, "wb") as file:
            file.write(b"something else altogether")
        advance()
        assert one.hears_nothing()

    assert (status(rollout), rollout.paused_by) == ("paused", "rule")
    assert "no longer the one that was uploaded" in rollout.detail
    assert row(rollout, one).attempts == 0


@pytest.mark.parametrize(
    ("version", "extension", "action"),
    [
        ("1.6", False, "UpdateFirmware"),
        ("1.6", True, "SignedUpdateFirmware"),
        ("2.0.1", False, "UpdateFirmware"),
        ("2.1", False, "UpdateFirmware"),
    ],
)
def test_a_signed_image_goes_with_its_signature_to_every_station_that_checks_one(
    live: Server, alice: Actor, version: str, extension: bool, action: str
) -> None:
    image = signed_image(alice)
    with fleet(live, alice, 1, (version,)) as (one,):
        if extension:
            event = {"type": "StartupOfTheDevice", "timestamp": clock.to_wire(clock.now())}
            one.socket.call("SecurityEventNotification", event)
        rollout = started(image, [one], alice)
        call = one.take()
        one.report("Downloading", "Downloaded", "Installing")
        one.boot(NEW)
        advance()

    told_signature = call[3].get("firmware", {}).get("signature")
    assert call[2] == action
    assert told_signature == (None if action == "UpdateFirmware" and version == "1.6" else image.signature)
    assert row(rollout, one).status == "installed"


def test_w20_an_expired_certificate_stops_the_rollout_before_any_station_is_told(
    live: Server, alice: Actor
) -> None:
    image = signed_image(alice, days=3)
    with fleet(live, alice, 1) as (one,):
        rollout = rollouts.start(draft(image, [one], alice), by=alice)
        with time_machine.travel(clock.now() + timedelta(days=4)):
            advance()
        assert one.hears_nothing()

    assert (status(rollout), rollout.paused_by) == ("paused", "rule")
    assert "certificate" in rollout.detail
    assert row(rollout, one).attempts == 0


def test_a_retired_image_stops_its_rollouts(live: Server, alice: Actor, image: FirmwareImage) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = rollouts.start(draft(image, [one], alice), by=alice)
        firmware_images.retire(image, by=alice)
        advance()
        assert one.hears_nothing()

    assert (status(rollout), rollout.paused_by) == ("paused", "rule")


def test_who_is_left_out_and_why_stands_in_the_preview_and_in_the_rollout(live: Server, alice: Actor) -> None:
    image = factories.make_image(alice, version=NEW, vendor="Nobody")
    with fleet(live, alice, 1) as (one,):
        rollout = draft(image, [one], alice)
        seen = planning.preview(rollout)
        with pytest.raises(Invalid, match="No station fits"):
            rollouts.start(rollout, by=alice)

    assert seen.included == []
    ((station, reason),) = seen.left_out
    assert station == one.station
    assert reason.startswith("The image is for Nobody")
    assert status(rollout) == "draft"


def test_one_station_is_never_in_two_rollouts_at_once(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    other = factories.make_image(alice, b"another", version="3.0")
    with fleet(live, alice, 2) as members:
        started(image, members[:1], alice)
        second = rollouts.start(draft(other, members, alice), by=alice)

    left_out = row(second, members[0])
    assert (left_out.status, left_out.detail) == ("skipped", "Another rollout is at work on it.")


def test_abort_cancels_who_waits_and_follows_who_is_at_it(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 2) as members:
        rollout = started(image, members, alice, waves_wanted=[{"count": 1}, {"percent": 100}])
        first, second = in_order(rollout, members)
        first.take()
        rollouts.abort(rollout, by=alice)
        advance()
        first.report("Installing")
        first.boot(NEW)
        advance()
        assert second.hears_nothing()

    assert status(rollout) == "aborted"
    assert (row(rollout, first).status, row(rollout, second).status) == ("installed", "cancelled")
    with pytest.raises(Conflict, match="was aborted"):
        rollouts.resume(rollout, by=alice)


def test_a_rollback_is_a_draft_of_the_image_before_for_who_was_updated(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    before = factories.make_image(alice, b"the old one", version=OLD)
    with fleet(live, alice, 2) as members:
        rollout = started(image, members, alice)
        for one in members:
            one.install()
        advance()
        back = rollouts.rollback(rollout, by=alice)
        rollouts.start(back, by=alice)
        advance()
        call = members[0].take()

    assert (back.image, back.rollback_of) == (before, rollout)
    assert set(back.stations) == {one.station.pk for one in members}
    assert call[2] == "UpdateFirmware"


def test_a_station_that_waits_can_be_left_out_and_one_that_is_at_it_cannot(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 2) as members:
        rollout = started(image, members, alice, waves_wanted=[{"count": 1}, {"percent": 100}])
        first, second = in_order(rollout, members)
        rollouts.leave_out(rollout, second.station.pk, by=alice)
        with pytest.raises(Conflict, match="still waits"):
            rollouts.leave_out(rollout, first.station.pk, by=alice)
        first.install()
        advance()
        assert second.hears_nothing()

    assert status(rollout) == "done"
    assert row(rollout, second).status == "skipped"


class TestSecondPerson:
    """W-21: above the threshold somebody else has to agree."""

    @pytest.fixture(autouse=True)
    def _threshold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "SECOND_PERSON_ABOVE", 1)

    def test_w21_nothing_is_sent_before_another_person_approves(
        self, live: Server, alice: Actor, image: FirmwareImage
    ) -> None:
        organization = Organization.objects.get(pk=alice.home)
        bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
        with fleet(live, alice, 2) as members:
            rollout = started(image, members, alice)
            assert status(rollout) == "awaiting_approval"
            with pytest.raises(NotPermitted, match="cannot approve it"):
                rollouts.approve(rollout, by=alice)
            advance()
            assert all(one.hears_nothing() for one in members)
            rollouts.approve(rollout, by=bob)
            advance()
            for one in members:
                one.take()

        entry = AuditEntry.objects.get(action="rollout.approved", object_id=str(rollout.pk))
        assert entry.changes["sha256"] == [None, image.sha256]

    def test_w21_a_key_of_the_same_person_is_that_person(
        self, live: Server, alice: Actor, image: FirmwareImage
    ) -> None:
        organization = Organization.objects.get(pk=alice.home)
        keys = [core_keys.create(organization, name=name, scopes=["*"], by=alice)[0] for name in ("a", "b")]
        first, second = (access.actor_of_key(key) for key in keys)
        with fleet(live, alice, 2) as members:
            rollout = rollouts.start(draft(image, members, alice), by=first)
            for same in (first, second, alice):
                with pytest.raises(NotPermitted, match="cannot approve it"):
                    rollouts.approve(rollout, by=same)

        assert status(rollout) == "awaiting_approval"

    def test_w21_many_small_rollouts_of_a_day_count_together(
        self, live: Server, alice: Actor, image: FirmwareImage
    ) -> None:
        with fleet(live, alice, 2) as members:
            first = rollouts.start(draft(image, members[:1], alice), by=alice)
            second = rollouts.start(draft(image, members[1:], alice), by=alice)

        assert (status(first), status(second)) == ("running", "awaiting_approval")

    def test_w21_one_station_needs_nobody_else(
        self, live: Server, alice: Actor, image: FirmwareImage
    ) -> None:
        with fleet(live, alice, 1) as (one,):
            assert status(started(image, [one], alice)) == "running"


def test_strangers_and_lower_roles_decide_nothing(live: Server, alice: Actor, image: FirmwareImage) -> None:
    organization = Organization.objects.get(pk=alice.home)
    charlie = factories.make_actor(factories.make_organization(), Role.ADMIN, "charlie")
    viewer = factories.make_actor(organization, Role.VIEWER, "vera")
    with fleet(live, alice, 1) as (one,):
        rollout = draft(image, [one], alice)
        for decide in (rollouts.start, rollouts.pause, rollouts.abort, rollouts.retry, rollouts.rollback):
            with pytest.raises((NotFound, NotPermitted)):
                decide(rollout, by=charlie)
            with pytest.raises(NotPermitted):
                decide(rollout, by=viewer)
        with pytest.raises((NotFound, NotPermitted)):
            planning.draft({"image": image, "stations": [one.station.pk]}, by=charlie)
        assert one.hears_nothing()

    assert status(rollout) == "draft"
    assert not FirmwareRollout.objects.visible_to(charlie).exists()


def test_who_is_limited_to_a_site_reaches_no_station_of_another(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    organization = Organization.objects.get(pk=alice.home)
    with fleet(live, alice, 1) as (one,):
        site_services.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
        member = factories.make_member(organization, Role.TECHNICIAN, "dan")
        access.limit_member(member, ["Elsewhere"], by=alice)
        dan = access.actor_of_member(member)
        theirs = draft(image, [one], alice)
        own = planning.draft({"image": image, "stations": [one.station.pk]}, by=dan)
        assert planning.preview(own).included == []
        with pytest.raises((NotFound, NotPermitted)):
            rollouts.start(theirs, by=dan)
        assert not FirmwareRollout.objects.visible_to(dan).filter(pk=theirs.pk).exists()


def test_a_pause_by_a_person_lets_no_wave_pass_that_did_not_come_through(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 2) as members:
        rollout = started(image, members, alice, waves_wanted=[{"count": 1}, {"percent": 100}])
        first, second = in_order(rollout, members)
        first.take()
        rollouts.pause(rollout, by=alice)
        advance()
        rollouts.resume(rollout, by=alice)
        advance()
        assert second.hears_nothing()

    assert not rollout.waves.filter(released=True).exists()


def test_a_rollout_that_a_passed_wave_stopped_goes_on_when_a_person_says_so(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 3) as members:
        waves = [{"count": 2}, {"percent": 100}]
        rollout = started(image, members, alice, waves_wanted=waves, failure_count=1)
        first, second, third = in_order(rollout, members)
        first.install()
        second.take()
        advance()
        rollout.waves.filter(number=1).update(passed_at=clock.now(), ended_at=clock.now())
        rollout.rows.filter(station=second.station).update(
            status="failed", finished_at=clock.now(), attempts=1, sent_at=clock.now()
        )
        advance()
        assert (status(rollout), rollout.paused_by) == ("paused", "rule")
        rollouts.resume(rollout, by=alice)
        advance()
        assert status(rollout) == "running"
        third.take()


def test_a_station_that_repeats_itself_for_ever_has_failed_in_the_end(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = started(image, [one], alice, silence_seconds=600)
        one.take()
        one.report("Downloading")
        job = FirmwareJob.objects.get(station=one.station)
        for minutes in (9, 18, 27):
            FirmwareJob.objects.filter(pk=job.pk).update(reported_at=clock.now() + timedelta(minutes=minutes))
            with time_machine.travel(clock.now() + timedelta(minutes=minutes)):
                advance()
            assert row(rollout, one).status == "downloading"
        FirmwareJob.objects.filter(pk=job.pk).update(reported_at=clock.now() + timedelta(minutes=36))
        with time_machine.travel(clock.now() + timedelta(minutes=36)):
            advance()

    assert row(rollout, one).status == "failed"
    assert "did not come to an end" in row(rollout, one).detail


def test_a_retried_station_that_only_boots_is_told_anew(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = started(image, [one], alice, silence_seconds=600)
        one.take()
        one.report("Downloading")
        with time_machine.travel(clock.now() + timedelta(seconds=601)):
            advance()
            assert row(rollout, one).status == "failed"
            rollouts.retry(rollout, by=alice)
            rollouts.resume(rollout, by=alice)
            one.boot(OLD)
            FirmwareJob.objects.filter(station=one.station).update(status="failed")
            advance()
            one.take()

    assert row(rollout, one).attempts == 2


def test_one_update_at_a_time_whoever_asked_for_it(live: Server, alice: Actor, image: FirmwareImage) -> None:
    by_hand = intents.UpdateFirmware(location="https://firmware.example.org/a.bin")
    with fleet(live, alice, 2) as members:
        waves = [{"count": 1}, {"percent": 100}]
        rollout = started(image, members, alice, waves_wanted=waves)
        first, second = in_order(rollout, members)
        with pytest.raises(Conflict, match="A rollout is updating this station now"):
            commands.issue(first.station, by_hand, by=alice)
        Command.objects.filter(station=second.station).delete()
        commands.issue(second.station, by_hand, by=alice)
        second.socket.next_call()
        first.install()
        advance()
        advance()
        assert second.hears_nothing()
        assert row(rollout, second).detail == sending.OTHER


def test_a_discarded_draft_starts_no_more(live: Server, alice: Actor, image: FirmwareImage) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = draft(image, [one], alice)
        planning.retire(rollout, by=alice)
        with pytest.raises(Conflict, match="taken out of the list"):
            rollouts.start(rollout, by=alice)
        advance()
        assert one.hears_nothing()


def test_what_changed_since_one_looked_is_not_started(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 2) as members:
        rollout = draft(image, members[:1], alice)
        seen = planning.fingerprint(rollout, planning.preview(rollout))
        planning.change(rollout, {"stations": [one.station.pk for one in members]}, by=alice)
        with pytest.raises(Conflict, match="has changed since you looked"):
            rollouts.start(rollout, by=alice, expected=seen)
        rollout.refresh_from_db()
        now = planning.fingerprint(rollout, planning.preview(rollout))
        assert rollouts.start(rollout, by=alice, expected=now).status == "running"


def signed_image(by: Actor, **details: Any) -> FirmwareImage:
    key, root, content = pki.new_key(), pki.authority(), b"a signed file"
    signature = base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()
    certificate = pki.pem(root.issue(pki.name("Signer of firmware"), key.public_key(), **details))
    return factories.make_image(
        by, content, version=NEW, signature=signature, signing_certificate=certificate
    )


def offline(one: Member) -> None:
    """Once the server knows that the socket is gone."""
    eventually(lambda: not Presence.objects.get(station=one.station).connected, what="offline")


def told(rollout: FirmwareRollout) -> list[str]:
    """Types of the events of the rollout, whether they were put in their place already or not."""
    events = Event.objects.filter(object_id=rollout.pk).order_by("id").values_list("type", flat=True)
    rows = OutboxRow.objects.filter(object_id=rollout.pk).order_by("id").values_list("type", flat=True)
    return [*events, *rows]


def test_the_engine_looks_at_no_rollout_that_is_over(
    live: Server, alice: Actor, image: FirmwareImage
) -> None:
    with fleet(live, alice, 1) as (one,):
        rollout = started(image, [one], alice)
        one.install()
        advance()
    before = told(rollout)

    assert advancing.advance(clock.now()) == 0
    assert told(rollout) == before
