"""The tabs Variables and Monitoring, the settings that show what was learned, and the page of quirks."""

from typing import Any

import pytest
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Organization
from stations.domain import intents
from stations.domain.capabilities import Source, with_evidence
from stations.domain.events import VariableReported
from stations.domain.monitoring import MonitorReported, PartReceived
from stations.domain.station import StationRef
from stations.domain.words import Capability, CommandStatus
from stations.models import ChargingStation, Command, Presence, Quirk, Report, Variable, VariableChange
from stations.services import commands, customers, device_model, monitors, quirks, variable_changes
from tests import factories


def side(station: ChargingStation) -> StationRef:
    return StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)


def tell(station: ChargingStation, *variables: VariableReported) -> None:
    device_model.store(side(station), variables, clock.now())


@pytest.fixture
def interval(station: ChargingStation) -> Variable:
    tell(
        station,
        VariableReported(
            component="OCPPCommCtrlr",
            variable="HeartbeatInterval",
            value="300",
            mutability="ReadWrite",
            data_type="integer",
            max_limit=3600,
        ),
        VariableReported(component="OCPPCommCtrlr", variable="Version", value="7", mutability="ReadOnly"),
        VariableReported(
            component="SecurityCtrlr", variable="BasicAuthPassword", value=None, mutability="WriteOnly"
        ),
    )
    return Variable.objects.get(station=station, variable="HeartbeatInterval")


def text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


def put(client: Client, at: str, variable: Variable, value: str) -> Any:
    return client.post(f"{at}variables/change/", {f"value-{variable.pk}": value}, follow=True)


@pytest.fixture
def at(home: str, station: ChargingStation) -> str:
    return f"{home}stations/{station.pk}/"


def test_variables_are_shown_by_component_and_the_edit_form_offers_what_can_be_set(
    browser: Client, at: str, interval: Variable
) -> None:
    page = text(browser, f"{at}variables/")
    form = text(browser, f"{at}variables/?edit=OCPPCommCtrlr")

    assert "OCPPCommCtrlr" in page
    assert "SecurityCtrlr" in page
    assert f'name="value-{interval.pk}"' in form
    assert form.count('name="value-') == 1


def test_changes_are_collected_looked_over_sent_as_one_command_and_refused_ones_stay(
    browser: Client, actor: Actor, station: ChargingStation, at: str, interval: Variable
) -> None:
    tell(station, VariableReported(component="TxCtrlr", variable="EVConnectionTimeOut", value="60"))
    other = Variable.objects.get(station=station, variable="EVConnectionTimeOut")
    put(browser, at, interval, "120")
    put(browser, at, other, "30")
    preview = text(browser, f"{at}variables/")
    Presence.objects.filter(pk=station.pk).update(connected=True, gateway="elsewhere", epoch=1)

    command = variable_changes.send(station, by=actor)

    assert "300 → 120" in preview
    assert len(command.parameters["items"]) == 2
    sent = VariableChange.objects.filter(station=station, state="sent")
    assert sent.count() == 2
    variable_changes.taken(
        side(station), [VariableReported(component="TxCtrlr", variable="EVConnectionTimeOut", value="30")]
    )
    variable_changes.refused(
        side(station),
        [
            (
                VariableReported(component="OCPPCommCtrlr", variable="HeartbeatInterval", value=""),
                "Rejected · TooLow",
            )
        ],
    )
    left = VariableChange.objects.get(station=station)
    assert (left.variable, left.state, left.reason) == (interval, "refused", "Rejected · TooLow")
    assert "Rejected · TooLow" in text(browser, f"{at}variables/")


def test_a_set_that_got_no_answer_can_be_sent_again(
    browser: Client, actor: Actor, station: ChargingStation, at: str, interval: Variable
) -> None:
    put(browser, at, interval, "120")
    command = variable_changes.send(station, by=actor)
    page = text(browser, f"{at}variables/")
    again = variable_changes.send(station, by=actor)

    assert command.status == CommandStatus.FAILED
    assert "The station is not connected." in page
    assert again.pk != command.pk
    assert len(again.parameters["items"]) == 1


def test_the_set_is_sent_only_after_a_fresh_sign_in(browser: Client, at: str, interval: Variable) -> None:
    put(browser, at, interval, "120")

    answer = browser.post(f"{at}variables/send/")

    assert "reauthenticate" in answer["Location"]
    assert VariableChange.objects.get(station=interval.station).state == "draft"
    assert not Command.objects.filter(station=interval.station).exists()


@pytest.mark.parametrize("value", ["soon", "1.5", "99999", "x" * 3000])
def test_a_value_that_does_not_fit_is_told_and_left_out(
    browser: Client, at: str, interval: Variable, value: str
) -> None:
    answer = put(browser, at, interval, value)

    assert answer.status_code == 200
    assert not VariableChange.objects.filter(station=interval.station).exists()


def test_what_is_read_only_or_secret_is_not_collected(browser: Client, at: str, interval: Variable) -> None:
    for name in ("Version", "BasicAuthPassword"):
        put(browser, at, Variable.objects.get(station=interval.station, variable=name), "a-long-new-password")

    assert not VariableChange.objects.filter(station=interval.station).exists()


