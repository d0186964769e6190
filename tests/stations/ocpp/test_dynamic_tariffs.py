"""T-42 by the wire: prices follow a running session where, and only where, that was announced before its start."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.models import FrozenTariff, TariffAssignment
from stations.services import dynamic_tariffs, session_costs
from tariffs import publishing
from tariffs.models import TariffVersion
from tests.factories import unique
from tests.stations.ocpp.asking import VERSIONS
from tests.stations.ocpp.charging import Car, assign, priced
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_costs_told import authorize
from tests.stations.ocpp.test_session_costs import Plug, cost_of, plug, told
from tests.tariffs.building import component, document, element

__all__ = ["plug"]


def in_force(
    by: Actor,
    car: Car,
    *prices: tuple[float, str],
    dynamic: bool = True,
    steps: int = 0,
    more: Sequence[dict[str, Any]] = (),
    later: Sequence[dict[str, Any]] = (),
) -> TariffVersion:
    """A tariff with a price per kWh from each of these minutes of the session on, as is written back.

    ``more`` is in each of its versions, ``later`` in those after the first.
    """
    identity = {"id": unique("T")[-36:], **({"dynamic": True} if dynamic else {})}
    draft = publishing.create(document(per_kwh(prices[0][1], steps, *more), **identity), by=by)
    first, tariff = draft, draft.tariff
    begins = [car.at(minute) for minute, _price in prices]
    for number, (begin, end) in enumerate(pairwise([*begins, None])):
        if number:
            draft = publishing.edit(
                tariff, document(per_kwh(prices[number][1], steps, *more, *later), **identity), by=by
            )
        TariffVersion.objects.filter(pk=draft.pk).update(
            state="published", valid_from=begin, valid_to=end, published_at=begin
        )
    assign(by, tariff)
    TariffAssignment.objects.filter(tariff=tariff).update(assigned_at=car.at(-60))
    return TariffVersion.objects.get(pk=first.pk)


def per_kwh(price: str, steps: int = 0, *more: dict[str, Any]) -> dict[str, Any]:
    return element(component("ENERGY", price, "19", steps), *more)


@pytest.mark.parametrize("version", VERSIONS)
def test_t42_each_price_of_a_dynamic_tariff_counts_from_its_instant_on(
    plug: Plug, alice: Actor, version: str
) -> None:
    car = plug(version, hours_ago=2)
    first = in_force(alice, car, (-60, "0.50"), (30, "0.30"), (90, "0.90"))
    car.start(0, 0)
    car.reads(60, 10_000)
    running = session_costs.price(car.session.pk, now=car.at(60))
    car.stop(120, 20_000)
    frozen = FrozenTariff.objects.get(transaction=car.session)

    # 5 kWh at 0.50 and 5 at 0.30; then 5 more at 0.30 and 5 at 0.90
    assert running is not None
    assert told(running) == ("running", "4.00", "4.76")
    assert told(cost_of(car)) == ("final", "10.00", "11.90")
    assert frozen.version_id == first.pk
    assert "1800" in frozen.document
    assert "5400" in frozen.document


@pytest.mark.parametrize("version", VERSIONS)
def test_t19_the_step_of_a_price_that_ended_before_the_session_is_left_out_so_far_and_in_the_end(
    plug: Plug, alice: Actor, version: str
) -> None:
    car = plug(version, hours_ago=2)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), steps=4000)
    car.start(0, 0)
    car.reads(20, 5000)
    before = session_costs.price(car.session.pk, now=car.at(20))
    assert before is not None
    first = told(before)
    car.reads(30, 6000)
    car.reads(60, 6000)
    after = session_costs.price(car.session.pk, now=car.at(60))
    assert after is not None
    second = told(after)
    car.stop(90, 6000)
    frozen = FrozenTariff.objects.get(transaction=car.session)

    # 5 kWh are billed as 8 while the price holds that rounds them up; the 6 kWh of its end are not rounded
    assert first == ("running", "4.00", "4.76")
    assert second == ("running", "4.00", "4.76"), "a running cost never falls"
    assert told(cost_of(car)) == ("final", "3.00", "3.57")
    assert frozen.tariff_changes == [car.at(30)]
    assert session_costs.price(car.session.pk, now=clock.now(), anew=True) == cost_of(car)
    assert told(cost_of(car)) == ("final", "3.00", "3.57")


def test_t19_energy_after_the_change_is_rounded_by_the_step_of_its_own_price(
    plug: Plug, alice: Actor
) -> None:
    car = plug("2.0.1", hours_ago=2)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), steps=4000)
    car.start(0, 0)
    car.stop(60, 10_000)

    # 5 kWh at 0.50, then 5 and 2 of the step at 0.30
    assert told(cost_of(car)) == ("final", "4.60", "5.47")


def test_t39_a_price_from_before_changes_were_kept_is_found_again_to_the_digit(
    plug: Plug, alice: Actor
) -> None:
    car = plug("2.0.1", hours_ago=2)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), steps=4000)
    car.start(0, 0)
    car.reads(30, 6000)
    session_costs.price(car.session.pk, now=car.at(40))
    FrozenTariff.objects.update(tariff_changes=[])
    car.stop(90, 6000)
    session_costs.price(car.session.pk, now=clock.now(), anew=True)

    assert told(cost_of(car)) == ("final", "4.00", "4.76")


@pytest.mark.parametrize("version", VERSIONS)
def test_t42_what_was_not_announced_before_the_start_changes_nothing(
    plug: Plug, alice: Actor, version: str
) -> None:
    car = plug(version, hours_ago=2)
    first = in_force(alice, car, (-60, "0.50"), (30, "0.30"), dynamic=False)
    car.start(0, 0)
    car.stop(60, 10_000)

    assert told(cost_of(car)) == ("final", "5.00", "5.95")
    assert FrozenTariff.objects.get(transaction=car.session).document == first.document


def test_t42_a_price_after_the_end_changes_nothing(plug: Plug, alice: Actor) -> None:
    car = plug("2.0.1", hours_ago=2)
    in_force(alice, car, (-60, "0.50"), (60, "0.90"))
    car.start(0, 0)
    car.stop(60, 10_000)

    assert told(cost_of(car)) == ("final", "5.00", "5.95")


@pytest.mark.parametrize("other", [{"currency": "CHF"}, {"tax_included": "YES"}])
def test_t42_a_price_ahead_is_taken_in_and_taken_back_with_it(
    plug: Plug, alice: Actor, other: dict[str, str]
) -> None:
    car = plug("2.0.1", hours_ago=1)
    first = in_force(alice, car, (-60, "0.50"))
    car.start(0, 0)
    documents = []
    for fields in ({}, other):
        identity = {"id": first.tariff.ocpi_id, "dynamic": True, **fields}
        draft = publishing.edit(first.tariff, document(per_kwh("0.90"), **identity), by=alice)
        ahead = publishing.publish(draft, by=alice, valid_from=clock.now() + timedelta(hours=1))
        session_costs.price(car.session.pk, now=clock.now())
        documents.append(FrozenTariff.objects.get(transaction=car.session).document)
        publishing.withdraw(ahead, by=alice)
    car.stop(60, 10_000)

    assert "0.90" in documents[0]
    assert documents[1] == first.document, "what counts otherwise is no price of this session"
    assert FrozenTariff.objects.get(transaction=car.session).document == first.document
    assert told(cost_of(car)) == ("final", "5.00", "5.95")


def test_t42_a_version_is_read_once_for_however_many_sessions(
    plug: Plug, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = plug("2.0.1", hours_ago=2)
    first = in_force(alice, car, (-60, "0.50"), (30, "0.30"))
    texts = set(TariffVersion.objects.filter(tariff=first.tariff).values_list("document", flat=True))
    car.start(0, 0)
    session_costs.price(car.session.pk, now=car.at(60))
    read: list[str] = []
    loads = dynamic_tariffs.documents.loads
    monkeypatch.setattr(dynamic_tariffs.documents, "loads", lambda text: read.append(text) or loads(text))
    again = session_costs.price(car.session.pk, now=car.at(61))
    car.stop(120, 20_000)

    assert again is not None
    assert not texts.intersection(read)
    assert told(cost_of(car)) == ("final", "7.00", "8.33")


def test_t42_only_so_many_versions_are_kept_and_the_price_stays_right(
    plug: Plug, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic_tariffs, "MOST_KEPT", 1)
    car = plug("2.0.1", hours_ago=2)
    in_force(alice, car, (-60, "0.50"), (30, "0.30"), (90, "0.90"))
    car.start(0, 0)
    session_costs.price(car.session.pk, now=car.at(1))
    car.stop(120, 20_000)

    assert len(dynamic_tariffs._contents) == 1
    assert told(cost_of(car)) == ("final", "10.00", "11.90")


def test_t42_that_prices_can_change_is_said_before_the_start(charger: Charger, alice: Actor) -> None:
    priced(alice, dynamic=True)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        content = authorize(socket, alice)["idTokenInfo"]["personalMessage"]["content"]

    assert content == "Energy: 0.595 € per kWh incl. 19 % VAT. The price can change while you charge."
