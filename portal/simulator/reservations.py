"""An outlet that is kept free for one token until a time."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from portal.simulator.commands import ACCEPTED, REJECTED, find_outlet, status
from portal.simulator.outlet import Outlet, Reservation
from portal.simulator.transport import Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation


def reserve(station: "SimulatedStation", number: int, wanted: int | None, token: str, until: str) -> Reply:
    """Keep that outlet, or any free one where ``wanted`` is None or 0; the same number again renews."""
    outlet = _kept(station, number) or _choose(station, wanted)
    if outlet is None:
        return status(REJECTED)
    if outlet.fault:
        return status("Faulted")
    if not outlet.operative:
        return status("Unavailable")
    if not outlet.free or (outlet.reservation is not None and outlet.reservation.number != number):
        return status("Occupied")
    outlet.reservation = Reservation(number, token, datetime.fromisoformat(until))

    async def keep() -> None:
        await station.tell_status(outlet)
        station.spawn(_expire(station, outlet, number))

    return status(ACCEPTED, keep)


def cancel(station: "SimulatedStation", number: int) -> Reply:
    outlet = _kept(station, number)
    if outlet is None:
        return status(REJECTED)
    outlet.reservation = None
    return status(ACCEPTED, lambda: station.tell_status(outlet))


async def _expire(station: "SimulatedStation", outlet: Outlet, number: int) -> None:
    while (kept := outlet.reservation) is not None and kept.number == number:
        left_s = (kept.expires_at - station.clock.now()).total_seconds()
        if left_s > 0:
            await asyncio.sleep(min(left_s, 5))
            continue
        outlet.reservation = None
        if station.may_send and station.dialect.version != "1.6":
            told = {"reservationId": number, "reservationUpdateStatus": "Expired"}
            await station.call("ReservationStatusUpdate", told)
        await station.tell_status(outlet)


def _kept(station: "SimulatedStation", number: int) -> Outlet | None:
    kept = (one for one in station.outlets if one.reservation and one.reservation.number == number)
    return next(kept, None)


def _choose(station: "SimulatedStation", wanted: int | None) -> Outlet | None:
    if wanted:
        return find_outlet(station, wanted)
    free = (one for one in station.outlets if one.free and one.reservation is None)
    return next(free, next(iter(station.outlets), None))
