"""Displays and tariffs of simulated stations."""

from typing import Any

import pytest

from portal.simulator import SimulatedStation
from tests.simulator.csms import FakeCsms

WORDING = {"format": "UTF8", "content": "Hello"}
TARIFF = {"tariffId": "DAY", "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.45}]}}


def message(number: int, **changes: Any) -> dict[str, Any]:
    return {"message": {"id": number, "priority": "InFront", "message": WORDING, **changes}}


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_display_shows_reports_and_clears(version: str) -> None:
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        answers = [
            await csms.command("CP1", "SetDisplayMessage", message(1)),
            await csms.command("CP1", "SetDisplayMessage", message(2, priority="NormalCycle")),
            await csms.command("CP1", "SetDisplayMessage", message(3, transactionId="none")),
            await csms.command("CP1", "GetDisplayMessages", {"requestId": 7, "priority": "InFront"}),
            await csms.command("CP1", "GetDisplayMessages", {"requestId": 8, "id": [99]}),
            await csms.command("CP1", "ClearDisplayMessage", {"id": 1}),
            await csms.command("CP1", "ClearDisplayMessage", {"id": 1}),
            await csms.command("CP1", "CostUpdated", {"totalCost": 1.5, "transactionId": "none"}),
        ]
        await csms.eventually(lambda: bool(csms.of("NotifyDisplayMessages")))

    assert [answer[2].get("status") for answer in answers] == [
        "Accepted",
        "Accepted",
        "UnknownTransaction",
        "Accepted",
        "Unknown",
        "Accepted",
        "Unknown",
        None,
    ]
    (told,) = csms.of("NotifyDisplayMessages")
    assert (told["requestId"], [one["id"] for one in told["messageInfo"]]) == (7, [1])
    assert csms.invalid == []


async def test_a_station_of_21_keeps_tariffs() -> None:
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version="2.1") as station:
        await station.boot()
        none = await csms.command("CP1", "GetTariffs", {"evseId": 0})
        long = {**TARIFF, "energy": {"prices": [{"priceKwh": 0.1}] * 11}}
        too_long = await csms.command("CP1", "SetDefaultTariff", {"evseId": 0, "tariff": long})
        await csms.command("CP1", "SetDefaultTariff", {"evseId": 0, "tariff": TARIFF})
        there = await csms.command("CP1", "GetTariffs", {"evseId": 1})
        there_for_all = await csms.command("CP1", "GetTariffs", {"evseId": 0})
        session = {"tariff": TARIFF, "transactionId": "none"}
        changed = await csms.command("CP1", "ChangeTransactionTariff", session)
        cleared = await csms.command("CP1", "ClearTariffs", {"tariffIds": ["DAY", "NIGHT"]})
        started = await csms.command("CP1", "NotifyWebPaymentStarted", {"evseId": 1, "timeout": 60})

    assert (none[2]["status"], too_long[2]["status"]) == ("NoTariff", "TooManyElements")
    assert there[2]["status"] == there_for_all[2]["status"] == "Accepted"
    assert there_for_all[2]["tariffAssignments"][0]["tariffId"] == "DAY"
    assert (changed[2]["status"], started[2]) == ("TxNotFound", {})
    assert [one["status"] for one in cleared[2]["clearTariffsResult"]] == ["Accepted", "NoTariff"]
    assert csms.invalid == []


async def test_a_station_of_201_knows_no_tariffs() -> None:
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version="2.0.1") as station:
        await station.boot()
        answer = await csms.command("CP1", "GetTariffs", {"evseId": 0})

    assert (answer[0], answer[2]) == (4, "NotImplemented")