def test_a_change_is_taken_out_again(browser: Client, at: str, interval: Variable) -> None:
    put(browser, at, interval, "120")
    change = VariableChange.objects.get(station=interval.station)
    browser.post(f"{at}variables/changes/{change.pk}/drop/")

    assert not VariableChange.objects.filter(station=interval.station).exists()


def test_a_pending_value_is_shown_with_the_restart_it_needs(
    browser: Client, at: str, interval: Variable
) -> None:
    Variable.objects.filter(pk=interval.pk).update(pending_value="60")

    page = text(browser, f"{at}variables/?show=pending")

    assert "after a restart: 60" in " ".join(page.split())
    assert "only after a restart" in page
    assert "SecurityCtrlr" not in page


def test_one_variable_shows_its_history(browser: Client, at: str, interval: Variable) -> None:
    tell(
        interval.station,
        VariableReported(component="OCPPCommCtrlr", variable="HeartbeatInterval", value="600"),
    )

    page = text(browser, f"{at}variables/{interval.pk}/")

    assert page.index("600") < page.index("300")
    assert "reported" in page


def test_a_report_with_missing_parts_says_which(browser: Client, station: ChargingStation, at: str) -> None:
    Report.objects.create(station=station, request_id=9, kind="FullInventory", parts=[0, 3])

    page = text(browser, f"{at}variables/")

    assert "FullInventory" in page
    assert "missing: 1, 2" in " ".join(page.split())


@pytest.fixture
def monitored(station: ChargingStation) -> ChargingStation:
    part = PartReceived(request_id=4, seq_no=0, to_be_continued=False, generated_at=clock.now())
    told = MonitorReported(
        number=7, component="EVSE", variable="Temperature", evse_id=1, type="UpperThreshold", severity=3
    )
    monitors.store_part(side(station), part, [told], clock.now())
    return station


def test_the_monitoring_tab_shows_monitors_and_sends_commands(
    browser: Client, at: str, monitored: ChargingStation
) -> None:
    page = text(browser, f"{at}monitoring/")
    answers = [
        browser.post(f"{at}monitoring/send/", body)
        for body in (
            {
                "command": "set_variable_monitoring",
                "variable": "EVSE.Temperature",
                "type": "upper_threshold",
                "value": "70,5",
                "severity": "3",
                "evse_id": "1",
            },
            {"command": "clear_variable_monitoring", "number": "7"},
            {"command": "get_monitoring_report"},
            {"command": "set_monitoring_base", "base": "all"},
            {"command": "set_monitoring_level", "severity": "4"},
            {"command": "customer_information", "token": "04A2", "what": "both"},
            {"command": "get_periodic_event_stream"},
        )
    ]

    assert "EVSE.Temperature" in page
    assert "#7" in page
    assert [answer.status_code for answer in answers] == [302] * 7
    names = Command.objects.filter(station=monitored).order_by("id").values_list("command", flat=True)
    assert len(names) == 7
    assert (
        Command.objects.get(station=monitored, command="set_variable_monitoring").parameters["items"][0][
            "value"
        ]
        == "70.5"
    )


@pytest.mark.parametrize("kind", ["eMAID", "VIN", "ISO14443"])
def test_a_customer_is_named_by_a_token_of_any_type_that_the_versions_know(
    browser: Client, at: str, monitored: ChargingStation, kind: str
) -> None:
    page = text(browser, f"{at}monitoring/")
    body = {"command": "customer_information", "token": "DE8AA1A2B3C4D5", "token_type": kind}
    browser.post(f"{at}monitoring/send/", body)

    assert f'<option value="{kind}">' in page
    assert '<option value="NoAuthorization">' not in page
    assert (
        Command.objects.get(station=monitored, command="customer_information").parameters["token_type"]
        == kind
    )


@pytest.mark.parametrize(
    "body",
    [
        {"command": "explode"},
        {
            "command": "set_variable_monitoring",
            "variable": "Temperature",
            "type": "delta",
            "value": "1",
            "severity": "1",
        },
        {
            "command": "set_variable_monitoring",
            "variable": "A.B",
            "type": "moon",
            "value": "1",
            "severity": "1",
        },
        {
            "command": "set_variable_monitoring",
            "variable": "A.B",
            "type": "delta",
            "value": "nan",
            "severity": "1",
        },
        {
            "command": "set_variable_monitoring",
            "variable": "A.B",
            "type": "delta",
            "value": "1",
            "severity": "10",
        },
        {"command": "clear_variable_monitoring", "number": "x"},
        {"command": "set_monitoring_base", "base": "none"},
        {"command": "customer_information", "token": ""},
        {"command": "customer_information", "token": "04A2", "token_type": "Sticker"},
    ],
)
def test_bad_input_of_the_monitoring_tab_is_told(
    browser: Client, at: str, monitored: ChargingStation, body: dict[str, str]
) -> None:
    answer = browser.post(f"{at}monitoring/send/", body)

    assert answer.status_code in (302, 422)
    assert not Command.objects.filter(station=monitored).exists()


