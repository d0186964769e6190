"""What commands of the CSMS do to a station, whatever the version that carries them."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from portal.simulator.dialect import Cause
from portal.simulator.outlet import Outlet, StopReason, Transaction
from portal.simulator.profiles import Profile, composite
from portal.simulator.transport import Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

Json = dict[str, Any]
Afterwards = Callable[[], Awaitable[object]]

ACCEPTED, REJECTED = "Accepted", "Rejected"
TRIGGERS = frozenset(
    {"BootNotification", "Heartbeat", "StatusNotification", "MeterValues", "TransactionEvent"}
)


def status(word: str, afterwards: Afterwards | None = None) -> Reply:
    return Reply({"status": word}, afterwards)


def find_outlet(station: "SimulatedStation", number: int) -> Outlet | None:
    return next((outlet for outlet in station.outlets if outlet.number == number), None)


def find_transaction(station: "SimulatedStation", sent_id: object) -> Transaction | None:
    return next((one for one in station.transactions() if str(one.id) == str(sent_id)), None)


def remote_start(
    station: "SimulatedStation",
    number: int | None,
    token: str,
    *,
    remote_start_id: int | None = None,
    profile: Mapping[str, Any] | None = None,
) -> Reply:
    """Accepted where an outlet is free (or holds a waiting car); a car is plugged in if there is none."""
    outlet = _startable(station, number, token)
    if outlet is None:
        return status(REJECTED)

    async def begin() -> None:
        if station.faults.ignores_remote_start:
            return
        if profile is not None:
            station.profiles.add(Profile.parse(outlet.number, profile))
        await station.start(outlet.number, token, remote_start_id=remote_start_id)
        if station.habits.charges_alone and outlet.transaction is not None:
            station.spawn(station.charge_alone(outlet.number))

    return status(ACCEPTED, begin)


def remote_stop(station: "SimulatedStation", sent_id: object) -> Reply:
    transaction = find_transaction(station, sent_id)
    if transaction is None:
        return status(REJECTED)
    return status(ACCEPTED, lambda: station.stop(transaction, StopReason.REMOTE))


def change_availability(station: "SimulatedStation", number: int, *, operative: bool) -> Reply:
    """``number`` 0 means the whole station; a running transaction puts the change off."""
    outlets = station.outlets if number == 0 else [find_outlet(station, number)]
    known = [outlet for outlet in outlets if outlet is not None]
    if not known:
        return status(REJECTED)
    busy = False
    for outlet in known:
        waits = not operative and outlet.transaction is not None
        outlet.inoperative_next = waits
        outlet.operative = operative or waits
        busy = busy or waits

    async def tell() -> None:
        for outlet in known:
            await station.tell_status(outlet)

    return status("Scheduled" if busy else ACCEPTED, tell)


def unlock(station: "SimulatedStation", outlet: Outlet) -> Reply:
    """The cable comes out; what was running ends."""

    async def release() -> None:
        if outlet.transaction is not None:
            await station.stop(outlet.transaction, StopReason.UNLOCKED)
        await station.unplug(outlet.number)

    return status("Unlocked", release)


def trigger(station: "SimulatedStation", wanted: str, number: int | None) -> Reply:
    """Only what was asked for is sent, after the answer."""
    if wanted not in TRIGGERS:
        return status("NotImplemented")
    outlets = station.outlets if not number else [one for one in station.outlets if one.number == number]
    if not outlets:
        return status(REJECTED)
    return status(ACCEPTED, lambda: _send_triggered(station, wanted, outlets))


def set_profile(station: "SimulatedStation", number: int, sent: Mapping[str, Any]) -> Reply:
    outlet = find_outlet(station, number)
    if number != 0 and outlet is None:
        return status(REJECTED)
    if sent["chargingProfilePurpose"] == "TxProfile" and (outlet is None or outlet.transaction is None):
        return status(REJECTED)
    station.profiles.add(Profile.parse(number, sent))
    return status(ACCEPTED, lambda: apply_limits(station))


def clear_profiles(
    station: "SimulatedStation",
    number: int | None,
    outlet: int | None,
    purpose: str | None,
    level: int | None,
) -> Reply:
    removed = station.profiles.clear(number=number, outlet=outlet, purpose=purpose, level=level)
    return status(ACCEPTED if removed else "Unknown", lambda: apply_limits(station))


def composite_schedule(station: "SimulatedStation", outlet: Outlet, duration: int, unit: str) -> list[Json]:
    """The periods from now on; ``duration`` in seconds, looked at for a day at most."""
    day = int(timedelta(days=1).total_seconds())
    return composite(station.profiles, outlet, station.clock.now(), min(duration, day), unit)


def _startable(station: "SimulatedStation", number: int | None, token: str) -> Outlet | None:
    for outlet in station.outlets:
        if outlet.reservation is not None and outlet.reservation.token.upper() != token.upper():
            continue
        waiting = outlet.transaction is None or not outlet.transaction.released
        if number in {None, outlet.number} and waiting and outlet.operative and not outlet.fault:
            return outlet
    return None


async def apply_limits(station: "SimulatedStation") -> None:
    """Let the outlets follow their profiles."""
    for outlet in station.outlets:
        await station.observe(outlet)


async def _send_triggered(station: "SimulatedStation", wanted: str, outlets: list[Outlet]) -> None:
    if wanted == "BootNotification":
        await station.boot("Triggered")
    elif wanted == "Heartbeat":
        await station.heartbeat()
    for outlet in outlets:
        if wanted == "StatusNotification":
            await station.tell_status(outlet, always=True)
        elif wanted == "TransactionEvent":
            await station.sample(outlet, Cause.REQUESTED)
        elif wanted == "MeterValues":
            reading = outlet.reading(station.clock.now())
            await station.call(*station.dialect.meter_values(station, outlet, reading))
