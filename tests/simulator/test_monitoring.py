"""Monitors and reports of a simulated station; every answer is checked against the official schemas."""

import pytest

from portal.simulator import SimulatedStation
from tests.simulator.csms import FakeCsms, Json

both_two = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
MONITOR: Json = {
    "value": 5,
    "type": "UpperThreshold",
    "severity": 3,
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "Power"},
}


@both_two
async def test_monitors_are_set_reported_and_cleared(version):
    unknown = {**MONITOR, "component": {"name": "Moon"}}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        empty = await csms.command("CP1", "GetMonitoringReport", {"requestId": 1})
        set_ = await csms.command("CP1", "SetVariableMonitoring", {"setMonitoringData": [MONITOR, unknown]})
        promised = await csms.command("CP1", "GetMonitoringReport", {"requestId": 2})
        await csms.eventually(lambda: csms.of("NotifyMonitoringReport"))
        cleared = await csms.command("CP1", "ClearVariableMonitoring", {"id": [1, 9]})

    assert empty[2] == {"status": "EmptyResultSet"}
    assert [one["status"] for one in set_[2]["setMonitoringResult"]] == ["Accepted", "UnknownComponent"]
    assert promised[2] == {"status": "Accepted"}
    assert csms.of("NotifyMonitoringReport")[0]["monitor"][0]["variableMonitoring"][0]["id"] == 1
    assert [one["status"] for one in cleared[2]["clearMonitoringResult"]] == ["Accepted", "NotFound"]
    assert csms.invalid == []


@both_two
async def test_chosen_variables_and_customers_are_told_and_the_rest_is_answered(version):
    chosen = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    connection: Json = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": "ws://localhost",
        "messageTimeout": 30,
        "securityProfile": 1,
        "ocppInterface": "Wired0",
    }
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        nothing = await csms.command("CP1", "GetReport", {"requestId": 3, "componentCriteria": ["Problem"]})
        report = await csms.command("CP1", "GetReport", {"requestId": 4, "componentVariable": [chosen]})
        await csms.eventually(lambda: csms.of("NotifyReport"))
        asked: Json = {"requestId": 5, "report": True, "clear": False, "customerIdentifier": "C-1"}
        customer = await csms.command("CP1", "CustomerInformation", asked)
        await csms.eventually(lambda: csms.of("NotifyCustomerInformation"))
        answers = [
            (await csms.command("CP1", action, payload))[2]["status"]
            for action, payload in (
                ("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"}),
                ("SetMonitoringLevel", {"severity": 4}),
                ("SetNetworkProfile", {"configurationSlot": 2, "connectionData": connection}),
            )
        ]

    assert nothing[2]["status"] == "EmptyResultSet"
    assert report[2] == customer[2] == {"status": "Accepted"}
    assert [one["variable"]["name"] for one in csms.of("NotifyReport")[0]["reportData"]] == ["Power"]
    assert csms.of("NotifyCustomerInformation")[0]["data"] == "No data is stored."
    assert answers == ["Accepted", "Accepted", "Accepted"]
    assert csms.invalid == []
