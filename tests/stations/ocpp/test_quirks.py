"""Quirks of makes: applied at the boot and at the next connection, unless the station has a setting of its own."""

from typing import Any

import pytest

from core.access import Actor, Role
from core.errors import Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.models import ChargingStation, Quirk
from stations.services import quirks, stations
from tests.factories import make_actor, make_organization, make_station
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire


def quirk(by: Actor, **values: Any) -> Quirk:
    return quirks.create({"vendor": "Probe", "reason": "It sends odd texts.", **values}, by=by)


def send_odd(socket: WireStation) -> bool:
    """Whether a message with an extra field is taken."""
    try:
        return socket.call("Heartbeat", {"moon": "full"}) != {}
    except CallError:
        return False


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_a_quirk_holds_from_the_boot_on_and_at_the_next_connection(
    charger: Charger, alice: Actor, version: str
) -> None:
    made = quirk(alice, lenient=True, call_timeout_s=90)
    with charger.dial(version) as socket:
        before = send_odd(socket) if version == "1.6" else False
        socket.boot()
        after = send_odd(socket)
    with charger.dial(version) as socket:
        again = send_odd(socket)

    assert (before, after, again) == (False, True, True)
    station = ChargingStation.objects.get(pk=charger.station.pk)
    assert station.quirks["because"] == [{"quirk": str(made.pk), "reason": "It sends odd texts."}]
    assert quirks.effective(station).call_timeout_s == 90
    assert station.lenient is False


def test_a_stations_own_setting_comes_first(alice: Actor) -> None:
    quirk(
        alice,
        lenient=True,
        call_timeout_s=90,
        energy_factor="1000",
        tolerances={"no_pong": True, "integer_ids": True},
    )
    station, _ = make_station(alice)
    stations.update(station, {"lenient": True}, by=alice)
    stations.update(
        station, {"lenient": False, "call_timeout_s": 40, "tolerances": {"no_pong": False}}, by=alice
    )
    station.vendor = "probe"
    station.quirks = quirks.treatment_of(station)

    treatment = quirks.effective(station)

    assert (treatment.lenient, treatment.call_timeout_s, treatment.energy_factor) == (False, 40, 1000)
    assert dict(treatment.tolerances) == {"no_pong": False, "integer_ids": True}


def test_the_most_exact_quirk_wins_and_patterns_take_any_text(alice: Actor) -> None:
    quirk(alice, vendor="pro*", call_timeout_s=60)
    quirk(alice, vendor="Probe", model="P?", firmware="1.*", call_timeout_s=120)
    quirk(alice, vendor="Other", call_timeout_s=10)
    station = ChargingStation(
        organization_id=alice.organization_id, vendor="PROBE", model="P2", firmware_version="1.7"
    )

    assert quirks.treatment_of(station)["call_timeout_s"] == 120
    station.firmware_version = "2.0"
    assert quirks.treatment_of(station)["call_timeout_s"] == 60


def test_a_changed_and_a_deleted_quirk_reach_the_stations(charger: Charger, alice: Actor) -> None:
    made = quirk(alice, lenient=True)
    with charger.dial("2.0.1") as socket:
        socket.boot()
    quirks.delete(made, by=alice)
    with charger.dial("2.0.1") as socket:
        taken = send_odd(socket)

    assert not taken
    assert ChargingStation.objects.get(pk=charger.station.pk).quirks == {}


def test_p171_an_energy_factor_of_a_make_scales_its_readings(charger: Charger, alice: Actor) -> None:
    quirk(alice, energy_factor="1000")
    with charger.dial("1.6") as socket:
        socket.boot()
        socket.call("MeterValues", wire("v16/MeterValues.bare"))

    station = ChargingStation.objects.get(pk=charger.station.pk)
    assert quirks.effective(station).energy_factor == 1000


@pytest.mark.parametrize(
    "values",
    [
        {"vendor": "", "model": ""},
        {"vendor": "*"},
        {"call_timeout_s": 1},
        {"tolerances": {"moon": True}},
        {"tolerances": {"no_pong": "yes"}},
        {"reason": ""},
    ],
)
def test_a_quirk_that_names_no_make_or_no_sense_is_refused(alice: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        quirk(alice, **values)


def test_what_came_with_the_product_is_in_force_nowhere_and_cannot_be_changed(alice: Actor) -> None:
    shipped = Quirk.objects.filter(organization=None)

    assert shipped.count() >= 6
    assert not shipped.filter(enabled=True).exists()
    assert set(shipped) <= set(Quirk.objects.visible_to(alice))
    with pytest.raises(NotPermitted):
        quirks.update(shipped[0], {"vendor": "Mine"}, by=alice)


def test_a_stranger_and_a_viewer_change_no_quirk(alice: Actor) -> None:
    made = quirk(alice)
    viewer = make_actor(Organization.objects.get(pk=alice.organization_id), Role.VIEWER, "vera")
    charlie = make_actor(make_organization(), name="charlie")

    assert made not in Quirk.objects.visible_to(charlie)
    for actor in (viewer, charlie):
        with pytest.raises((NotPermitted, NotFound)):
            quirks.update(made, {"reason": "mine"}, by=actor)
        with pytest.raises((NotPermitted, NotFound)):
            quirks.delete(made, by=actor)
    with pytest.raises(NotPermitted):
        quirk(viewer)


def test_a_strangers_quirk_holds_for_none_of_ours(charger: Charger) -> None:
    quirk(make_actor(make_organization(), name="charlie"), lenient=True)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert not send_odd(socket)
