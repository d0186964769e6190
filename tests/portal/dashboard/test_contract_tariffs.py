"""The contract of a driver or a group on their pages: agreed, shown, ended; by those who set tariffs (T-43)."""

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Membership, Organization
from drivers.models import Driver, DriverGroup
from drivers.services import drivers
from stations.models import TariffAssignment
from stations.services import tariff_assignments
from tests import factories
from tests.stations.ocpp.charging import publish


@pytest.fixture
def group(actor: Actor) -> DriverGroup:
    return drivers.create_group(name="Tenants", by=actor)


@pytest.fixture
def driver(actor: Actor, group: DriverGroup) -> Driver:
    return factories.make_driver(actor, "Frida Abend", group=group)


def contracts(organization: Organization) -> list[tuple[object, object]]:
    rows = TariffAssignment.objects.current().filter(organization=organization)
    return [(one.place, one.tariff) for one in rows.order_by("id")]


def test_a_group_has_a_contract_and_its_driver_may_have_another(
    browser: Client, home: str, organization: Organization, actor: Actor, driver: Driver, group: DriverGroup
) -> None:
    of_group, own = publish(actor).tariff, publish(actor).tariff
    browser.post(f"{home}driver-groups/{group.pk}/tariff/", {"tariff": of_group.pk})
    by_group = browser.get(f"{home}drivers/{driver.pk}/").content.decode()
    browser.post(f"{home}drivers/{driver.pk}/tariff/", {"tariff": own.pk})
    by_driver = browser.get(f"{home}drivers/{driver.pk}/").content.decode()

    assert contracts(organization) == [(group, of_group), (driver, own)]
    assert "By the group:" in by_group
    assert of_group.name in browser.get(f"{home}driver-groups/{group.pk}/").content.decode()
    assert f'href="{home}tariffs/{own.pk}/"' in by_driver
    assert "By the group:" not in by_driver
    shown = browser.get(f"{home}tariffs/{own.pk}/").content.decode()
    assert "Frida Abend" in shown
    assert "Contract" in shown


def test_a_contract_ends_when_none_is_chosen(
    browser: Client, home: str, organization: Organization, actor: Actor, driver: Driver
) -> None:
    tariff_assignments.assign(publish(actor).tariff, place=driver, by=actor)
    for _ in range(2):
        answer = browser.post(f"{home}drivers/{driver.pk}/tariff/", {"tariff": ""}, follow=True)

    assert "There is no contract any more" in answer.content.decode()
    assert contracts(organization) == []


def test_a_tariff_for_who_pays_ad_hoc_is_no_contract(
    browser: Client, home: str, organization: Organization, actor: Actor, driver: Driver
) -> None:
    ad_hoc = publish(actor, type="AD_HOC_PAYMENT").tariff
    answer = browser.post(f"{home}drivers/{driver.pk}/tariff/", {"tariff": ad_hoc.pk}, follow=True)

    assert "Who pays ad hoc has no contract." in answer.content.decode()
    assert contracts(organization) == []


def test_a_tariff_is_assigned_to_a_group_and_to_a_type_of_connector_on_its_page(
    browser: Client, home: str, organization: Organization, actor: Actor, group: DriverGroup
) -> None:
    tariff = publish(actor).tariff
    offered = browser.get(f"{home}tariffs/{tariff.pk}/").content.decode()
    browser.post(f"{home}tariffs/{tariff.pk}/assign/", {"place": f"group:{group.pk}"})
    browser.post(f"{home}tariffs/{tariff.pk}/assign/", {"place": "organization", "connector_type": "cCCS2"})
    types = TariffAssignment.objects.current().filter(tariff=tariff, driver_group=None)

    assert "Drivers of Tenants" in offered
    assert contracts(organization) == [(group, tariff), (None, tariff)]
    assert [one.connector_type for one in types] == ["cCCS2"]
    assert "CCS 2" in browser.get(f"{home}tariffs/{tariff.pk}/").content.decode()


def test_a_word_that_is_no_type_of_connector_is_refused(
    browser: Client, home: str, organization: Organization, actor: Actor
) -> None:
    tariff = publish(actor).tariff
    wrong = {"place": "organization", "connector_type": "no type"}
    answer = browser.post(f"{home}tariffs/{tariff.pk}/assign/", wrong, follow=True)

    assert "A type of connector is a word of OCPP" in answer.content.decode()
    assert contracts(organization) == []


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.TECHNICIAN, Role.VIEWER])
def test_who_may_not_set_tariffs_agrees_no_contract(
    home: str, organization: Organization, actor: Actor, driver: Driver, role: Role
) -> None:
    member: Membership = factories.make_member(organization, role)
    client = Client()
    client.force_login(member.user)
    answer = client.post(f"{home}drivers/{driver.pk}/tariff/", {"tariff": publish(actor).tariff.pk})

    assert answer.status_code == 403
    assert contracts(organization) == []


def test_a_stranger_changes_no_contract(
    charlie: Client, home: str, organization: Organization, actor: Actor, driver: Driver, group: DriverGroup
) -> None:
    own = charlie.get("/")["Location"]
    body = {"tariff": publish(actor).tariff.pk}
    places = [f"{one}{what}" for one in (home, own) for what in (
        f"drivers/{driver.pk}/tariff/", f"driver-groups/{group.pk}/tariff/")]  # fmt: skip

    assert [charlie.post(place, body).status_code for place in places] == [404] * 4
    assert contracts(organization) == []


def test_t36_the_card_says_that_a_company_pays_and_takes_it_back(
    browser: Client, home: str, organization: Organization, actor: Actor, driver: Driver
) -> None:
    tariff, page = publish(actor).tariff, f"{home}drivers/{driver.pk}/"
    browser.post(f"{page}tariff/", {"tariff": tariff.pk, "basis": "net"})
    shown = browser.get(page).content.decode()
    browser.post(f"{page}tariff/", {"tariff": tariff.pk, "basis": ""})
    held = tariff_assignments.at_place(driver, organization.pk)

    assert "rounded without VAT" in shown
    assert (held.tariff, held.basis) == (tariff, "")
