"""Smart charging beyond set and clear: reports of profiles, needs of cars, priority, dynamic schedules (2.x)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from portal.simulator import commands
from portal.simulator.outlet import Outlet
from portal.simulator.profiles import Profile
from portal.simulator.transport import Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

Json = dict[str, Any]

SOURCE = "CSO"
STAY = timedelta(hours=4)
SIGNAL_CURVE = "v2xSignalWattCurve"


def get_profiles(station: "SimulatedStation", payload: Json) -> Reply:
    """What matches is reported afterwards, one message for each place."""
    found = _matching(station, payload)
    if not found:
        return commands.status("NoProfiles")
    places = sorted({profile.outlet for profile in found})

    async def report() -> None:
        for place in places:
            part: Json = {
                "requestId": payload["requestId"],
                "chargingLimitSource": SOURCE,
                "evseId": place,
                "chargingProfile": [dict(one.sent) for one in found if one.outlet == place],
            }
            if place != places[-1]:
                part["tbc"] = True
            await station.call("ReportChargingProfiles", part)

    return commands.status("Accepted", report)


def update_dynamic(station: "SimulatedStation", payload: Json) -> Reply:
    """New figures for the one period of a dynamic profile."""
    found = next((one for one in station.profiles.all() if one.number == payload["chargingProfileId"]), None)
    if found is None or found.kind != "Dynamic":
        return commands.status("Rejected")
    first, *more = found.sent["chargingSchedule"]
    period = {**first["chargingSchedulePeriod"][0], **payload["scheduleUpdate"]}
    schedule = {**first, "chargingSchedulePeriod": [period]}
    sent = {**found.sent, "chargingSchedule": [schedule, *more]}
    station.profiles.add(replace(found, schedule=schedule, sent=sent))
    return commands.status("Accepted", lambda: commands.apply_limits(station))


def use_priority(station: "SimulatedStation", payload: Json) -> Reply:
    """Only where a profile for it is there; the station tells of it afterwards."""
    if commands.find_transaction(station, payload["transactionId"]) is None:
        return commands.status("Rejected")
    if not any(one.purpose == "PriorityCharging" for one in station.profiles.all()):
        return commands.status("NoProfile")
    told = {"transactionId": payload["transactionId"], "activated": payload["activate"]}
    return commands.status("Accepted", lambda: station.call("NotifyPriorityCharging", told))


def allow_transfers(station: "SimulatedStation", payload: Json) -> Reply:
    running = commands.find_transaction(station, payload["transactionId"])
    return commands.status("Accepted" if running else "Rejected")


def afrr_signal(station: "SimulatedStation", payload: Json) -> Reply:
    """A signal means something only to a profile with a curve for it."""
    periods = [
        period
        for profile in station.profiles.all()
        for period in profile.schedule.get("chargingSchedulePeriod", ())
    ]
    return commands.status("Accepted" if any(SIGNAL_CURVE in one for one in periods) else "Rejected")


def tell_needs(station: "SimulatedStation", outlet: Outlet) -> None:
    """What the car at the outlet asks for, after the messages that are under way."""
    vehicle = outlet.vehicle
    if vehicle is None:
        return
    energy_wh = round(max(0.0, vehicle.target_soc - vehicle.soc) * vehicle.capacity_wh)
    needs: Json = {"departureTime": station.stamp(station.clock.now() + STAY)}
    if outlet.kind == "DC":
        needs["requestedEnergyTransfer"] = "DC"
        needs["dcChargingParameters"] = {
            "evMaxCurrent": round(vehicle.max_power_w / VOLTS_DC),
            "evMaxVoltage": VOLTS_DC,
            "energyAmount": energy_wh,
            "evMaxPower": vehicle.max_power_w,
            "stateOfCharge": round(vehicle.soc * 100),
            "fullSoC": round(vehicle.target_soc * 100),
        }
    else:
        needs["requestedEnergyTransfer"] = "AC_three_phase" if outlet.phases == 3 else "AC_single_phase"
        needs["acChargingParameters"] = {
            "energyAmount": energy_wh,
            "evMinCurrent": 6,
            "evMaxCurrent": round(vehicle.max_power_w / (VOLTS_AC * outlet.phases)),
            "evMaxVoltage": VOLTS_AC,
        }
    payload = {"evseId": outlet.number, "chargingNeeds": needs}
    station.enqueue("NotifyEVChargingNeeds", lambda: payload, _ignore)


def _matching(station: "SimulatedStation", payload: Json) -> list[Profile]:
    wanted = payload["chargingProfile"]
    sources = wanted.get("chargingLimitSource", [SOURCE])
    numbers = wanted.get("chargingProfileId")
    return [
        one
        for one in station.profiles.all()
        if SOURCE in sources
        and payload.get("evseId") in {None, one.outlet}
        and (numbers is None or one.number in numbers)
        and wanted.get("chargingProfilePurpose") in {None, one.purpose}
        and wanted.get("stackLevel") in {None, one.stack_level}
    ]


def _ignore(_: Json) -> None:
    return None


VOLTS_AC = 230
VOLTS_DC = 400
COMMANDS: Mapping[str, Callable[["SimulatedStation", Json], Reply]] = {
    "AFRRSignal": afrr_signal,
    "GetChargingProfiles": get_profiles,
    "NotifyAllowedEnergyTransfer": allow_transfers,
    "UpdateDynamicSchedule": update_dynamic,
    "UsePriorityCharging": use_priority,
}