def test_what_was_told_of_a_customer_is_for_few_and_can_be_forgotten(
    browser: Client,
    browser_of: Any,
    organization: Organization,
    actor: Actor,
    station: ChargingStation,
    at: str,
) -> None:
    wish = intents.CustomerInformation(report=True, clear=False, token_value="A1", token_type="Central")
    command = commands.issue(station, wish, by=actor)
    part = PartReceived(
        request_id=command.parameters["request_id"], seq_no=0, to_be_continued=False, generated_at=clock.now()
    )
    customers.store_part(side(station), part, "Anna Example", clock.now())
    report = Report.objects.get(station=station, about="customer")
    technician = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))

    page = text(browser, f"{at}monitoring/customers/{report.pk}/")
    refused = technician.get(f"{at}monitoring/customers/{report.pk}/")

    assert "Anna Example" in page
    assert AuditEntry.objects.filter(action="customer_information.read", object_id=str(station.pk)).exists()
    assert refused.status_code == 403
    assert "Told of customers" not in text(technician, f"{at}monitoring/")
    assert technician.post(f"{at}monitoring/customers/{report.pk}/forget/").status_code == 403
    browser.post(f"{at}monitoring/customers/{report.pk}/forget/")
    assert "Anna Example" not in text(browser, f"{at}monitoring/customers/{report.pk}/")


def test_the_settings_show_what_was_learned_and_forget_it(
    browser: Client, station: ChargingStation, at: str
) -> None:
    told = {Capability.RESERVATION: (False, "ReservationCtrlr.Available = false")}
    station.capabilities = with_evidence({}, Source.DEVICE_MODEL, told, clock.now())
    station.quirks = {"lenient": True, "because": [{"quirk": "x", "reason": "Sends odd texts."}]}
    station.save()

    page = text(browser, f"{at}settings/")
    browser.post(f"{at}capabilities/forget/")

    assert "ReservationCtrlr.Available = false" in page
    assert "Sends odd texts." in page
    station.refresh_from_db()
    assert station.capabilities == {}


def test_a_network_profile_is_written_from_the_settings(
    browser: Client, station: ChargingStation, at: str
) -> None:
    tell(
        station,
        VariableReported(component="OCPPCommCtrlr", variable="NetworkConfigurationPriority", value="1,2"),
    )
    body = {"slot": "2", "url": "wss://portal.example.org/ocpp", "security_profile": "2"}

    browser.post(f"{at}network-profile/", body)
    browser.post(f"{at}network-profile/", {**body, "slot": "1"})
    browser.post(f"{at}network-profile/", {**body, "url": "https://x"})

    assert [c.parameters["slot"] for c in Command.objects.filter(station=station)] == [2]


def test_quirks_are_copied_changed_and_deleted(browser: Client, home: str) -> None:
    example = Quirk.objects.filter(organization=None, lenient=True).get()
    page = text(browser, f"{home}quirks/")
    form = text(browser, f"{home}quirks/new/?copy={example.pk}")
    body = {
        "vendor": "Acme",
        "reason": "Odd texts.",
        "lenient": "yes",
        "tolerances": ["no_pong"],
        "enabled": "on",
    }
    browser.post(f"{home}quirks/new/", body)
    made = Quirk.objects.get(vendor="Acme")
    browser.post(f"{home}quirks/{made.pk}/", {**body, "lenient": "no", "call_timeout_s": "60"})

    assert example.reason[:40] in page
    assert example.reason[:40] in form
    made.refresh_from_db()
    assert (made.lenient, made.call_timeout_s, made.tolerances) == (False, 60, {"no_pong": True})
    assert browser.post(f"{home}quirks/new/", {**body, "vendor": ""}).status_code == 422
    browser.post(f"{home}quirks/{made.pk}/delete/")
    assert not Quirk.objects.filter(pk=made.pk).exists()


def test_strangers_and_viewers_change_nothing_here(
    charlie: Client, viewer: Client, home: str, at: str, interval: Variable, actor: Actor
) -> None:
    quirk = quirks.create({"vendor": "Acme", "reason": "x"}, by=actor)
    pages = [f"{at}variables/", f"{at}variables/{interval.pk}/", f"{at}monitoring/", f"{home}quirks/"]
    posts = [
        f"{at}variables/change/",
        f"{at}variables/send/",
        f"{at}capabilities/forget/",
        f"{at}network-profile/",
        f"{home}quirks/new/",
        f"{home}quirks/{quirk.pk}/",
        f"{home}quirks/{quirk.pk}/delete/",
    ]

    assert {charlie.get(page).status_code for page in pages} == {404}
    assert {charlie.post(post).status_code for post in posts} == {404}
    assert {viewer.get(page).status_code for page in pages} == {200}
    assert {viewer.post(post).status_code for post in posts} == {403}
    viewer.post(f"{at}monitoring/send/", {"command": "set_monitoring_level", "severity": "1"})
    assert not Command.objects.filter(station=interval.station).exists()
    assert Quirk.objects.filter(pk=quirk.pk).exists()
