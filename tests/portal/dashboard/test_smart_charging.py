"""The tab Smart charging, and what cards and sessions tell of limits and needs."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core import clock
from stations.models import (
    ChargingLimit,
    ChargingPlan,
    ChargingStation,
    Command,
    CompositeSchedule,
    Evse,
    InstalledProfile,
    Presence,
    Transaction,
)

HTMX = {"HX-Request": "true"}
PROFILE = {
    "id": 41,
    "purpose": "tx_default_profile",
    "kind": "absolute",
    "stack_level": 1,
    "schedules": [
        {
            "rate_unit": "A",
            "start_schedule": "2026-01-01T00:00:00+00:00",
            "periods": [{"start_s": 0, "limit": 13}],
        }
    ],
}


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    return f"{home}stations/{station.pk}/charging/"


@pytest.fixture
def session(station: ChargingStation, evse: Evse) -> Transaction:
    made = Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=evse,
        reference="tx-1",
        started_at=clock.now(),
        last_event_at=clock.now(),
    )
    Evse.objects.filter(pk=evse.pk).update(active=made)
    return made


def install(station: ChargingStation, **changes: Any) -> InstalledProfile:
    told: dict[str, Any] = {
        "evse_id": 1,
        "profile_id": 41,
        "purpose": "tx_default_profile",
        "kind": "absolute",
        "stack_level": 1,
        "source": "CSO",
        "content": PROFILE,
        "installed_by": "user:anna@example.org",
        "installed_at": clock.now(),
        **changes,
    }
    return InstalledProfile.objects.create(station=station, **told)


def read(browser: Client, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_tab_says_what_to_do(browser: Client, page: str) -> None:
    text = read(browser, page)

    assert "No profile known" in text
    assert "no limit known" in text
    assert "Set a limit" in text


def test_profiles_limits_and_the_composite_schedule_are_shown_with_their_reason(
    browser: Client, page: str, station: ChargingStation
) -> None:
    install(station)
    ChargingLimit.objects.create(
        station=station,
        evse_id=2,
        source="SO",
        grid_critical=True,
        schedules=[{"rate_unit": "A", "periods": [{"start_s": 0, "limit": 8}]}],
        notified_at=clock.now(),
    )
    CompositeSchedule.objects.create(
        station=station,
        evse_id=1,
        rate_unit="W",
        starts_at=clock.now() - timedelta(minutes=5),
        duration_s=86_400,
        periods=[{"start_s": 0, "limit": 9000}, {"start_s": 3600, "limit": 4140}],
        received_at=clock.now(),
    )
    text = read(browser, page)

    assert "13 A" in text
    assert "limit of the EVSE" in text
    assert "anna@example.org" in text
    assert "8 A" in text
    assert "grid critical" in text
    assert "9.0 kW" in text
    assert "4.1 kW" in text


def test_the_fragment_equals_the_part_of_the_page(
    browser: Client, page: str, station: ChargingStation
) -> None:
    install(station)
    fragment = read(browser, page, **HTMX)

    assert fragment.strip().startswith('<div class="stack" id="charging"')
    assert "<html" not in fragment
    assert "13 A" in fragment


SIMPLE = {"command": "simple_limit", "limit": "10,5", "unit": "A"}


@pytest.mark.parametrize(
    ("form", "purpose", "evse_id", "rates"),
    [
        ({}, "charging_station_max_profile", 0, ("A", 10.5)),
        ({"evse_id": "2"}, "tx_default_profile", 2, ("A", 10.5)),
        ({"evse_id": "2", "limit": "4.2", "unit": "kW"}, "tx_default_profile", 2, ("W", 4200)),
        ({"evse_id": "1", "holds_for": "session"}, "tx_profile", 1, ("A", 10.5)),
    ],
)
def test_a_simple_limit_becomes_a_profile(
    browser: Client,
    page: str,
    station: ChargingStation,
    session: Transaction,
    form: dict[str, str],
    purpose: str,
    evse_id: int,
    rates: tuple[str, float],
) -> None:
    answer = browser.post(f"{page}send/", {**SIMPLE, **form})
    command = Command.objects.get(station=station)
    profile = command.parameters["charging_profile"]

    assert answer.status_code == 302
    assert (profile["purpose"], command.evse_id) == (purpose, evse_id)
    assert (profile["schedules"][0]["rate_unit"], profile["schedules"][0]["periods"][0]["limit"]) == rates
    assert command.transaction == (session if purpose == "tx_profile" else None)
    assert "valid_to" not in profile


def test_until_when_a_limit_holds_is_told_in_the_time_zone_of_the_site(
    browser: Client, page: str, station: ChargingStation
) -> None:
    station.site.time_zone = "Europe/Berlin"
    station.site.save()
    browser.post(f"{page}send/", {**SIMPLE, "until": "2036-01-01T06:00"}, headers=HTMX)

    profile = Command.objects.get(station=station).parameters["charging_profile"]
    assert profile["valid_to"] == "2036-01-01T05:00:00+00:00"


BAD = [
    ({**SIMPLE, "limit": "much"}, 422),
    ({**SIMPLE, "limit": "nan"}, 422),
    ({**SIMPLE, "limit": "-1"}, 422),
    ({**SIMPLE, "until": "soon"}, 422),
    ({**SIMPLE, "until": "2020-01-01T00:00"}, 422),
    ({**SIMPLE, "evse_id": "9"}, 422),
    ({**SIMPLE, "evse_id": "²"}, 422),
    ({**SIMPLE, "evse_id": "2", "holds_for": "session"}, 409),
    ({"command": "set_charging_profile", "profile": "{"}, 422),
    ({"command": "set_charging_profile", "profile": "[]"}, 422),
    ({"command": "set_charging_profile", "profile": '{"purpose": "odd"}'}, 422),
    ({"command": "reset"}, 422),
]


@pytest.mark.parametrize(("form", "status"), BAD)
def test_bad_input_is_told_and_sends_nothing(
    browser: Client, page: str, station: ChargingStation, form: dict[str, str], status: int
) -> None:
    answer = browser.post(f"{page}send/", form, headers=HTMX)

    assert answer.status_code == status
    assert not Command.objects.filter(station=station).exists()


@pytest.mark.parametrize(
    ("form", "command", "parameters"),
    [
        (
            {"command": "clear_charging_profile", "charging_profile_id": "41"},
            "clear_charging_profile",
            {"charging_profile_id": 41},
        ),
        ({"command": "clear_charging_profile", "evse_id": "1"}, "clear_charging_profile", {"evse_id": 1}),
        (
            {"command": "get_composite_schedule", "evse_id": "1"},
            "get_composite_schedule",
            {"evse_id": 1, "duration": 86_400},
        ),
    ],
)
def test_profiles_are_cleared_and_schedules_asked_for(
    browser: Client,
    page: str,
    station: ChargingStation,
    form: dict[str, str],
    command: str,
    parameters: dict[str, Any],
) -> None:
    text = browser.post(f"{page}send/", form, headers=HTMX).content.decode()
    sent = Command.objects.get(station=station)

    assert (sent.command, sent.parameters) == (command, parameters)
    assert str(sent.pk) in text


def test_a_whole_profile_can_be_written(browser: Client, page: str, station: ChargingStation) -> None:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    text = read(browser, page)
    example = text.split("<textarea")[1].split(">", 1)[1].split("</textarea>")[0].replace("&quot;", '"')
    answer = browser.post(f"{page}send/", {"command": "set_charging_profile", "profile": example})

    assert answer.status_code == 302
    assert Command.objects.get(station=station).parameters["charging_profile"]["recurrency"] == "daily"


def test_who_may_not_command_sees_but_sends_nothing(
    viewer: Client, charlie: Client, page: str, station: ChargingStation
) -> None:
    install(station)
    text = read(viewer, page)

    assert "13 A" in text
    assert "Set a limit" not in text
    assert "Clear" not in text
    assert viewer.post(f"{page}send/", SIMPLE).status_code == 403
    assert charlie.get(page).status_code == 404
    assert charlie.post(f"{page}send/", SIMPLE).status_code == 404
    assert not Command.objects.filter(station=station).exists()


def test_profiles_of_others_cannot_be_cleared(browser: Client, page: str, station: ChargingStation) -> None:
    install(station, source="EMS", installed_by="", purpose="charging_station_external_constraints")
    text = read(browser, page)

    assert "Limit of others" in text
    assert "Clear profile 41" not in text


def test_a_card_and_a_session_tell_the_limit_and_what_the_car_asks_for(
    browser: Client, home: str, station: ChargingStation, session: Transaction
) -> None:
    install(station)
    ChargingPlan.objects.create(
        transaction=session,
        needs_at=clock.now(),
        requested_wh=24_000,
        departure_at=clock.now() + timedelta(hours=8),
        target_soc_percent=80,
        car_keeps_to_limits=False,
        priority=True,
    )
    live, card, one = (
        read(browser, f"{home}{path}")
        for path in (
            f"stations/{station.pk}/",
            f"stations/{station.pk}/",
            f"sessions/{session.pk}/",
        )
    )

    for text in (live, card, one):
        assert "The car asks for" in text
        assert "24.0" in text
        assert "up to 80 %" in text
        assert "Priority charging is on" in text
    assert "13 A" in live
    assert "limit of the EVSE" in live
    assert "more than its profile allows" in one


def test_a_session_leads_over_the_default_and_the_lowest_limit_counts(
    browser: Client, page: str, station: ChargingStation, session: Transaction
) -> None:
    def content(limit: int) -> dict[str, Any]:
        periods = [{"start_s": 0, "limit": limit}]
        return {**PROFILE, "schedules": [{**PROFILE["schedules"][0], "periods": periods}]}

    install(station, content=content(6))
    install(station, profile_id=42, purpose="tx_profile", transaction=session, content=content(16))
    session_leads = read(browser, page, **HTMX)
    install(station, evse_id=0, profile_id=43, purpose="charging_station_max_profile", content=content(11))
    lowest = read(browser, page, **HTMX)

    assert "limit of this session" in session_leads
    assert "limit of the whole station" in lowest
    assert "limit of this session" not in lowest


def test_a_dynamic_schedule_is_updated_in_the_figures_that_are_given(
    browser: Client, page: str, station: ChargingStation
) -> None:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    install(station)
    without = read(browser, page)
    install(station, profile_id=42, kind="dynamic")
    update = {"command": "update_dynamic_schedule", "charging_profile_id": "42"}
    sent = browser.post(
        f"{page}send/", {**update, "limit": "11,5", "discharge_limit": "", "setpoint": "-3"}, headers=HTMX
    )
    command = Command.objects.get(station=station)

    assert 'value="update_dynamic_schedule"' not in without
    assert '<option value="42">42 · EVSE 1 · A</option>' in read(browser, page)
    assert '<option value="41">41 ·' not in read(browser, page)
    assert sent.status_code == 200
    assert (command.command, command.parameters) == (
        "update_dynamic_schedule",
        {"charging_profile_id": 42, "update": {"limit": 11.5, "setpoint": -3}},
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"limit": ""}, 422),
        ({"limit": "much"}, 422),
        ({"limit": "NaN"}, 422),
        ({"limit": "-1"}, 422),
        ({"limit": "1e12"}, 422),
        ({"limit": "5", "discharge_limit": "5"}, 422),
        ({"charging_profile_id": "x"}, 422),
        ({"charging_profile_id": "41"}, 409),
    ],
)
def test_figures_that_no_dynamic_schedule_has_are_refused(
    browser: Client, page: str, station: ChargingStation, changes: dict[str, str], status: int
) -> None:
    install(station)
    install(station, profile_id=42, kind="dynamic")
    update = {"command": "update_dynamic_schedule", "charging_profile_id": "42", "limit": "5"}

    assert browser.post(f"{page}send/", {**update, **changes}, headers=HTMX).status_code == status
    assert not Command.objects.filter(station=station).exists()


def test_viewers_and_strangers_update_no_dynamic_schedule(
    viewer: Client, charlie: Client, page: str, station: ChargingStation
) -> None:
    install(station, profile_id=42, kind="dynamic")
    update = {"command": "update_dynamic_schedule", "charging_profile_id": "42", "limit": "5"}

    assert viewer.post(f"{page}send/", update).status_code == 403
    assert charlie.post(f"{page}send/", update).status_code == 404
    assert "update_dynamic_schedule" not in read(viewer, page)
    assert not Command.objects.filter(station=station).exists()


def test_of_a_composite_schedule_with_thousands_of_periods_the_first_are_shown(
    browser: Client, page: str, station: ChargingStation, evse: Evse
) -> None:
    CompositeSchedule.objects.create(
        station=station,
        evse_id=1,
        rate_unit="A",
        starts_at=clock.now(),
        duration_s=86_400,
        periods=[{"start_s": second, "limit": 6} for second in range(2000)],
        received_at=clock.now(),
    )

    text = read(browser, page)

    assert text.count("<progress") == 100
    assert "These are the first periods of a longer schedule." in text
