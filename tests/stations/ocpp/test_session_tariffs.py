"""T-42 and T-43 by the wire: the tariff of a session is found by its place and frozen at its start."""

from datetime import timedelta

import pytest

from core import clock
from core.access import Actor
from stations.models import Evse, FrozenTariff, SessionCost, TariffAssignment
from stations.services import sites, stations, tariff_assignments, tariffs
from tariffs import publishing
from tariffs.structure import TariffType
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X
from tests.stations.ocpp.charging import Car, assign, priced, publish
from tests.stations.ocpp.knocking import Charger
from tests.tariffs.building import component, document, element

DEARER = element(component("ENERGY", "0.90", "19"))


def place_of(charger: Charger, evse: Evse | None = None) -> tariffs.Place:
    station = charger.station
    return tariffs.Place(station.organization_id, station.site_id, station.pk, evse.pk if evse else None)


def found(place: tariffs.Place, **asked: object) -> tuple[str, str] | None:
    one = tariffs.applicable(place, clock.now(), **asked)  # type: ignore[arg-type]
    return None if one is None else (str(one.tariff_id), one.level)


@pytest.mark.parametrize("version", VERSIONS)
def test_t42_the_version_at_the_start_is_frozen_with_zone_policy_and_basis(
    charger: Charger, alice: Actor, version: str
) -> None:
    first = priced(alice)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        car.start(0)
        draft = publishing.edit(first.tariff, document(DEARER, id=first.tariff.ocpi_id), by=alice)
        publishing.publish(draft, by=alice)
        sites.update(charger.station.site, {"time_zone": "Asia/Tokyo"}, by=alice)
        car.reads(5, 400)
        car.stop(10, 800)
    frozen = FrozenTariff.objects.get(transaction=car.session)

    assert (frozen.version_id, frozen.document, frozen.level) == (first.pk, first.document, "organization")
    assert (frozen.time_zone, frozen.policy, frozen.basis) == (
        "Europe/Berlin",
        "session-vat-group/1",
        "gross",
    )
    assert (frozen.currency, frozen.at_receipt) == ("EUR", True)
    assert "no_tariff" not in car.session.flags


def test_t42_a_session_after_the_publishing_has_the_new_version(charger: Charger, alice: Actor) -> None:
    first = priced(alice)
    draft = publishing.edit(first.tariff, document(DEARER, id=first.tariff.ocpi_id), by=alice)
    second = publishing.publish(draft, by=alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        car = Car(charger, socket, alice, hours_ago=0)
        car.start(0.1)

    assert car.session.frozen_tariff.version_id == second.pk
    assert car.session.frozen_tariff.at_receipt is False


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t42_a_start_that_arrives_last_decides_by_its_own_time(
    charger: Charger, alice: Actor, version: str
) -> None:
    before = priced(alice)
    long_ago = clock.now() - timedelta(days=2)
    TariffAssignment.objects.filter(tariff=before.tariff).update(assigned_at=long_ago)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice, hours_ago=0)
        car.reference = car.name
        next(car.numbers)
        car.reads(0.2, 100)
        early = car.session.frozen_tariff.at_receipt
        car.numbers = iter([0])
        car.start(0.1)
    frozen = FrozenTariff.objects.get(transaction=car.session)

    assert early is False
    assert (frozen.version_id, frozen.at_receipt) == (before.pk, False)
    assert FrozenTariff.objects.filter(transaction__station=charger.station).count() == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_t43_a_session_without_a_tariff_is_flagged_and_waits_for_a_person(
    charger: Charger, alice: Actor, version: str
) -> None:
    elsewhere = sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    priced(alice, place=elsewhere)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        car.start(0)
        car.stop(10, 800)
    cost = SessionCost.objects.get(transaction=car.session)

    assert car.session.flags == ["no_tariff"]
    assert (cost.state, cost.cause, cost.currency) == ("review", "no_tariff", "")
    assert not FrozenTariff.objects.filter(transaction=car.session).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_where_nothing_is_priced_a_session_is_as_it_was(charger: Charger, alice: Actor, version: str) -> None:
    publish(alice)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        car.start(0)

    assert car.session.flags == []
    assert not SessionCost.objects.filter(transaction=car.session).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_what_was_recorded_offline_before_any_tariff_held_is_not_priced_by_a_later_one(
    charger: Charger, alice: Actor, version: str
) -> None:
    priced(alice)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        car.start(0, offline=True)

    assert car.session.flags == ["no_tariff", "offline"]


def test_t43_contract_evse_station_site_organization_in_that_order(charger: Charger, alice: Actor) -> None:
    station = charger.station
    evse = stations.add_evse(station, 1)
    contract = publish(alice)
    seen = []
    for level in (None, station.site, station, evse):
        assign(alice, publish(alice).tariff, level)
        seen.append(found(place_of(charger, evse)))
    seen.append(found(place_of(charger, evse), contract=contract.tariff_id))

    assert [level for _, level in seen if _] == ["organization", "site", "station", "evse", "contract"]  # type: ignore[misc]
    assert seen[-1] == (str(contract.tariff_id), "contract")
    assert found(place_of(charger)) == (seen[2][0], "station")  # type: ignore[index]


def test_t43_of_equal_rank_the_type_decides(charger: Charger, alice: Actor) -> None:
    everyone, regular, ad_hoc = publish(alice), publish(alice), publish(alice, type="AD_HOC_PAYMENT")
    assign(alice, everyone.tariff)
    assign(alice, ad_hoc.tariff)
    with_two = found(place_of(charger)), found(place_of(charger), kind=TariffType.AD_HOC_PAYMENT)
    assign(alice, regular.tariff, role="REGULAR")

    assert with_two == ((str(everyone.tariff_id), "organization"), (str(ad_hoc.tariff_id), "organization"))
    assert found(place_of(charger)) == (str(regular.tariff_id), "organization")
    assert TariffAssignment.objects.get(tariff=ad_hoc.tariff).role == "AD_HOC_PAYMENT"


def test_a_tariff_without_a_version_in_force_gives_way_to_the_next_place(
    charger: Charger, alice: Actor
) -> None:
    whole = priced(alice)
    coming = publishing.create(document(DEARER, id="LATER"), by=alice)
    publishing.publish(coming, by=alice, valid_from=clock.now() + timedelta(hours=1))
    assign(alice, coming.tariff, charger.station)

    assert found(place_of(charger)) == (str(whole.tariff_id), "organization")
    later = tariffs.applicable(place_of(charger), clock.now() + timedelta(hours=2))
    assert later is not None
    assert later.tariff_id == coming.tariff_id


def test_an_assignment_that_has_ended_holds_no_more(charger: Charger, alice: Actor) -> None:
    priced(alice)
    before = clock.now()
    tariff_assignments.end(TariffAssignment.objects.get(organization_id=alice.organization_id), by=alice)

    assert found(place_of(charger)) is None
    assert tariffs.applicable(place_of(charger), before) is not None
