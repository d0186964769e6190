"""The local list of a simulated station, and what the portal makes of it."""

import asyncio
from datetime import timedelta

import pytest
from django.db import connection

from core import clock
from core.access import system
from drivers.models import TokenType
from drivers.services import tokens
from portal.demo.registering import actor, register_station, station_password
from portal.simulator import SimulatedStation
from portal.simulator.local_list import CAPACITY, PER_MESSAGE
from stations.domain.intents import GetTransactionStatus, SendLocalList
from stations.models import ChargingStation, Command, LocalList
from stations.services import commands
from stations.services.local_lists import looking, managing, upkeep
from tests import factories, waiting
from tests.simulator.csms import FakeCsms, Json

every_version = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


def update(version: str, number: int, entries: dict[str, Json | None], *, full: bool = True) -> Json:
    items: list[Json] = []
    for token, info in entries.items():
        item: Json = (
            {"idTag": token} if version == "1.6" else {"idToken": {"idToken": token, "type": "ISO14443"}}
        )
        if info is not None:
            item["idTagInfo" if version == "1.6" else "idTokenInfo"] = info
        items.append(item)
    payload: Json = {"updateType": "Full" if full else "Differential"}
    payload["listVersion" if version == "1.6" else "versionNumber"] = number
    return {**payload, "localAuthorizationList": items} if items else payload


def told(answer: Json) -> int:
    return answer.get("listVersion", answer.get("versionNumber"))


ACCEPTED: Json = {"status": "Accepted"}


@every_version
async def test_a_list_is_taken_changed_and_emptied(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()

        async def send(number: int, entries: dict[str, Json | None], *, full: bool = True) -> str:
            sent = update(version, number, entries, full=full)
            return (await csms.command("CP1", "SendLocalList", sent))[2]["status"]

        async def tell() -> int:
            return told((await csms.command("CP1", "GetLocalListVersion", {}))[2])

        words = [await tell(), await send(4, {"A": ACCEPTED, "B": ACCEPTED}), await tell()]
        words += [await send(4, {"C": ACCEPTED}, full=False), await send(5, {"a": None}, full=False)]
        held = set(station.local_list.entries)
        words += [await tell(), await send(6, {}), await tell()]

    assert words == [0, "Accepted", 4, "VersionMismatch", "Accepted", 5, "Accepted", 0]
    assert held == {"B"}
    assert csms.invalid == []


@every_version
async def test_too_much_at_once_or_in_all_fails_and_changes_nothing(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        many = {f"T{n}": ACCEPTED for n in range(PER_MESSAGE + 1)}
        at_once = await csms.command("CP1", "SendLocalList", update(version, 1, many))
        part = [f"T{n}" for n in range(CAPACITY)]
        for start in range(0, CAPACITY, PER_MESSAGE):
            entries = dict.fromkeys(part[start : start + PER_MESSAGE], ACCEPTED)
            sent = update(version, 2 + start, entries, full=start == 0)
            assert (await csms.command("CP1", "SendLocalList", sent))[2] == ACCEPTED
        in_all = await csms.command(
            "CP1", "SendLocalList", update(version, 9_000, {"MORE": ACCEPTED}, full=False)
        )

    assert at_once[2] == in_all[2] == {"status": "Failed"}
    assert len(station.local_list.entries) == CAPACITY


@every_version
async def test_a_station_without_a_list_says_so(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        station.habits.keeps_local_list = False
        await station.boot()
        asked = await csms.command("CP1", "GetLocalListVersion", {})
        sent = await csms.command("CP1", "SendLocalList", update(version, 1, {"A": ACCEPTED}))

    if version == "1.6":
        assert (asked[2], sent[2]) == ({"listVersion": -1}, {"status": "NotSupported"})
    else:
        assert (asked[2], sent[2]) == ("NotSupported", "NotSupported")


@every_version
async def test_offline_the_list_decides_by_status_and_expiry(version):
    expiry = "expiryDate" if version == "1.6" else "cacheExpiryDateTime"
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        entries = {
            "GOOD": {"status": "Accepted", expiry: clock.to_wire(station.clock.now() + timedelta(days=1))},
            "OVER": {"status": "Accepted", expiry: clock.to_wire(station.clock.now() - timedelta(days=1))},
            "BAD": {"status": "Blocked"},
        }
        await csms.command("CP1", "SendLocalList", update(version, 1, entries))
        station.drop()
        verdicts = [await station.authorize(token) for token in ("good", "OVER", "BAD", "UNKNOWN")]

    assert verdicts == [True, False, False, True]


@every_version
def test_the_portal_keeps_the_list_of_a_simulated_station(live, version):
    organization = factories.make_organization()
    by = actor(organization, "test")
    owner = factories.make_actor(organization)
    identity = factories.unique("SIM")
    register_station(identity, {}, by=by)
    row = ChargingStation.objects.get(identity=identity)
    lost = tokens.create(value="LOST", type_=TokenType.ISO14443, by=owner)
    tokens.create(value="GOOD", type_=TokenType.ISO14443, by=owner)
    managing.keep(row, automatic=True, groups=[], by=owner)

    def settled() -> bool:
        upkeep.keep(clock.now())
        kept = LocalList.objects.select_related("station").get(station=row)
        open_ = Command.objects.filter(station=row, settled_at=None).exists()
        connection.close()
        return (
            looking.standing_of(kept).state == "current" and kept.reported_version is not None and not open_
        )

    async def story():
        password = station_password(identity)
        async with SimulatedStation(live.ocpp_url, identity, password, version=version) as station:
            await station.boot()
            await asyncio.to_thread(waiting.eventually, settled, what="a current list")
            first = {token: known.status for token, known in station.local_list.entries.items()}
            await asyncio.to_thread(tokens.block, lost, reason="Lost.", by=owner)
            await asyncio.to_thread(waiting.eventually, settled, what="a current list")
            return first, {token: known.status for token, known in station.local_list.entries.items()}

    first, second = asyncio.run(story())
    assert first == {"LOST": "Accepted", "GOOD": "Accepted"}
    assert second == {"LOST": "Blocked", "GOOD": "Accepted"}
    sent = Command.objects.filter(station=row, command=SendLocalList.name)
    assert list(sent.order_by("id").values_list("parameters__mode", flat=True)) == ["full", "differential"]


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_a_simulated_station_tells_how_its_session_stands(live, version):
    organization = factories.make_organization()
    owner = factories.make_actor(organization)
    identity = factories.unique("SIM")
    register_station(identity, {}, by=actor(organization, "test"))
    tokens.create(value="GOOD", type_=TokenType.ISO14443, by=owner)
    row = ChargingStation.objects.get(identity=identity)

    def ask(session_id):
        command = commands.issue(row, GetTransactionStatus(transaction=session_id), by=system("test"))
        commands.wait_until_settled(command, 10)
        connection.close()
        return command.response

    async def story():
        password = station_password(identity)
        async with SimulatedStation(live.ocpp_url, identity, password, version=version) as station:
            await station.boot()
            await station.start(token="GOOD")
            session = await asyncio.to_thread(lambda: row.transactions.get())
            running = await asyncio.to_thread(ask, session.pk)
            await station.stop()
            return running, await asyncio.to_thread(ask, session.pk)

    running, over = asyncio.run(story())
    assert running == {"ongoingIndicator": True, "messagesInQueue": False}
    assert over == {"ongoingIndicator": False, "messagesInQueue": False}
