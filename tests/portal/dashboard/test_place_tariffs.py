"""The tariff on the pages of site, station and EVSE: which one holds and where it comes from (T-43)."""

from collections.abc import Callable

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import AuditEntry, Membership, Organization
from stations.models import ChargingStation, Evse, Quirk, Site, SiteLimit, TariffAssignment
from stations.services import sites, stations, tariff_assignments
from tests import factories
from tests.stations.ocpp.charging import priced, publish


@pytest.fixture
def second(station: ChargingStation) -> Evse:
    return stations.add_evse(station, 2)


def text_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())  # type: ignore[attr-defined]


def held(place: Site | ChargingStation | Evse, organization: Organization) -> str | None:
    found = tariff_assignments.at_place(place, organization.pk)
    return str(found.tariff_id) if found else None


def test_t43_the_pages_show_what_holds_and_change_it_at_each_place(
    browser: Client, home: str, organization: Organization, station: ChargingStation, evse: Evse, second: Evse,
    actor: Actor,
) -> None:  # fmt: skip
    widest, own = priced(actor).tariff, publish(actor).tariff
    settings, site_page = f"{home}stations/{station.pk}/settings/", f"{home}sites/{station.site_id}/"
    before = text_of(browser.get(settings))
    browser.post(f"{home}stations/{station.pk}/tariff/", {"tariff": own.pk, "evse": second.pk})
    browser.post(f"{site_page}tariff/", {"tariff": own.pk})
    after, at_site = text_of(browser.get(settings)), text_of(browser.get(site_page))
    given = held(second, organization), held(station.site, organization), held(station, organization)
    browser.post(f"{home}stations/{station.pk}/tariff/", {"tariff": "", "evse": second.pk})

    assert before.count(f'{widest}</a><span class="hint">from: Organization') == 3
    assert after.count(f'{own}</a><span class="hint">from: Site') == 2
    assert after.count(f'{own}</a><span class="hint">from: EVSE') == 1
    assert f'{own}</a><span class="hint">from: Site' in at_site
    assert given == (str(own.pk), str(own.pk), None)
    assert held(second, organization) is None
    assert AuditEntry.objects.filter(action="tariff.assigned", organization=organization).count() == 3


def test_t43_without_any_tariff_the_page_says_what_happens(
    browser: Client, home: str, station: ChargingStation
) -> None:
    shown = text_of(browser.get(f"{home}sites/{station.site_id}/"))

    assert "None: sessions wait for a decision" in shown


def test_only_who_keeps_tariffs_at_that_place_changes_them(
    charlie: Client, home: str, organization: Organization, station: ChargingStation, actor: Actor,
    browser_of: Callable[[Membership], Client],
) -> None:  # fmt: skip
    tariff = publish(actor).tariff
    elsewhere = sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    limited = factories.make_member(organization, role=Role.BILLING)
    SiteLimit.objects.create(membership=limited, site=elsewhere)
    bob = browser_of(factories.make_member(organization, role=Role.TECHNICIAN))
    for page in (f"{home}stations/{station.pk}/tariff/", f"{home}sites/{station.site_id}/tariff/"):
        answers = [
            one.post(page, {"tariff": tariff.pk}).status_code for one in (charlie, bob, browser_of(limited))
        ]
        assert answers == [404, 403, 404]

    assert not TariffAssignment.objects.filter(organization=organization).exists()
    assert 'name="tariff"' not in text_of(bob.get(f"{home}sites/{station.site_id}/"))


def test_another_organizations_tariff_and_evse_are_not_there(
    browser: Client, home: str, station: ChargingStation, organization: Organization
) -> None:
    other = factories.make_actor(factories.make_organization())
    theirs = publish(other).tariff
    stranger, _password = factories.make_station(other)
    foreign = stations.add_evse(stranger, 1)
    page = f"{home}stations/{station.pk}/tariff/"

    assert browser.post(page, {"tariff": theirs.pk}).status_code == 404
    assert browser.post(page, {"tariff": "", "evse": foreign.pk}).status_code == 404
    assert not TariffAssignment.objects.filter(organization=organization).exists()


def test_places_beyond_the_first_are_found_by_a_search(
    browser: Client, home: str, actor: Actor, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.dashboard import tariff_places, tariffs

    monkeypatch.setattr(tariff_places, "PLACES_OFFERED", 2)
    monkeypatch.setattr(tariffs, "PLACES_SHOWN", 2)
    tariff = publish(actor).tariff
    made = [sites.create({"name": f"Yard {n}", "time_zone": "UTC"}, by=actor) for n in "abc"]
    for site in made:
        tariff_assignments.assign(tariff, place=site, by=actor)
    first = text_of(browser.get(f"{home}tariffs/{tariff.pk}/"))
    found = text_of(browser.get(f"{home}tariffs/{tariff.pk}/?place=yard c"))

    assert f"site:{made[2].pk}" not in first
    assert f"site:{made[2].pk}" in found
    assert f"site:{made[0].pk}" not in found
    assert "and 1 more" in text_of(browser.get(f"{home}tariffs/"))


def test_quirks_beyond_a_page_are_on_the_next(
    browser: Client, home: str, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Quirk(organization=organization, vendor=f"Maker {n}", reason=f"Because {n}.") for n in range(60)]
    Quirk.objects.bulk_create(rows)
    newest = sorted(rows, key=lambda one: one.pk, reverse=True)
    first = text_of(browser.get(f"{home}quirks/"))
    older = text_of(browser.get(f"{home}quirks/?before={newest[49].pk}"))

    assert newest[0].reason in first
    assert newest[59].reason not in first
    assert newest[59].reason in older
