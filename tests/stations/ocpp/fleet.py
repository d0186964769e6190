"""Some chargers on the wire that install firmware as the test says, and the engine of rollouts run by hand."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from core import clock
from core.access import Actor
from stations.models import ChargingStation, FirmwareImage, FirmwareRollout, RolloutStation
from stations.services.rollouts import advancing, planning
from tests.factories import make_station
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS
from tests.stations.ocpp.knocking import Charger, next_address
from tests.waiting import eventually
from tests.wire.client import BOOT, WireStation

OLD, NEW = "1.0", "2.0"


class Member:
    """One station of the fleet; what it was told last is ``call``."""

    def __init__(self, charger: Charger, socket: WireStation) -> None:
        self.charger, self.socket = charger, socket
        self.station: ChargingStation = charger.station
        self.call: list[Any] = []

    def boot(self, version: str) -> None:
        if self.socket.version == "1.6":
            self.socket.boot(firmwareVersion=version)
            return
        told = {**BOOT[self.socket.version]["chargingStation"], "firmwareVersion": version}  # type: ignore[dict-item]
        self.socket.boot(chargingStation=told)

    def take(self, status: str = "Accepted") -> list[Any]:
        """Receive UpdateFirmware and answer it."""
        self.call = self.socket.next_call()
        self.socket.reply(
            self.call, {} if self.call[2] == "UpdateFirmware" and self.is_16 else {"status": status}
        )
        attempts = RolloutStation.objects.filter(station=self.station).order_by("-id").first()
        assert attempts is not None

        def settled() -> bool:
            last = attempts.tries.select_related("command").last()
            return last is not None and last.command.settled

        eventually(settled, what="the answer is stored")
        return self.call

    @property
    def is_16(self) -> bool:
        return self.socket.version == "1.6"

    def report(self, *words: str) -> None:
        named = {"requestId": self.call[3]["requestId"]} if "requestId" in self.call[3] else {}
        signed = self.call[2] == "SignedUpdateFirmware"
        action = "SignedFirmwareStatusNotification" if signed else "FirmwareStatusNotification"
        for word in words:
            assert self.socket.call(action, {"status": word, **named}) == {}

    def install(self) -> None:
        """Everything as it should be."""
        self.take()
        self.report("Downloading", "Downloaded", "Installing")
        self.boot(NEW)

    def fail(self) -> None:
        self.take()
        self.report("Downloading", "InstallationFailed")

    def hears_nothing(self) -> bool:
        try:
            self.socket.calls.append(self.socket.next_call(timeout_s=0.3))
        except TimeoutError:
            return True
        return False


@contextmanager
def fleet(
    live: Server, by: Actor, count: int, versions: tuple[str, ...] = VERSIONS
) -> Iterator[list[Member]]:
    """Stations that run the old version, of each OCPP version in turn."""
    with ExitStack() as stack:
        members = []
        for number in range(count):
            station, password = make_station(by)
            charger = Charger(live.ocpp_url, station, password, next_address())
            socket = stack.enter_context(charger.dial(versions[number % len(versions)]))
            member = Member(charger, socket)
            member.boot(OLD)
            members.append(member)
        yield members


def draft(image: FirmwareImage, members: list[Member], by: Actor, **values: Any) -> FirmwareRollout:
    """A rollout for these stations; without anything else said all at once and without a soak."""
    stations = [member.station.pk for member in members]
    chosen = {"waves_wanted": [{"percent": 100}], "soak_seconds": 0, "retries": 0, **values}
    return planning.draft({"image": image, "stations": stations, **chosen}, by=by)


def advance() -> None:
    """What the worker does every two seconds."""
    advancing.advance(clock.now())


def row(rollout: FirmwareRollout, member: Member) -> RolloutStation:
    return RolloutStation.objects.get(rollout=rollout, station=member.station)


def in_order(rollout: FirmwareRollout, members: list[Member]) -> list[Member]:
    """The members by their wave."""
    waves = dict(rollout.rows.values_list("station_id", "wave__number"))
    return sorted(members, key=lambda member: waves[member.station.pk])
