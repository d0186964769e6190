"""A display with a few messages, and the tariffs that a station of 2.1 keeps."""

from typing import TYPE_CHECKING, Any

from portal.simulator.commands import ACCEPTED, find_transaction, status
from portal.simulator.transport import Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

Json = dict[str, Any]

ROOM = 10
"""How many messages fit, and how many prices one tariff may have."""


def show(station: "SimulatedStation", message: Json) -> Reply:
    """The same number again replaces; one for a session that does not run is refused."""
    session = message.get("transactionId")
    if session is not None and find_transaction(station, session) is None:
        return status("UnknownTransaction")
    if message["message"]["format"] not in ("ASCII", "UTF8", "QRCODE"):
        return status("NotSupportedMessageFormat")
    if len(station.display) >= ROOM and message["id"] not in station.display:
        return status("Rejected")
    station.display[message["id"]] = message
    return status(ACCEPTED)


def report(station: "SimulatedStation", payload: Json) -> Reply:
    found = [one for one in station.display.values() if _fits(one, payload)]
    if not found:
        return status("Unknown")

    async def send() -> None:
        told = {"requestId": payload["requestId"], "messageInfo": found}
        await station.call("NotifyDisplayMessages", told)

    return status(ACCEPTED, send)


def clear(station: "SimulatedStation", number: int) -> Reply:
    return status(ACCEPTED if station.display.pop(number, None) else "Unknown")


def set_tariff(station: "SimulatedStation", evse_id: int, tariff: Json) -> Reply:
    """One default for each EVSE; 0 stands for all."""
    prices = [price for part in tariff.values() if isinstance(part, dict) for price in part.get("prices", [])]
    if len(prices) > ROOM:
        return status("TooManyElements")
    if evse_id == 0:
        station.tariffs.clear()
    station.tariffs[evse_id] = tariff["tariffId"]
    return status(ACCEPTED)


def change_tariff(station: "SimulatedStation", session: str) -> Reply:
    return status(ACCEPTED if find_transaction(station, session) else "TxNotFound")


def tell_tariffs(station: "SimulatedStation", evse_id: int) -> Reply:
    found = [
        {"tariffId": name, "tariffKind": "DefaultTariff", "evseIds": [place]}
        for place, name in station.tariffs.items()
        if evse_id == 0 or place in (0, evse_id)
    ]
    return Reply({"status": ACCEPTED, "tariffAssignments": found}) if found else status("NoTariff")


def clear_tariffs(station: "SimulatedStation", payload: Json) -> Reply:
    wanted, evse_id = payload.get("tariffIds"), payload.get("evseId")
    gone = {
        place: name
        for place, name in station.tariffs.items()
        if (wanted is None or name in wanted) and evse_id in (None, 0, place)
    }
    for place in gone:
        del station.tariffs[place]
    names = wanted or sorted(set(gone.values()))
    results = [
        {"tariffId": name, "status": ACCEPTED if name in gone.values() else "NoTariff"} for name in names
    ]
    return Reply({"clearTariffsResult": results or [{"status": "NoTariff"}]})


def _fits(message: Json, payload: Json) -> bool:
    return (
        message["id"] in payload.get("id", [message["id"]])
        and payload.get("priority") in (None, message["priority"])
        and payload.get("state") in (None, message.get("state"))
    )
