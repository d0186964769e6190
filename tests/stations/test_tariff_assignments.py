"""Assigning tariffs to places: who may, what the law forbids there, what stays of it (T-43, T-50)."""

import pytest
from django.db import IntegrityError
from django.db.transaction import atomic

from core.access import Actor, Role
from core.errors import Conflict, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from stations.models import Connector, Site, TariffAssignment
from stations.services import access, sites, stations, tariff_assignments
from tariffs import publishing
from tariffs.pointers import InvalidDocument
from tests import factories
from tests.stations.ocpp.charging import priced, publish
from tests.tariffs.building import component, element


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization)


@pytest.fixture
def site(alice: Actor) -> Site:
    return sites.create({"name": "Harbour", "time_zone": "Europe/Berlin"}, by=alice)


def current(alice: Actor) -> list[TariffAssignment]:
    return list(TariffAssignment.objects.current().visible_to(alice))


def test_the_next_tariff_takes_the_place_and_the_one_before_stays_in_history(
    alice: Actor, site: Site
) -> None:
    first, second = priced(alice, place=site), publish(alice)
    made = tariff_assignments.assign(second.tariff, place=site, by=alice)
    again = tariff_assignments.assign(second.tariff, place=site, by=alice)
    entry = AuditEntry.objects.filter(action="tariff.assigned").latest("id")

    assert again.pk == made.pk
    assert [one.tariff_id for one in current(alice)] == [second.tariff_id]
    assert TariffAssignment.objects.get(tariff=first.tariff).ended_at == made.assigned_at
    assert (entry.actor, entry.changes) == (alice.label, {"tariff": [str(first.tariff), str(second.tariff)]})


def test_t50_an_ad_hoc_tariff_with_a_start_fee_is_refused_at_a_fast_station(alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    evse = stations.add_evse(station, 1)
    Connector.objects.filter(evse=evse).update(max_power_w=150_000)
    with_fee = publish(alice, element(component("ENERGY", "0.5"), component("FLAT", "1")))
    for place in (evse, station, station.site, None):
        with pytest.raises(InvalidDocument, match="L04"):
            tariff_assignments.assign(with_fee.tariff, place=place, by=alice)
    assert current(alice) == []
    for_contracts = publish(alice, element(component("FLAT", "1")), type="REGULAR")
    for role in ("", "AD_HOC_PAYMENT"):
        with pytest.raises(InvalidDocument, match="L04"):
            tariff_assignments.assign(for_contracts.tariff, place=station, role=role, by=alice)
    assert tariff_assignments.assign(for_contracts.tariff, place=evse, by=alice).role == "REGULAR"
    changed = publishing.edit(for_contracts.tariff, {**for_contracts.content}, by=alice)
    assert publishing.publish(changed, by=alice, context=tariff_assignments.context_of(for_contracts.tariff))


def test_a_retired_tariff_is_assigned_nowhere_and_ends_where_it_was(alice: Actor, site: Site) -> None:
    version = priced(alice, place=site)
    tariff_assignments.retire(version.tariff, by=alice)

    assert current(alice) == []
    with pytest.raises(Conflict):
        tariff_assignments.assign(version.tariff, place=site, by=alice)


def test_an_assignment_ends_once(alice: Actor, site: Site) -> None:
    priced(alice, place=site)
    (only,) = current(alice)
    tariff_assignments.end(only, by=alice)

    assert AuditEntry.objects.filter(action="tariff.unassigned", object_id=str(only.pk)).count() == 1
    with pytest.raises(Conflict):
        tariff_assignments.end(only, by=alice)


def test_two_tariffs_never_hold_at_one_place_for_the_same_people(alice: Actor, site: Site) -> None:
    first, second = priced(alice, place=site), publish(alice)
    made = TariffAssignment.objects.get(tariff=first.tariff)
    with pytest.raises(IntegrityError), atomic():
        TariffAssignment.objects.create(
            organization_id=made.organization_id,
            tariff=second.tariff,
            site=site,
            assigned_at=made.assigned_at,
        )


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT, Role.TECHNICIAN])
def test_only_who_keeps_tariffs_may_assign_them(
    organization: Organization, alice: Actor, site: Site, role: Role
) -> None:
    bob = factories.make_actor(organization, role, "bob")
    version = priced(alice, place=site)
    with pytest.raises(NotPermitted):
        tariff_assignments.assign(version.tariff, place=site, by=bob)
    with pytest.raises(NotPermitted):
        tariff_assignments.end(current(alice)[0], by=bob)


def test_who_is_limited_to_a_site_assigns_there_and_nowhere_else(
    organization: Organization, alice: Actor, site: Site
) -> None:
    member = factories.make_member(organization, Role.BILLING, "dan")
    access.limit_member(member, [site.name], by=alice)
    dan = access.actor_of_member(member)
    other = sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    version = publish(alice)
    priced(alice, place=other)

    assert tariff_assignments.assign(version.tariff, place=site, by=dan).site_id == site.pk
    with pytest.raises(NotFound):
        tariff_assignments.assign(version.tariff, place=other, by=dan)
    with pytest.raises(NotPermitted):
        tariff_assignments.assign(version.tariff, place=None, by=dan)
    with pytest.raises(NotPermitted):
        publishing.retire(version.tariff, by=dan)
    assert [one.site_id for one in current(dan)] == [site.pk]


def test_a_stranger_finds_neither_tariff_nor_place(alice: Actor, site: Site) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    version, own = priced(alice, place=site), publish(charlie)
    with pytest.raises(NotFound):
        tariff_assignments.assign(version.tariff, place=site, by=charlie)
    with pytest.raises(NotFound):
        tariff_assignments.assign(own.tariff, place=site, by=charlie)
    with pytest.raises(NotFound):
        tariff_assignments.end(current(alice)[0], by=charlie)
    with pytest.raises(NotFound):
        tariff_assignments.retire(version.tariff, by=charlie)
    assert not TariffAssignment.objects.visible_to(charlie).exists()
