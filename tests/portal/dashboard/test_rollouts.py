"""The pages of firmware rollouts: a draft with its preview, the start that is typed, and what each role may do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Organization
from stations.models import ChargingStation, FirmwareImage, FirmwareRollout
from stations.services import rollouts
from stations.services.rollouts import planning
from tests import factories
from tests.portal.dashboard.conftest import proven

FORM = {"waves": "1, 100 %", "soak_minutes": "5", "concurrency": "5", "retries": "1", "only_when_idle": "on"}


@pytest.fixture
def image(actor: Actor) -> FirmwareImage:
    return factories.make_image(actor, name="Acme 2.0", vendor="Acme")


@pytest.fixture
def yard(actor: Actor) -> ChargingStation:
    made, _ = factories.make_station(actor, name="Yard 1")
    ChargingStation.objects.filter(pk=made.pk).update(vendor="Acme", model="AC22", firmware_version="1.0")
    return made


@pytest.fixture
def other(actor: Actor) -> ChargingStation:
    made, _ = factories.make_station(actor, name="Dock 7")
    ChargingStation.objects.filter(pk=made.pk).update(vendor="Other", model="AC22")
    return made


@pytest.fixture
def rollout(
    actor: Actor, image: FirmwareImage, yard: ChargingStation, other: ChargingStation
) -> FirmwareRollout:
    wanted = {"image": image, "filter": {"model": "AC22"}, "waves_wanted": [{"count": 1}]}
    return planning.draft(wanted, by=actor)


def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content
    page: str = answer.content.decode()
    return page


def test_the_preview_follows_the_form_while_one_types_and_keeps_nothing(
    browser: Client, home: str, image: FirmwareImage, yard: ChargingStation, other: ChargingStation
) -> None:
    values = {**FORM, "image": str(image.pk), "model": "AC22"}
    part = text_of(browser.post(f"{home}firmware/new/", values, headers={"HX-Request": "true"}))

    assert "<html" not in part
    assert "Yard 1" in part
    assert "The image is for Acme, the station is of Other." in part
    assert not FirmwareRollout.objects.exists()


def test_a_draft_is_saved_shown_and_sends_nothing(
    browser: Client, home: str, image: FirmwareImage, yard: ChargingStation
) -> None:
    answer = browser.post(
        f"{home}firmware/new/",
        {**FORM, "image": str(image.pk), "window_start": "22:00", "window_end": "05:00"},
    )
    rollout = FirmwareRollout.objects.get()
    page = text_of(browser.get(answer["Location"]))

    assert (rollout.status, rollout.waves_wanted) == ("draft", [{"count": 1}, {"percent": 100}])
    assert rollout.filter == {"vendor": "Acme"}
    assert "Yard 1" in page
    assert "22:00–05:00" in page
    assert not rollout.rows.exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"waves": "one, two"}, "Write waves as"),
        ({"waves": "0"}, "at least one station"),
        ({"waves": "120 %"}, "at most 100 %"),
        ({"window_start": "22:00"}, "A window has a start and an end."),
        ({"image": ""}, "This field is required."),
        ({"window_days": "SATURDAY"}, "Days need the hours of a window."),
        ({"failure_count": "9999999999"}, "less than or equal to 10000"),
    ],
)
def test_a_wrong_form_keeps_what_was_typed_and_marks_it(
    browser: Client, home: str, image: FirmwareImage, wrong: dict[str, str], said: str
) -> None:
    values = {**FORM, "image": str(image.pk), "name": "Kept name", **wrong}
    page = text_of(browser.post(f"{home}firmware/new/", values), 422)

    assert said in page
    assert "Kept name" in page
    assert not FirmwareRollout.objects.exists()


def test_it_starts_once_the_version_was_typed(browser: Client, home: str, rollout: FirmwareRollout) -> None:
    path = f"{home}firmware/{rollout.pk}/"
    first = browser.post(f"{path}start/", {"typed": "2.0"})
    assert "reauthenticate" in first["Location"], "who starts proves again who they are"
    refused = proven(browser).post(f"{path}start/", {"typed": "2"})
    rollout.refresh_from_db()
    assert (refused.status_code, rollout.status) == (422, "draft")
    browser.post(f"{path}start/", {"typed": "2.0"})
    rollout.refresh_from_db()
    page = text_of(browser.get(path))

    assert rollout.status == "running"
    assert "Yard 1" in page
    assert "The station is not connected" not in page
    assert "Dock 7" in page
    part = text_of(browser.get(f"{path}?only=left-out", headers={"HX-Request": "true"}))
    assert "Dock 7" in part
    assert "Yard 1" not in part


def test_w21_who_started_it_is_told_to_ask_another_person(
    browser: Client,
    home: str,
    organization: Organization,
    rollout: FirmwareRollout,
    browser_of: Callable[..., Client],
    settings: Any,
) -> None:
    settings.SECOND_PERSON_ABOVE = 0
    path = f"{home}firmware/{rollout.pk}/"
    proven(browser).post(f"{path}start/", {"typed": "2.0"})
    page = text_of(browser.get(path))
    bob = proven(browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob")))
    theirs = text_of(bob.get(path))

    assert "another person has to approve it" in page
    assert f"{rollout.pk}/approve/" not in page
    assert f"{rollout.pk}/approve/" in theirs
    assert browser.post(f"{path}approve/").status_code == 403
    bob.post(f"{path}approve/")
    rollout.refresh_from_db()
    assert rollout.status == "running"


def test_pause_and_go_on_are_buttons_and_leave_their_trace(
    browser: Client, home: str, actor: Actor, rollout: FirmwareRollout
) -> None:
    rollouts.start(rollout, by=actor)
    path = f"{home}firmware/{rollout.pk}/"
    assert f"{rollout.pk}/pause/" in text_of(browser.get(path))
    proven(browser).post(f"{path}pause/")
    page = text_of(browser.get(path))
    assert "Paused" in page
    assert f"{rollout.pk}/resume/" in page
    browser.post(f"{path}resume/")
    browser.post(f"{path}abort/")

    rollout.refresh_from_db()
    assert rollout.status == "aborted"
    assert "Aborted" in text_of(browser.get(f"{home}firmware/"))


def test_a_station_that_waits_is_left_out_by_a_button(
    browser: Client, home: str, actor: Actor, rollout: FirmwareRollout, yard: ChargingStation
) -> None:
    rollouts.start(rollout, by=actor)
    browser.post(f"{home}firmware/{rollout.pk}/leave-out/{yard.pk}/")

    assert rollout.rows.get(station=yard).status == "skipped"


def test_a_viewer_looks_and_touches_nothing(
    viewer: Client, home: str, actor: Actor, rollout: FirmwareRollout
) -> None:
    path = f"{home}firmware/{rollout.pk}/"
    page = text_of(viewer.get(path))

    assert "/start/" not in page
    assert viewer.get(f"{home}firmware/new/").status_code == 403
    for word in ("start", "approve", "pause", "resume", "abort", "retry", "rollback", "retire"):
        assert viewer.post(f"{path}{word}/").status_code == 403, word
    rollout.refresh_from_db()
    assert (rollout.status, rollout.retired_at) == ("draft", None)


def test_an_empty_list_says_what_to_do_first(browser: Client, home: str) -> None:
    assert "No image uploaded" in text_of(browser.get(f"{home}firmware/"))
