"""A simulated charging station: what its driver does, what it reports, what can break. No version here."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from portal.simulator import smart_charging
from portal.simulator.battery import Vehicle
from portal.simulator.clock import Clock, SteppedClock
from portal.simulator.dialect import Cause, Dialect
from portal.simulator.journal import Json
from portal.simulator.local_list import LocalList
from portal.simulator.online import OnlineStation
from portal.simulator.outlet import Lost, Outlet, OutletState, StopReason, Transaction
from portal.simulator.profiles import ProfileStore
from portal.simulator.security import Safe
from portal.simulator.settings import Endpoint, Habits, Hardware, Version, wire_password
from portal.simulator.transport import Reply, SimulatorError
from portal.simulator.v2x import DIALECT_21, DIALECT_201
from portal.simulator.v16 import DIALECT_16

DIALECTS: dict[str, Dialect] = {"1.6": DIALECT_16, "2.0.1": DIALECT_201, "2.1": DIALECT_21}
DEFAULT_TOKEN = "04A2B3C4D5E680"


class SimulatedStation(OnlineStation):
    """``async with SimulatedStation(url, "CP1", "secret") as s: await s.boot(); await s.start(1, "TAG")``.

    A password of 32 to 40 hexadecimal digits is sent by 1.6 as the bytes it stands for; bytes are sent as
    they are. By default time is stepped: charging for
    twenty minutes takes as long as the messages need.
    """

    def __init__(
        self,
        url: str | Endpoint,
        identity: str = "",
        password: str | bytes | None = None,
        *,
        version: Version = "1.6",
        hardware: Hardware | None = None,
        clock: Clock | None = None,
        habits: Habits | None = None,
    ) -> None:
        secret = wire_password(password, version)
        endpoint = url if isinstance(url, Endpoint) else Endpoint(url, identity, secret)
        super().__init__(endpoint, DIALECTS[version], clock or SteppedClock(), habits or Habits())
        self.hardware = hardware or Hardware()
        self.outlets = self.hardware.build(self.random.randrange(50_000, 4_000_000))
        self.profiles = ProfileStore()
        self.settings: dict[str, str] = {}
        self.safe = Safe()
        self.monitors: dict[int, Json] = {}
        self.display: dict[int, Json] = {}
        self.tariffs: dict[int, str] = {}
        self.local_list = LocalList()
        self.event_number = 0
        self.reset_scheduled = False
        self._held: tuple[str, Callable[[], Json], Callable[[Json], None]] | None = None

    @property
    def identity(self) -> str:
        return self.endpoint.identity

    @property
    def serial_number(self) -> str:
        return f"SIM-{self.identity}"[:25]

    def outlet(self, number: int = 1) -> Outlet:
        """Raises ``LookupError`` for a number that the station does not have."""
        for outlet in self.outlets:
            if outlet.number == number:
                return outlet
        raise LookupError(f"{self.identity} has no outlet {number}")

    def transactions(self) -> list[Transaction]:
        """Those that are running."""
        return [outlet.transaction for outlet in self.outlets if outlet.transaction is not None]

    async def plug_in(self, number: int = 1, vehicle: Vehicle | None = None) -> None:
        outlet = self.outlet(number)
        self.clock.linger()
        outlet.advance(self.clock.now())
        outlet.vehicle = vehicle or Vehicle(max_power_w=outlet.rated_w)
        outlet.finished = False
        await self.tell_status(outlet)
        if self.habits.starts_on_cable and self.dialect.version != "1.6":
            await self._begin(outlet, token="", released=False)

    async def authorize(self, token: str = DEFAULT_TOKEN) -> bool:
        """Ask the CSMS, or the local list while offline."""
        self.clock.linger()
        if not self.may_send:
            return self.local_list.verdict(token, self.clock.now()) in {None, "Accepted"}
        return self.dialect.authorized(await self.call("Authorize", self.dialect.authorize(token)))

    async def start(
        self, number: int = 1, token: str = DEFAULT_TOKEN, *, remote_start_id: int | None = None
    ) -> Transaction:
        """Begin a transaction; a car is plugged in if there is none. A refused one ends at once."""
        outlet = self.outlet(number)
        if not outlet.plugged:
            await self.plug_in(number)
        self.clock.linger()
        if outlet.transaction is None:
            transaction = await self._begin(outlet, token, remote_start_id=remote_start_id)
        else:
            transaction = await self._release(outlet.transaction, token)
        if transaction.accepted is False:
            await self.stop(transaction, StopReason.REFUSED)
        else:
            await self.observe(outlet)
        return transaction

    async def charge(
        self, number: int = 1, *, minutes: float | None = None, seconds: float | None = None
    ) -> Transaction:
        """Let the car charge and report samples: for a time, or until it is full or the session ends."""
        outlet = self.outlet(number)
        transaction = outlet.transaction
        if transaction is None:
            raise LookupError(f"nothing is charging at outlet {number}")
        limited = minutes is not None or seconds is not None
        end = self.clock.now() + timedelta(minutes=minutes or 0, seconds=seconds or 0)
        while transaction.is_open:
            due = self._next_sample(transaction)
            sampling = not limited or due <= end
            await self.clock.sleep_until(due if sampling else end)
            if transaction.is_open:
                await self._look(transaction, sampling=sampling)
            if (limited and self.clock.now() >= end) or (not limited and _is_full(outlet)):
                break
        return transaction

    async def sample(self, outlet: Outlet, cause: Cause = Cause.PERIODIC) -> None:
        """Report the meter of a running transaction."""
        transaction = outlet.transaction
        if transaction is not None:
            reading = outlet.reading(self.clock.now())
            await self.dialect.updated(self, transaction, reading, cause)

    async def charge_alone(self, number: int = 1) -> None:
        """As a driver does who comes back when the car is full."""
        transaction = await self.charge(number)
        await self.stop(transaction, StopReason.EV_FULL)
        await self.unplug(number)

    async def pause(self, number: int = 1, *, paused: bool = True) -> None:
        """The car stops drawing power (or goes on), the transaction stays."""
        outlet = self.outlet(number)
        self.clock.linger()
        outlet.advance(self.clock.now())
        if outlet.vehicle is not None:
            outlet.vehicle.paused = paused
        await self.observe(outlet)

    async def stop(
        self, what: Transaction | int = 1, reason: StopReason = StopReason.LOCAL
    ) -> Transaction | None:
        """End the transaction of an outlet; None where none was running."""
        transaction = what if isinstance(what, Transaction) else self.outlet(what).transaction
        if transaction is None or not transaction.is_open:
            return None
        self.clock.linger()
        await self._end(transaction, reason)
        await self.tell_status(transaction.outlet)
        if self.reset_scheduled and not self.transactions():
            self.reset_scheduled = False
            self.spawn(self.reboot(reason="ScheduledReset"))
        return transaction

    async def unplug(self, number: int = 1) -> None:
        outlet = self.outlet(number)
        await self.stop(number, StopReason.EV_LEFT)
        self.clock.linger()
        outlet.advance(self.clock.now())
        outlet.vehicle = None
        outlet.finished = False
        await self.tell_status(outlet)

    async def observe(self, outlet: Outlet) -> None:
        """Let time pass at the outlet, and report what has changed."""
        now = self.clock.now()
        outlet.advance(now)
        outlet.limit_w = self.profiles.limit_w(outlet, now)
        transaction = outlet.transaction
        if transaction is not None and transaction.state_told is not outlet.state:
            transaction.state_told = outlet.state
            await self.tell_status(outlet)
            reading = outlet.reading(now)
            await self.dialect.updated(self, transaction, reading, Cause.STATE)

    async def tell_status(self, outlet: Outlet, *, always: bool = False) -> None:
        """StatusNotification or NotifyEvent, if the state differs from the one told last."""
        word = self.dialect.status_word(outlet.state)
        if not self.may_send or (word == outlet.status_told and not always):
            return
        outlet.status_told = word
        action, payload = self.dialect.status(self, outlet)
        try:
            await self.call(action, payload)
        except SimulatorError:
            outlet.status_told = ""

    async def report_states(self) -> None:
        for outlet in self.outlets:
            await self.tell_status(outlet, always=True)

    async def fail(self, number: int = 1, error: str = "GroundFailure") -> None:
        """A fault at one outlet: its transaction ends, the outlet is Faulted until it recovers."""
        outlet = self.outlet(number)
        self.clock.linger()
        if outlet.transaction is not None:
            await self._end(outlet.transaction, StopReason.FAULT)
        outlet.fault = error
        await self.tell_status(outlet)

    async def recover(self, number: int = 1) -> None:
        outlet = self.outlet(number)
        self.clock.linger()
        outlet.fault = ""
        await self.tell_status(outlet)

    async def emergency_stop(self) -> None:
        """Somebody hit the red button: everything ends at once."""
        self.clock.linger()
        for outlet in self.outlets:
            if outlet.transaction is not None:
                await self._end(outlet.transaction, StopReason.EMERGENCY_STOP)
            outlet.fault = "OtherError"
            await self.tell_status(outlet)

    async def lose_power(self) -> None:
        """Dark at once. What was running has ended, and is told after power returns."""
        self.drop()
        self.registered = False
        for transaction in self.transactions():
            await self._end(transaction, StopReason.POWER_LOSS)

    async def recall(self, lost: Lost) -> None:
        """End what ran when this station went dark in an earlier life; told after the boot.

        The car is still there, until somebody unplugs it.
        """
        outlet = self.outlet(lost.outlet)
        transaction = Transaction(outlet, lost.token, lost.started_at, lost.meter_start_wh, id=lost.id)
        transaction.seq_no = lost.seq_no
        outlet.transaction, outlet.vehicle = transaction, Vehicle(paused=True)
        await self._end(transaction, StopReason.POWER_LOSS, at=lost.ended_at)

    async def restore_power(self, reason: str = "PowerUp") -> None:
        self.clock.linger()
        await self.connect()
        await self.boot_until_accepted(reason)
        await self.queue.emptied()

    async def reboot(self, *, forced: bool = False, reason: str = "RemoteReset") -> None:
        """End what runs, go away for a moment and come back."""
        for transaction in self.transactions():
            await self._end(transaction, StopReason.FORCED_RESET if forced else StopReason.RESET)
        await self.disconnect()
        self.registered = False
        await asyncio.sleep(self.habits.reboot_s)
        try:
            await self.restore_power(reason)
        except SimulatorError:
            if self.habits.keep_online:
                await self.come_back()

    def enqueue(
        self,
        action: str,
        build: Callable[[], Json],
        answered: Callable[[Json], None],
        *,
        may_wait: bool = False,
    ) -> Awaitable[object]:
        """Hand a transaction message to the queue; a shuffling station swaps neighbours that may wait."""
        if self.faults.shuffled and may_wait and self._held is None:
            self._held = (action, build, answered)
            return asyncio.sleep(0)
        noticed = self.queue.put(action, build, answered)
        if self._held is not None:
            held, self._held = self._held, None
            return self.queue.put(*held)
        return noticed

    def handle(self, action: str, payload: Json) -> Reply:
        return self.dialect.answer(self, action, payload)

    def boot_payload(self, reason: str) -> Json:
        return self.dialect.boot(self, reason)

    async def _begin(
        self, outlet: Outlet, token: str, *, remote_start_id: int | None = None, released: bool = True
    ) -> Transaction:
        now = self.clock.now()
        reading = outlet.reading(now)
        transaction = Transaction(outlet, token, now, reading.energy_wh, begin=reading, released=released)
        transaction.remote_start_id = remote_start_id
        transaction.reservation_id = outlet.use_reservation(token)
        outlet.transaction = transaction
        outlet.finished = False
        outlet.limit_w = self.profiles.limit_w(outlet, now)
        self.journal.transactions.append(transaction)
        await self.dialect.started(self, transaction, reading)
        if self.habits.tells_needs and self.dialect.version != "1.6":
            smart_charging.tell_needs(self, outlet)
        return transaction

    async def _release(self, transaction: Transaction, token: str) -> Transaction:
        transaction.token, transaction.released = token, True
        reading = transaction.outlet.reading(self.clock.now())
        await self.dialect.updated(self, transaction, reading, Cause.AUTHORIZED)
        return transaction

    async def _end(self, transaction: Transaction, reason: StopReason, *, at: datetime | None = None) -> None:
        outlet, now = transaction.outlet, at or self.clock.now()
        outlet.switch_off(now)
        reading = outlet.reading(now)
        transaction.stopped_at, transaction.stop_reason = now, reason
        transaction.meter_stop_wh = reading.energy_wh
        outlet.transaction, outlet.finished = None, True
        outlet.operative = outlet.operative and not outlet.inoperative_next
        outlet.inoperative_next = False
        self.profiles.forget_transaction(transaction)
        await self.dialect.ended(self, transaction, reading)

    async def _look(self, transaction: Transaction, *, sampling: bool) -> None:
        if sampling:
            interval = timedelta(seconds=self.habits.sample_s)
            due = self._next_sample(transaction) + interval
            transaction.next_sample_at = due if due > self.clock.now() else self.clock.now() + interval
            await self.sample(transaction.outlet)
        await self.observe(transaction.outlet)

    def _next_sample(self, transaction: Transaction) -> datetime:
        if transaction.next_sample_at is None:
            transaction.next_sample_at = transaction.started_at + timedelta(seconds=self.habits.sample_s)
        return transaction.next_sample_at


def _is_full(outlet: Outlet) -> bool:
    return outlet.vehicle is None or outlet.vehicle.is_full or outlet.state is OutletState.FAULTED
