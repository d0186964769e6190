"""T-42 and T-43 by the wire: the tariff of a session is found by its place and frozen at its start."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core import clock
from core.access import Actor
from core.errors import Invalid
from drivers.models import IdToken
from drivers.services import drivers, tokens
from stations.models import AuthorizationAnswer, Evse, FrozenTariff, SessionCost, TariffAssignment
from stations.services import sites, stations, tariff_assignments, tariff_choice
from tariffs import publishing
from tariffs.structure import TariffType
from tests.factories import make_driver
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X
from tests.stations.ocpp.charging import Car, assign, priced, publish
from tests.stations.ocpp.knocking import Charger
from tests.tariffs.building import component, document, element

DEARER = element(component("ENERGY", "0.90", "19"))


def place_of(charger: Charger, evse: Evse | None = None) -> tariff_choice.Place:
    station = charger.station
    return tariff_choice.Place(
        station.organization_id, station.site_id, station.pk, evse.pk if evse else None
    )


def found(place: tariff_choice.Place, **asked: object) -> tuple[str, str] | None:
    one = tariff_choice.applicable(place, clock.now(), **asked)  # type: ignore[arg-type]
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
    group = drivers.create_group(name="Tenants", by=alice)
    driver = make_driver(alice, group=group)
    place = place_of(charger, evse)
    seen = []
    for level in (None, station.site, station, evse, group, driver):
        version = publish(alice)
        assign(alice, version.tariff, level)
        seen.append((str(version.tariff_id), found(place._replace(driver_id=driver.pk))))
    levels = ["organization", "site", "station", "evse", "contract", "contract"]

    assert [one for _, one in seen] == [(made, at) for (made, _), at in zip(seen, levels, strict=True)]
    assert found(place) == (seen[3][0], "evse")
    assert found(place._replace(driver_id=make_driver(alice).pk)) == (seen[3][0], "evse")
    assert found(place_of(charger)) == (seen[2][0], "station")


@pytest.mark.parametrize("version", VERSIONS)
def test_t43_a_driver_has_the_tariff_of_the_contract_wherever_they_charge(
    charger: Charger, alice: Actor, version: str
) -> None:
    priced(alice, place=charger.station)
    group = drivers.create_group(name="Tenants", by=alice)
    contract = priced(alice, DEARER, place=group)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        token = IdToken.objects.get(value=car.token)
        tokens.update(token, {"driver": make_driver(alice, group=group)}, by=alice)
        car.start(0)
        car.stop(10, 1000)
    frozen = FrozenTariff.objects.get(transaction=car.session)

    assert (frozen.version_id, frozen.level, frozen.document) == (contract.pk, "contract", contract.document)
    assert car.session.cost.incl_vat == Decimal("1.07")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t43_the_contract_counts_where_the_token_is_told_after_the_start(
    charger: Charger, alice: Actor, version: str
) -> None:
    priced(alice)
    driver = make_driver(alice)
    contract = priced(alice, DEARER, place=driver)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        tokens.update(IdToken.objects.get(value=car.token), {"driver": driver}, by=alice)
        card = {"idToken": car.token, "type": "ISO14443"}
        car.reference = car.name
        car.says(0, "EVConnected", 0, evse={"id": 1, "connectorId": 1})
        before = car.session.frozen_tariff.level
        car.says(1, "Charging", 0, idToken=card)

    assert (before, car.session.frozen_tariff.level) == ("organization", "contract")
    assert car.session.frozen_tariff.version_id == contract.pk


@pytest.mark.parametrize("version", VERSIONS)
def test_t43_a_tariff_for_a_type_of_connector_goes_before_the_one_for_all_at_its_place(
    charger: Charger, alice: Actor, version: str
) -> None:
    evse = stations.add_evse(charger.station, 1, (1, 2))
    evse.connectors.filter(connector_id=1).update(type="cCCS2")
    evse.connectors.filter(connector_id=2).update(type="cG105")
    everyone, ccs = priced(alice), publish(alice, DEARER)
    tariff_assignments.assign(ccs.tariff, place=None, connector_type="cCCS2", by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        car.start(0)
    place = place_of(charger, evse)

    assert car.session.frozen_tariff.version_id == ccs.pk
    assert found(place._replace(connector_id=1)) == (str(ccs.tariff_id), "organization")
    assert found(place._replace(connector_id=2)) == (str(everyone.tariff_id), "organization")
    assert found(place) == (str(everyone.tariff_id), "organization")


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
    later = tariff_choice.applicable(place_of(charger), clock.now() + timedelta(hours=2))
    assert later is not None
    assert later.tariff_id == coming.tariff_id


def test_an_assignment_that_has_ended_holds_no_more(charger: Charger, alice: Actor) -> None:
    priced(alice)
    before = clock.now()
    tariff_assignments.end(TariffAssignment.objects.get(organization_id=alice.organization_id), by=alice)

    assert found(place_of(charger)) is None
    assert tariff_choice.applicable(place_of(charger), before) is not None


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t43_who_has_no_contract_is_refused_where_no_tariff_says_what_it_costs(
    charger: Charger, alice: Actor, version: str
) -> None:
    evse = stations.add_evse(charger.station, 1)
    nobody = {"idToken": {"idToken": "", "type": "NoAuthorization"}}
    with charger.dial(version) as socket:
        socket.boot()
        before = socket.call("Authorize", nobody)["idTokenInfo"]["status"]
        elsewhere = sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
        priced(alice, place=elsewhere)
        refused = socket.call("Authorize", nobody)["idTokenInfo"]["status"]
        car = Car(charger, socket, alice)
        known = {"idToken": {"idToken": car.token, "type": "ISO14443"}}
        by_contract = socket.call("Authorize", known)["idTokenInfo"]["status"]
        assign(alice, publish(alice, type="AD_HOC_PAYMENT").tariff, evse)
        after = socket.call("Authorize", nobody)["idTokenInfo"]["status"]
    answers = AuthorizationAnswer.objects.filter(station=charger.station).order_by("id")

    assert (before, refused, by_contract, after) == ("Accepted", "NotAtThisLocation", "Accepted", "Accepted")
    assert [one.rule for one in answers] == ["no_authorization", "no_tariff", "valid", "no_authorization"]


def test_t43_a_free_station_charges_everybody_without_a_tariff(charger: Charger, alice: Actor) -> None:
    priced(alice, place=sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice))
    stations.update(charger.station, {"free_vend": True}, by=alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        answer = socket.call("Authorize", {"idToken": {"idToken": "", "type": "NoAuthorization"}})

    assert answer["idTokenInfo"]["status"] == "Accepted"


@pytest.mark.parametrize("basis", ["", "net"])
def test_t36_a_contract_says_whether_the_price_with_or_without_taxes_is_rounded(
    charger: Charger, alice: Actor, basis: str
) -> None:
    """T-37: 7.4375 at 19 % and 1.125 at 7 % are 10.05 for a person, 10.06 for a company."""
    two = element(component("ENERGY", "0.74375", "19")), element(component("FLAT", "1.125", "7"))
    with charger.dial("2.0.1") as socket:
        socket.boot()
        car = Car(charger, socket, alice, hours_ago=0)
        token = IdToken.objects.get(value=car.token, organization=charger.station.organization)
        driver = make_driver(alice)
        tokens.update(token, {"driver": driver}, by=alice)
        tariff_assignments.assign(publish(alice, *two).tariff, place=driver, basis=basis, by=alice)
        car.start(0.1)
        car.stop(20, 10_000)
    frozen = FrozenTariff.objects.get(transaction=car.session)
    cost = SessionCost.objects.get(transaction=car.session)

    assert (frozen.level, frozen.basis) == ("contract", basis or "gross")
    assert cost.incl_vat == Decimal("10.06" if basis else "10.05")


def test_t36_only_a_contract_says_that_prices_are_net(alice: Actor) -> None:
    tariff = publish(alice).tariff
    for basis, place in (("net", None), ("neither", make_driver(alice))):
        with pytest.raises(Invalid):
            tariff_assignments.assign(tariff, place=place, basis=basis, by=alice)

    assert not TariffAssignment.objects.filter(tariff=tariff).exists()
