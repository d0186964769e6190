"""T-42, T-47 by the wire: 2.1 stations that show tariffs have the one that holds, also where it changes meanwhile."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.access import Actor
from core.models import AuditEntry
from stations.models import Alert, Command, Evse, StationTariff, TariffAssignment, Transaction
from stations.services import native_tariffs, session_costs
from tariffs import publishing
from tariffs.models import TariffVersion
from tests.factories import make_station, unique
from tests.stations.ocpp.charging import Car, priced
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_costs_told import knows
from tests.stations.ocpp.test_dynamic_tariffs import in_force
from tests.stations.ocpp.test_reservation_costs import reserve
from tests.stations.ocpp.test_session_costs import Plug, plug
from tests.tariffs.building import component, document, element
from tests.waiting import eventually
from tests.wire.client import WireStation

__all__ = ["plug"]
DEARER = element(component("ENERGY", "0.90", "19"))
NIGHT = (element(component("ENERGY", "0.30", "19"), end_time="06:00"), DEARER)
WORDS = "Energy: 0.595 € per kWh incl. 19 % VAT."
Call = tuple[str, dict[str, Any]]


def answered(charger: Charger, socket: WireStation, count: int, status: str = "Accepted") -> list[Call]:
    """So many commands as the station gets and answers them."""
    calls = []
    for _ in range(count):
        call = socket.next_call()
        calls.append((call[2], call[3]))
        results = [{"tariffId": name, "status": status} for name in call[3].get("tariffIds", ())]
        socket.reply(
            call, {"clearTariffsResult": results} if call[2] == "ClearTariffs" else {"status": status}
        )
    waiting = Command.objects.filter(station=charger.station, settled_at=None)
    eventually(lambda: not waiting.exists(), what="the answers")
    return calls


def kept(charger: Charger, socket: WireStation, status: str = "Accepted", **later: Any) -> list[Call]:
    return answered(charger, socket, native_tariffs.keep(clock.now() + timedelta(**later)), status)


def energy(call: Call) -> Any:
    return call[1]["tariff"]["energy"]["prices"]


def test_t47_the_default_is_the_tariff_that_holds_told_once_and_again_where_it_changes(
    charger: Charger, alice: Actor
) -> None:
    first = priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        calls = [kept(charger, socket), kept(charger, socket)]
        second = priced(alice, *NIGHT)
        calls += [kept(charger, socket), kept(charger, socket)]

    assert calls[0] == [("SetDefaultTariff", {"evseId": 0, "tariff": {
        "tariffId": f"default-{first.pk}", "currency": "EUR",
        "energy": {"prices": [{"priceKwh": 0.5}], "taxRates": [{"type": "VAT", "tax": 19}]},
        "description": [{"format": "UTF8", "language": "en", "content": WORDS}],
    }})]  # fmt: skip
    assert (calls[1], calls[3]) == ([], [])
    ((_name, body),) = calls[2]
    assert body["tariff"]["tariffId"] == f"default-{second.pk}"
    assert "description" not in body["tariff"], "words of one hour would be wrong in the next"
    rows = StationTariff.objects.filter(station=charger.station)
    assert {row.tariff_id: row.status for row in rows} == {
        f"default-{first.pk}": "replaced", f"default-{second.pk}": "installed",
    }  # fmt: skip


@pytest.mark.parametrize(("version", "shows"), [("2.1", "Cost"), ("2.0.1", "Tariff")])
def test_t47_who_shows_no_tariffs_or_has_no_words_for_them_is_told_none(
    charger: Charger, alice: Actor, version: str, shows: str
) -> None:
    priced(alice)
    knows(charger, shows)
    with charger.dial(version) as socket:
        socket.boot()
        assert native_tariffs.keep(clock.now()) == 0


def test_t47_a_station_that_refuses_a_default_is_asked_again_after_an_hour(
    charger: Charger, alice: Actor
) -> None:
    priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        first = kept(charger, socket, "ConditionNotSupported")
        soon = kept(charger, socket, minutes=50)
        later = kept(charger, socket, minutes=61)

    assert (len(first), soon, later) == (1, [], first)


def commands(charger: Charger) -> Any:
    return Command.objects.filter(station=charger.station)


def test_t47_a_station_that_answers_a_default_with_an_error_is_asked_again_after_an_hour_and_audited_once(
    charger: Charger, alice: Actor
) -> None:
    priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        assert native_tariffs.keep(clock.now()) == 1
        socket.send([4, socket.next_call()[1], "InternalError", "No.", {}])
        eventually(lambda: commands(charger).filter(status="failed").exists(), what="the error")
        soon = kept(charger, socket, minutes=50)
        later = kept(charger, socket, minutes=61)

    assert (soon, len(later)) == ([], 1)
    first, again = (str(pk) for pk in commands(charger).order_by("id").values_list("pk", flat=True))
    audited = AuditEntry.objects.filter(action="command.issued", object_id__in=[first, again])
    assert [entry.object_id for entry in audited] == [first]


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        ("failed", "disconnected", 1), ("failed", "offline", 1), ("expired", "expired", 1),
        ("failed", "invalid_request", 0), ("timed_out", "timeout", 1), ("not_supported", "not_supported", 0),
    ],
)  # fmt: skip
def test_t47_what_a_station_did_not_hear_it_is_told_again_after_a_minute(
    charger: Charger, alice: Actor, status: str, code: str, told: int
) -> None:
    priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        kept(charger, socket)
        StationTariff.objects.all().delete()
        commands(charger).update(status=status, error={"code": code, "description": ""})
        at_once = native_tariffs.keep(clock.now() + timedelta(seconds=50))
        soon = kept(charger, socket, seconds=70)

    assert (at_once, len(soon)) == (0, told)


def test_t47_a_station_that_never_answers_is_told_again_once_and_then_after_an_hour(
    charger: Charger, alice: Actor
) -> None:
    priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        counts = []
        for minutes in (0, 2, 4, 50, 63):
            counts.append(len(kept(charger, socket, minutes=minutes)))
            StationTariff.objects.all().delete()
            issued_at = clock.now() + timedelta(minutes=minutes)
            fresh = commands(charger).exclude(status="timed_out")
            fresh.update(status="timed_out", error={"code": "timeout"}, issued_at=issued_at)

    assert counts == [1, 1, 0, 0, 1]


def test_t47_stations_that_have_what_they_should_cost_no_query_of_their_own(
    charger: Charger, alice: Actor, django_assert_max_num_queries: Any
) -> None:
    priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        kept(charger, socket)
        others = [make_station(alice)[0] for _ in range(10)]
        (row,) = StationTariff.objects.filter(station=charger.station)
        present = charger.station.presence.__class__
        for station in others:
            knows(replace(charger, station=station), "Tariff")
            present.objects.filter(station=station).update(connected=True, ocpp_version="2.1")
            StationTariff.objects.create(
                station=station,
                kind="default",
                tariff_id=row.tariff_id,
                status="installed",
                told_at=clock.now(),
            )
        with django_assert_max_num_queries(10):
            assert native_tariffs.keep(clock.now()) == 0
    present.objects.filter(station__in=others).update(connected=False)


def test_t47_stations_of_who_prices_nothing_are_not_looked_at(charger: Charger) -> None:
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        with CaptureQueriesContext(connection) as queries:
            assert native_tariffs.keep(clock.now()) == 0
    named = charger.station.pk.hex  # as the driver writes it
    assert not any(named in query["sql"].replace("-", "") for query in queries)


def test_t47_outlets_with_tariffs_of_their_own_have_defaults_of_their_own(
    charger: Charger, alice: Actor
) -> None:
    everywhere = priced(alice)
    knows(charger, "Tariff")
    first, _second = (
        Evse.objects.create(station=charger.station, evse_id=number, code=unique("E")) for number in (1, 2)
    )
    with charger.dial("2.1") as socket:
        socket.boot()
        whole = kept(charger, socket)
        own = priced(alice, DEARER, place=first)
        parts = kept(charger, socket)

    assert [call["evseId"] for _name, call in whole] == [0]
    assert [(name, body.get("evseId")) for name, body in parts] == [
        ("SetDefaultTariff", 1), ("SetDefaultTariff", 2), ("ClearTariffs", None),
    ]  # fmt: skip
    assert [body["tariff"]["tariffId"] for _name, body in parts[:2]] == [
        f"default-{own.pk}-1", f"default-{everywhere.pk}-2",
    ]  # fmt: skip
    assert parts[2][1] == {"tariffIds": [f"default-{everywhere.pk}"]}


def test_t47_a_default_that_holds_no_more_or_cannot_be_said_exactly_is_cleared(
    charger: Charger, alice: Actor
) -> None:
    first = priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        kept(charger, socket)
        priced(alice, element(component("ENERGY", "0.50", "19", step=500)))
        calls = kept(charger, socket)
        again = kept(charger, socket)

    assert (calls, again) == ([("ClearTariffs", {"tariffIds": [f"default-{first.pk}"]})], [])


def test_t47_where_nothing_is_priced_by_us_the_defaults_of_others_stay(
    charger: Charger, alice: Actor
) -> None:
    StationTariff.objects.create(
        station=charger.station, kind="default", tariff_id="DAY", status="installed", told_at=clock.now()
    )
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        assert native_tariffs.keep(clock.now()) == 0
    assert StationTariff.objects.get(station=charger.station).status == "installed"


def changed(charger: Charger, car: Car, status: str = "Accepted", **later: Any) -> list[Call]:
    """What the station is told after the prices of the session were followed."""
    session_costs.price(car.session.pk, now=clock.now())
    return answered(charger, car.socket, native_tariffs.change(clock.now() + timedelta(**later)), status)


def version_of(first: TariffVersion, number: int) -> TariffVersion:
    return TariffVersion.objects.get(tariff=first.tariff_id, number=number)


def test_t42_a_running_session_is_told_each_price_as_it_begins_after_the_default_of_the_next(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    car = plug("2.1", hours_ago=1)
    first = in_force(alice, car, (-60, "0.50"), (30, "0.30"), (60.1, "0.90"))
    knows(charger, "Tariff")
    car.start(0)
    at_once, repeated = changed(charger, car), changed(charger, car)
    eventually(lambda: clock.now() >= car.at(60.1), within_s=10, what="the next price")
    next_one = changed(charger, car)

    second, third = (version_of(first, number) for number in (2, 3))
    assert [name for name, _body in at_once] == ["SetDefaultTariff", "ChangeTransactionTariff"]
    assert [energy(one) for one in at_once] == [[{"priceKwh": 0.3}]] * 2
    assert at_once[0][1]["tariff"]["tariffId"] == f"default-{second.pk}"
    assert at_once[1][1]["transactionId"] == car.name
    assert at_once[1][1]["tariff"]["tariffId"] == str(second.pk)
    assert at_once[1][1]["tariff"]["description"][0]["content"].startswith("Energy: 0.357 €")
    assert repeated == []
    assert [(name, body["tariff"]["tariffId"]) for name, body in next_one] == [
        ("SetDefaultTariff", f"default-{third.pk}"), ("ChangeTransactionTariff", str(third.pk)),
    ]  # fmt: skip
    rows = StationTariff.objects.filter(station=charger.station, kind="transaction")
    assert {row.tariff_id: row.status for row in rows} == {
        str(second.pk): "replaced",
        str(third.pk): "installed",
    }


def test_t42_a_tariff_that_was_not_announced_to_follow_is_never_changed(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    car = plug("2.1", hours_ago=1)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), dynamic=False)
    knows(charger, "Tariff")
    car.start(0)

    assert changed(charger, car) == []


def test_t25_a_session_that_uses_a_reservation_is_told_the_tariff_of_that_once(
    charger: Charger, alice: Actor
) -> None:
    first = priced(alice)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        kept_place = reserve(charger, socket, alice, ago=110)
        dearer = document(DEARER, id=first.tariff.ocpi_id)
        second = publishing.publish(publishing.edit(first.tariff, dearer, by=alice), by=alice)
        car = Car(charger, socket, alice, hours_ago=0.1)
        car.start(0, reservationId=kept_place.number)
        calls, repeated = changed(charger, car), changed(charger, car)

    assert [(name, body["tariff"]["tariffId"]) for name, body in calls] == [
        ("SetDefaultTariff", f"default-{second.pk}"), ("ChangeTransactionTariff", str(first.pk)),
    ]  # fmt: skip
    assert [energy(one)[0]["priceKwh"] for one in calls] == [0.9, 0.5]
    assert repeated == []


def test_t47_a_price_that_follows_brings_no_second_fee(plug: Plug, charger: Charger, alice: Actor) -> None:
    car = plug("2.1", hours_ago=1)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), more=[component("FLAT", "1", "19")])
    knows(charger, "Tariff")
    car.start(0)
    default, change = changed(charger, car)

    assert default[1]["tariff"]["fixedFee"]["prices"] == [{"priceFixed": 1.0}]
    assert "fixedFee" not in change[1]["tariff"]


def test_t47_a_change_that_is_refused_is_asked_for_again_after_an_hour_and_one_that_failed_soon(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    car = plug("2.1", hours_ago=1)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"))
    knows(charger, "Tariff")
    car.start(0)
    refused = changed(charger, car, "ConditionNotSupported")
    soon = changed(charger, car, "ConditionNotSupported", minutes=50)
    later = changed(charger, car, minutes=61)

    assert [len(refused), len(soon), len(later)] == [2, 0, 2]


def untold(car: Car) -> list[Alert]:
    return list(Alert.objects.filter(kind="session_tariff_untold", subject=str(car.session.pk)))


def test_t47_a_price_that_follows_and_cannot_be_said_exactly_raises_one_alert(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    car = plug("2.1", hours_ago=1)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), later=[component("TIME", "1.90", "19")])
    knows(charger, "Tariff")
    car.start(0)
    assert [changed(charger, car), changed(charger, car)] == [[], []]

    (alert,) = untold(car)
    assert (alert.count, alert.severity, alert.station_id) == (1, "warning", charger.station.pk)
    assert car.name in alert.detail
    native_tariffs.keep(clock.now())
    assert untold(car)[0].cleared_at is None
    Transaction.objects.filter(pk=car.session.pk).update(status="ended")
    native_tariffs.keep(clock.now())
    assert untold(car)[0].cleared_at is not None, "the session is over"
    Transaction.objects.filter(pk=car.session.pk).update(status="active")
    changed(charger, car)
    assert len(untold(car)) == 1


def test_t47_where_no_price_was_told_at_all_nothing_is_left_running(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    car = plug("2.1", hours_ago=1)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), more=[component("TIME", "1.90", "19")])
    knows(charger, "Tariff")
    car.start(0)

    assert changed(charger, car) == []
    assert untold(car) == []


def test_t47_a_station_is_told_nothing_while_it_is_away(plug: Plug, charger: Charger, alice: Actor) -> None:
    car = plug("2.1", hours_ago=1)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"))
    knows(charger, "Tariff")
    car.start(0)
    session_costs.price(car.session.pk, now=clock.now())
    charger.station.presence.__class__.objects.filter(station=charger.station).update(connected=False)

    assert (native_tariffs.change(clock.now()), native_tariffs.keep(clock.now())) == (0, 0)
    assert TariffAssignment.objects.exists()
