"""The tab Grid: what it tells of controls, alarms, cars and batteries, and who may command it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.access import Role
from core.models import AuditEntry, Organization
from drivers.models import IdToken
from stations.domain.grid_support import CURVES, FIELD_OF
from stations.models import (
    BatterySwap,
    ChargingPlan,
    ChargingStation,
    Command,
    DerControl,
    Evse,
    GridEvent,
    Presence,
    Transaction,
)
from tests import factories

HTMX = {"HX-Request": "true"}
ORDER = {"order": "Stromnetz Nord 4711"}
DROOP = {
    "command": "set_der_control",
    "control_type": "FreqDroop",
    "priority": "1",
    "overFreq": "50,2",
    "underFreq": "49.8",
    "overDroop": "5",
    "underDroop": "5",
    "responseTime": "2",
    **ORDER,
}
CURVE = {
    "command": "set_der_control",
    "control_type": "VoltWatt",
    "priority": "0",
    "unit": "PctMaxW",
    "points": "100 100\n110 20\n",
    **ORDER,
}
CAPABILITIES = {
    "grid_support": (
        'value="set_der_control"',
        'value="get_der_control"',
        'value="clear_der_control"',
        'id="drop-',
    ),
    "bidirectional": ('value="afrr_signal"',),
    "battery_swap": ('value="request_battery_swap"',),
}
"""What the tab commands, by what the station must be able to do."""
SIGNAL = {"command": "afrr_signal", "signal": "-3"}


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    return f"{home}stations/{station.pk}/grid/"


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


def hold(station: ChargingStation, control_id: str = "control-00000001", **changes: Any) -> DerControl:
    values = {
        "control_type": "FreqDroop",
        "is_default": True,
        "settings": {"priority": 1, "overFreq": 50.2, "underFreq": 49.8, "responseTime": 2.5},
        "told_at": clock.now(),
        **changes,
    }
    return DerControl.objects.create(station=station, control_id=control_id, **values)


def swap(station: ChargingStation, **changes: Any) -> BatterySwap:
    values = {
        "request_id": 7,
        "kind": "BatteryOut",
        "token_value": "04A1B2C3D4",
        "token_type": "ISO14443",
        "batteries": [{"evseId": 3, "serialNumber": "BAT-7", "soC": 96.5, "soH": 91}],
        "digest": b"1",
        "received_at": clock.now(),
        **changes,
    }
    return BatterySwap.objects.create(station=station, **values)


def read(browser: Client, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_tab_says_what_there_could_be(browser: Client, page: str) -> None:
    text = read(browser, page)

    for said in ("No grid control known", "No session is running", "No alarm of the grid", "No battery was"):
        assert said in text


def test_controls_alarms_and_batteries_are_told_in_words(
    browser: Client, page: str, station: ChargingStation
) -> None:
    hold(station, running=True, running_at=clock.now())
    hold(
        station,
        "control-00000002",
        control_type="VoltWatt",
        is_superseded=True,
        is_default=False,
        settings={
            "priority": 2,
            "yUnit": "PctMaxW",
            "curveData": [{"x": 100, "y": 100}, {"x": 110.5, "y": 20}],
            "startTime": "2026-01-15T12:00:00Z",
            "duration": 5400,
            "oddity": "as it is",
        },
    )
    hold(station, "control-00000003", control_type="Gradients", cleared_at=clock.now())
    now = clock.now()
    common = {"occurred_at": now, "received_at": now}
    GridEvent.objects.create(
        station=station, kind="alarm", subject="FreqDroop", fault="OverFrequency", info="50.3 Hz", **common
    )
    GridEvent.objects.create(station=station, kind="started", subject="control-00000001", **common)
    swap(station)
    text = read(browser, page)

    for said in ("Frequency droop", "Running", "Starts above (Hz) 50.2", "Superseded", "100 → 100, 110.5 → 20",
                 "% of the greatest power", "for 1 h 30 min", "oddity as it is", "Frequency too high", "50.3 Hz",
                 "Handed out", "BAT-7", "96.5", "…00000001"):  # fmt: skip
        assert said in text, said
    assert "Ramp rates" not in text.split('id="controls-title"')[1].split('id="cars-title"')[0]
    assert "15 Jan 2026, 13:00:00" in text  # Europe/Berlin, the zone of the site


def test_a_running_session_tells_what_its_car_wants(
    browser: Client, page: str, station: ChargingStation, session: Transaction
) -> None:
    ChargingPlan.objects.create(
        transaction=session,
        energy_transfer="DC_BPT",
        control_mode="dynamic_control",
        requested_wh=24_000,
        departure_at=clock.now() + timedelta(hours=8),
        target_soc_percent=80,
        car_schedule_at=clock.now(),
        car_keeps_to_limits=False,
        priority=True,
        allowed_transfers=["DC", "DC_BPT"],
        needs_at=clock.now(),
    )
    text = read(browser, page)

    for said in ("DC, both ways, controlled all the time", "24.0 kWh", "80&nbsp;%", "over the limit", "Priority",
                 "End priority", "DC · DC, both ways"):  # fmt: skip
        assert said in text, said


def test_a_session_whose_car_told_nothing_is_shown_with_dashes(
    browser: Client, page: str, session: Transaction
) -> None:
    text = read(browser, page)

    assert "Give priority" in text
    assert "–" in text.split('id="cars-title"')[1].split('id="events-title"')[0]


def test_the_fragment_equals_the_part_of_the_page(
    browser: Client, page: str, station: ChargingStation
) -> None:
    hold(station)
    fragment = read(browser, page, **HTMX)

    assert fragment.strip().startswith('<div class="stack" id="grid"')
    assert "<html" not in fragment
    assert "Frequency droop" in fragment
    assert 'id="drop-' in fragment


@pytest.mark.parametrize("control_type", sorted(FIELD_OF))
def test_each_type_of_control_has_its_form(browser: Client, page: str, control_type: str) -> None:
    form = read(browser, f"{page}?part=form&control_type={control_type}", **HTMX)

    assert f'name="control_type" value="{control_type}"' in form
    assert 'name="order"' in form
    assert ('name="points"' in form) == (control_type in CURVES)
    assert "<html" not in form


def test_a_form_of_no_known_type_is_the_usual_one(browser: Client, page: str) -> None:
    assert 'value="FreqDroop" selected' in read(browser, f"{page}?control_type=odd")


SENT = [
    (
        DROOP,
        {
            "control_type": "FreqDroop",
            "is_default": True,
            "settings": {
                "priority": 1,
                "overFreq": 50.2,
                "underFreq": 49.8,
                "overDroop": 5.0,
                "underDroop": 5.0,
                "responseTime": 2.0,
            },
        },
    ),
    (
        CURVE,
        {
            "control_type": "VoltWatt",
            "is_default": True,
            "settings": {
                "priority": 0,
                "yUnit": "PctMaxW",
                "curveData": [{"x": 100.0, "y": 100.0}, {"x": 110.0, "y": 20.0}],
            },
        },
    ),
    (
        {
            "command": "set_der_control",
            "control_type": "FixedPFAbsorb",
            "priority": "0",
            "displacement": "0.9",
            **ORDER,
        },
        {"settings": {"priority": 0, "displacement": 0.9, "excitation": True}},
    ),
    (
        {
            "command": "set_der_control",
            "control_type": "FixedVar",
            "priority": "0",
            "setpoint": "-20",
            "unit": "PctMaxVar",
            "lasts": "while",
            "starts": "2036-01-15T06:00",
            "duration": "90",
            **ORDER,
        },
        {
            "is_default": False,
            "settings": {
                "priority": 0,
                "setpoint": -20.0,
                "unit": "PctMaxVar",
                "startTime": "2036-01-15T05:00:00.000Z",
                "duration": 5400,
            },
        },
    ),
    ({"command": "get_der_control", "control_type": "VoltVar"}, {"control_type": "VoltVar"}),
    (
        {"command": "clear_der_control", "control_id": "c-1", **ORDER},
        {"control_id": "c-1", "is_default": False},
    ),
    (
        {"command": "clear_der_control", "control_type": "VoltVar", "is_default": "on", **ORDER},
        {"control_type": "VoltVar", "is_default": True},
    ),
    (SIGNAL, {"signal": -3}),
]


@pytest.mark.parametrize(("form", "parameters"), SENT)
def test_a_filled_in_form_becomes_the_command(
    browser: Client, page: str, station: ChargingStation, form: dict[str, str], parameters: dict[str, Any]
) -> None:
    text = browser.post(f"{page}send/", form, headers=HTMX).content.decode()
    command = Command.objects.get(station=station)

    assert command.command == form["command"]
    assert {name: command.parameters[name] for name in parameters} == parameters
    assert command.reason == form.get("order", "")
    assert str(command.pk) in text


def test_the_order_of_the_grid_operator_is_kept_with_command_and_audit(
    browser: Client, page: str, station: ChargingStation
) -> None:
    browser.post(f"{page}send/", DROOP)
    text = read(browser, page)

    assert ORDER["order"] in text
    assert AuditEntry.objects.filter(action="command.issued", reason=ORDER["order"]).exists()


@pytest.mark.parametrize(
    ("form", "command"),
    [
        ({"command": "use_priority_charging", "activate": "on"}, "use_priority_charging"),
        (
            {"command": "notify_allowed_energy_transfer", "allowed": ["DC", "DC_BPT"]},
            "notify_allowed_energy_transfer",
        ),
    ],
)
def test_sessions_get_priority_and_ways_of_transfer(
    browser: Client, page: str, station: ChargingStation, session: Transaction, form: Any, command: str
) -> None:
    browser.post(f"{page}send/", {**form, "transaction": session.pk})
    sent = Command.objects.get(station=station)

    assert (sent.command, sent.transaction) == (command, session)
    assert sent.parameters.get("activate", True) is True
    assert sent.parameters.get("allowed", ["DC", "DC_BPT"]) == ["DC", "DC_BPT"]


def test_a_battery_is_handed_out_to_a_token(
    browser: Client, page: str, station: ChargingStation, token: IdToken
) -> None:
    browser.post(f"{page}send/", {"command": "request_battery_swap", "token": token.pk})

    assert Command.objects.get(station=station).parameters["token_value"] == token.value


SESSION = {"transaction": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}
BAD = [
    ({"command": "reset"}, 422),
    ({**DROOP, "order": " "}, 422),
    ({**DROOP, "priority": "first"}, 422),
    ({**DROOP, "priority": "²"}, 422),
    ({**DROOP, "overFreq": ""}, 422),
    ({**DROOP, "overFreq": "nan"}, 422),
    ({**DROOP, "responseTime": "-1"}, 422),
    ({**DROOP, "control_type": "Odd"}, 422),
    ({**DROOP, "lasts": "while", "duration": "0"}, 422),
    ({**DROOP, "lasts": "while", "duration": "60", "starts": "soon"}, 422),
    ({**CURVE, "unit": "Odd"}, 422),
    ({**CURVE, "points": ""}, 422),
    ({**CURVE, "points": "1 2 3"}, 422),
    ({**CURVE, "points": "a b"}, 422),
    ({**CURVE, "points": "inf 1"}, 422),
    ({**CURVE, "points": "1 1\n" * 11}, 422),
    ({"command": "clear_der_control", "control_id": "x"}, 422),
    ({"command": "get_der_control", "control_type": "Odd"}, 422),
    ({**SIGNAL, "signal": "much"}, 422),
    ({**SIGNAL, "signal": "3000000000"}, 422),
    ({"command": "request_battery_swap", "token": "x"}, 422),
    ({"command": "use_priority_charging", "transaction": "x"}, 422),
    ({"command": "use_priority_charging", **SESSION}, 404),
    ({"command": "notify_allowed_energy_transfer", **SESSION}, 422),
    ({"command": "notify_allowed_energy_transfer", "allowed": "Odd", **SESSION}, 422),
]


@pytest.mark.parametrize(("form", "status"), BAD)
def test_bad_input_is_told_and_sends_nothing(
    browser: Client, page: str, station: ChargingStation, form: dict[str, str], status: int
) -> None:
    answer = browser.post(f"{page}send/", form, headers=HTMX)

    assert answer.status_code == status
    assert b'role="alert"' in answer.content
    assert not Command.objects.filter(station=station).exists()


OFFERED = {
    "Set the control": {Role.ADMIN, Role.TECHNICIAN},
    "Clear several": {Role.ADMIN, Role.TECHNICIAN},
    'id="drop-': {Role.ADMIN, Role.TECHNICIAN},
    "Read its controls": {Role.ADMIN, Role.TECHNICIAN},
    "aFRR signal</h2>": {Role.ADMIN, Role.TECHNICIAN},
    "Give priority": {Role.ADMIN, Role.TECHNICIAN, Role.SUPPORT},
    "Hand out a battery</h2>": {Role.ADMIN, Role.TECHNICIAN, Role.SUPPORT},
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_sees_everything_and_is_offered_what_it_may_do(
    organization: Organization,
    page: str,
    station: ChargingStation,
    session: Transaction,
    token: IdToken,
    browser_of: Any,
    role: Role,
) -> None:
    hold(station)
    swap(station)
    browser = browser_of(factories.make_member(organization, role, "anyone"))
    text, fragment = read(browser, page), read(browser, page, **HTMX)

    assert "Frequency droop" in text
    assert {offer for offer in OFFERED if offer in text} == {
        offer for offer, roles in OFFERED.items() if role in roles
    }
    assert ('id="drop-' in fragment) == (role in OFFERED['id="drop-'])
    assert ("04A1B2C3D4" in text) == (role in (Role.ADMIN, Role.SUPPORT, Role.BILLING))
    assert "…C3D4" in text or "04A1B2C3D4" in text


@pytest.mark.parametrize(
    ("role", "form"),
    [
        (Role.VIEWER, SIGNAL),
        (Role.VIEWER, {"command": "use_priority_charging"}),
        (Role.BILLING, DROOP),
        (Role.SUPPORT, DROOP),
        (Role.SUPPORT, {"command": "clear_der_control", "control_id": "x", **ORDER}),
        (Role.SUPPORT, {"command": "get_der_control"}),
        (Role.SUPPORT, SIGNAL),
    ],
)
def test_what_is_not_offered_is_refused_too(
    organization: Organization,
    page: str,
    station: ChargingStation,
    browser_of: Any,
    role: Role,
    form: dict[str, str],
) -> None:
    browser = browser_of(factories.make_member(organization, role, "anyone"))

    assert browser.post(f"{page}send/", form, headers=HTMX).status_code == 403
    assert not Command.objects.filter(station=station).exists()


@pytest.mark.parametrize(("able", "shown"), [(False, False), (True, True), (None, True)])
def test_the_tab_is_offered_where_the_station_may_have_it(
    browser: Client, home: str, page: str, station: ChargingStation, able: bool | None, shown: bool
) -> None:
    told = {"version": {"able": able, "detail": "", "at": clock.now().isoformat()}}
    ChargingStation.objects.filter(pk=station.pk).update(
        capabilities={} if able is None else dict.fromkeys(CAPABILITIES, told)
    )

    assert (f'href="{page}"' in read(browser, f"{home}stations/{station.pk}/")) == shown


@pytest.mark.parametrize("lacking", [*CAPABILITIES])
def test_p259_the_tab_hides_the_commands_of_what_the_station_has_not(
    browser: Client, home: str, page: str, station: ChargingStation, lacking: str
) -> None:
    factories.make_token(factories.make_actor(station.organization), "04A1B2C3D4")
    hold(station)
    told = {"answer": {"able": False, "detail": "NotImplemented", "at": clock.now().isoformat()}}
    ChargingStation.objects.filter(pk=station.pk).update(capabilities={lacking: told})

    text = read(browser, page)
    live = read(browser, page, **HTMX)

    assert f'href="{page}"' in read(browser, f"{home}stations/{station.pk}/")
    for capability, marks in CAPABILITIES.items():
        for mark in marks:
            assert (mark in text) == (capability != lacking), mark
    assert ('id="drop-' in live) == (lacking != "grid_support")
    assert "No grid control known" not in text


def test_a_stranger_finds_nothing(charlie: Client, page: str, station: ChargingStation) -> None:
    hold(station)

    assert charlie.get(page).status_code == 404
    for form in (DROOP, SIGNAL, {"command": "get_der_control"}):
        assert charlie.post(f"{page}send/", form).status_code == 404
    assert not Command.objects.filter(station=station).exists()


def test_text_of_a_station_stays_text(browser: Client, page: str, station: ChargingStation) -> None:
    evil = "<script>x</script>"
    hold(station, evil, control_type=evil, settings={evil: evil, "curveData": [{"x": evil, "y": None}, 7]})
    now = clock.now()
    GridEvent.objects.create(
        station=station, kind="alarm", subject=evil, fault=evil, info=evil, occurred_at=now, received_at=now
    )
    swap(station, kind=evil, token_value=evil, batteries=[{"serialNumber": evil, "soC": evil}])

    assert "<script>x" not in read(browser, page)
