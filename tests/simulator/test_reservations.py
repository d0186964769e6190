"""Reservations: kept for a token, told as a state, used, cancelled, expired."""

import pytest

from portal.simulator import SimulatedStation
from tests.simulator.csms import FakeCsms, Json
from tests.simulator.test_commands import TOKEN, every_version, start_command

FAR, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


def reserve(version: str, *, number: int = 5, token: str = "ALICE", until: str = FAR) -> tuple[str, Json]:
    if version == "1.6":
        sent: Json = {"connectorId": 1, "idTag": token, "reservationId": number, "expiryDate": until}
        return "ReserveNow", sent
    return "ReserveNow", {
        "evseId": 1,
        "idToken": {**TOKEN, "idToken": token},
        "id": number,
        "expiryDateTime": until,
    }


def told(csms: FakeCsms) -> list[str]:
    """The words for the outlet's states, in order."""
    plain = [one.get("status") or one["connectorStatus"] for one in csms.of("StatusNotification")]
    events = [entry["actualValue"] for one in csms.of("NotifyEvent") for entry in one["eventData"]]
    return plain + events


@every_version
async def test_a_reserved_outlet_serves_its_token_only_and_names_the_reservation(version: str) -> None:
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        accepted = await csms.command("CP1", *reserve(version, token="BOB"))
        occupied = await csms.command("CP1", *reserve(version, number=6))
        await csms.eventually(lambda: "Reserved" in told(csms))
        refused = await csms.command("CP1", *start_command(version))
        transaction = await station.start(1, "BOB")

    first = (csms.of("StartTransaction") or csms.of("TransactionEvent"))[0]
    assert [answer[2]["status"] for answer in (accepted, occupied, refused)] == [
        "Accepted",
        "Occupied",
        "Rejected",
    ]
    assert first["reservationId"] == transaction.reservation_id == 5
    assert csms.invalid == []


@every_version
async def test_a_cancelled_reservation_frees_the_outlet(version: str) -> None:
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await csms.command("CP1", *reserve(version))
        unknown = await csms.command("CP1", "CancelReservation", {"reservationId": 99})
        known = await csms.command("CP1", "CancelReservation", {"reservationId": 5})
        await csms.eventually(lambda: told(csms)[-1] == "Available")

    assert unknown[2] == {"status": "Rejected"}
    assert known[2] == {"status": "Accepted"}


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_reservation_whose_time_is_over_is_reported(version: str) -> None:
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await csms.command("CP1", *reserve(version, until=PAST))
        await csms.eventually(lambda: csms.of("ReservationStatusUpdate"))

    assert csms.of("ReservationStatusUpdate") == [{"reservationId": 5, "reservationUpdateStatus": "Expired"}]
    assert csms.invalid == []
