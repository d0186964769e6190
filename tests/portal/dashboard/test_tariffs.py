"""Tariffs on the dashboard: the list, publishing, assigning, retiring (dashboard 4.10)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.ids import uuid7
from core.models import AuditEntry, Organization, User
from drivers.models import DriverGroup
from stations.models import ChargingStation, Connector, TariffAssignment
from stations.services import sites, tariff_assignments
from tariffs import publishing
from tariffs.models import Tariff, TariffVersion
from tests import factories
from tests.stations.ocpp.charging import priced, publish
from tests.tariffs.building import component, document, element

FIELDS = {"name": "Day", "mode": "prices", "currency": "EUR", "elements": "0", "e0-energy_price": "0.45"}


@pytest.fixture
def page(home: str) -> str:
    return f"{home}tariffs/"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def only() -> Tariff:
    return Tariff.objects.latest("created_at")


def draft_of(by: Actor, *elements: Any, **fields: Any) -> TariffVersion:
    return publishing.create(
        document(*elements or (element(component("ENERGY", "0.30", "19")),), **fields), by=by
    )


def test_a_draft_with_errors_is_saved_and_not_published(browser: Client, actor: Actor, page: str) -> None:
    twice = element({"type": "ENERGY", "price": 1}, {"type": "ENERGY", "price": 2})
    wrong = json.dumps({"currency": "EUR", "elements": [twice]})
    browser.post(f"{page}new/", {"name": "Two", "mode": "json", "document": wrong})
    shown = text_of(browser.get(f"{page}{only().pk}/"))
    answer = text_of(browser.post(f"{page}{only().pk}/publish/", {"confirmed": "on"}, follow=True))

    assert "Errors forbid publishing. Edit the draft first." in shown
    assert "L01: The element has a price for ENERGY already" in answer
    assert only().versions.get().state == "draft"


def test_warnings_are_confirmed_before_publishing(browser: Client, actor: Actor, page: str) -> None:
    draft = draft_of(actor, element(component("ENERGY", "0.30", "19", step=500)))
    url = f"{page}{draft.tariff_id}/publish/"
    first = browser.post(url)
    second = browser.post(url, {"confirmed": "on"}, follow=True)

    assert first.status_code == 422
    assert "Confirm the warnings, or edit the tariff." in text_of(first)
    assert "Published. Sessions that run keep the version of their start." in text_of(second)
    assert TariffVersion.objects.get(pk=draft.pk).published_by == actor.label


def test_a_version_is_published_for_a_date_in_the_organizations_zone_and_withdrawn(
    browser: Client, actor: Actor, page: str
) -> None:
    first = publish(actor)
    publishing.edit(first.tariff, {**first.content}, by=actor)
    browser.post(f"{page}{first.tariff_id}/publish/", {"valid_from": "2099-07-01T12:00"})
    second = TariffVersion.objects.get(tariff=first.tariff, number=2)
    shown = text_of(browser.get(f"{page}{first.tariff_id}/"))
    listed = text_of(browser.get(page))
    browser.post(f"{page}{first.tariff_id}/withdraw/")
    second.refresh_from_db()

    assert second.state == "retired"
    assert second.valid_from is not None
    assert second.valid_from.isoformat() == "2099-07-01T10:00:00+00:00"
    assert "This version begins on 1 Jul 2099, 12:00:00." in shown
    assert "version 2" in listed


def test_the_date_of_publishing_is_one_of_the_sites_zone_whatever_the_persons_own(
    browser: Client, actor: Actor, page: str, station: ChargingStation
) -> None:
    there = sites.create({"name": "Porto", "time_zone": "Europe/Lisbon"}, by=actor)
    User.objects.filter(email__startswith="alice").update(time_zone="Asia/Tokyo")
    draft = draft_of(actor)
    tariff_assignments.assign(draft.tariff, place=there, by=actor)
    shown = text_of(browser.get(f"{page}{draft.tariff_id}/"))
    browser.post(f"{page}{draft.tariff_id}/publish/", {"valid_from": "2099-07-01T12:00"})
    draft.refresh_from_db()

    assert "Europe/Lisbon" in shown
    assert draft.valid_from is not None
    assert draft.valid_from.isoformat() == "2099-07-01T11:00:00+00:00"


def test_the_list_tells_the_next_of_several_versions_ahead(browser: Client, actor: Actor, page: str) -> None:
    first = publish(actor)
    for year in (2098, 2099):
        later = publishing.edit(first.tariff, first.content, by=actor)
        publishing.publish(later, by=actor, valid_from=datetime(year, 1, 1, tzinfo=UTC))
    shown = text_of(browser.get(page))

    assert 'version 2 <span class="hint num">from 1 Jan 2098' in shown
    assert "version 3" not in shown


def test_the_list_marks_what_the_law_does_not_allow_where_it_holds(
    browser: Client, actor: Actor, page: str, station: ChargingStation
) -> None:
    publish(actor)
    lawful = text_of(browser.get(page))
    fee = publish(actor, element(component("ENERGY", "1"), component("FLAT", "1")), id="FEE")
    tariff_assignments.assign(fee.tariff, place=station, by=actor)
    slow = text_of(browser.get(page))
    Connector.objects.filter(evse__station=station).update(max_power_w=150_000)
    fast = text_of(browser.get(page))
    publish(actor, element(component("ENERGY", "1"), component("PARKING_TIME", "6")), id="CAP")

    assert "Checked" in lawful
    assert "Not allowed" not in slow
    assert 'Not allowed</span> <span class="hint">From 50 kW, ad hoc charging is priced per kWh' in fast
    assert "An occupancy fee for ad hoc charging has no cap" in text_of(browser.get(page))


def test_the_law_is_looked_at_alike_in_the_list_and_on_the_page_of_a_tariff(
    actor: Actor, station: ChargingStation, organization: Organization
) -> None:
    evse = station.evses.get(evse_id=1)
    Connector.objects.filter(evse=evse).update(max_power_w=150_000)
    group = DriverGroup.objects.create(organization=organization, name="Fleet")
    ChargingStation.objects.filter(pk=station.pk).update(max_power_w=22_000)
    for place in (None, station.site, station, evse, station.evses.get(evse_id=2), group):
        held = publish(actor, id=str(uuid7())).tariff
        tariff_assignments.assign(held, place=place, by=actor)
    tariff_assignments.assign(held, place=evse, role="REGULAR", by=actor)
    tariffs = [*Tariff.objects.visible_to(actor)]

    assert tariff_assignments.contexts_of(tariffs) == {
        one.pk: tariff_assignments.context_of(one) for one in tariffs
    }


def test_nothing_is_published_into_the_past(browser: Client, actor: Actor, page: str) -> None:
    draft = draft_of(actor)
    answer = browser.post(
        f"{page}{draft.tariff_id}/publish/", {"valid_from": "2020-01-01T00:00"}, follow=True
    )

    assert "A tariff cannot be published into the past." in text_of(answer)


def test_a_tariff_is_assigned_and_that_is_ended(
    browser: Client, actor: Actor, page: str, station: ChargingStation
) -> None:
    version = publish(actor)
    url = f"{page}{version.tariff_id}/"
    for place in ("organization", f"site:{station.site_id}", f"station:{station.pk}",
                  f"evse:{station.evses.get(evse_id=1).pk}"):  # fmt: skip
        assert browser.post(f"{url}assign/", {"place": place}).status_code == 302
    held = TariffAssignment.objects.current().filter(tariff=version.tariff)
    shown = text_of(browser.get(url))
    browser.post(f"{url}assignments/{held.get(station=station).pk}/end/")

    assert held.count() == 3
    assert "Yard 1" in shown
    assert AuditEntry.objects.filter(action="tariff.unassigned", actor=actor.label).count() == 1


def test_t50_the_law_at_a_fast_station_is_told_when_assigning(
    browser: Client, actor: Actor, page: str, station: ChargingStation
) -> None:
    Connector.objects.filter(evse__station=station).update(max_power_w=150_000)
    version = publish(actor, element(component("ENERGY", "1"), component("FLAT", "1")))
    answer = browser.post(
        f"{page}{version.tariff_id}/assign/", {"place": f"station:{station.pk}"}, follow=True
    )

    assert "From 50 kW, ad hoc charging is priced per kWh" in text_of(answer)
    assert not TariffAssignment.objects.filter(tariff=version.tariff).exists()


@pytest.mark.parametrize("place", ["", "moon", "site:x", "organisation"])
def test_a_place_that_is_none_is_refused(browser: Client, actor: Actor, page: str, place: str) -> None:
    version = publish(actor)

    assert browser.post(f"{page}{version.tariff_id}/assign/", {"place": place}).status_code == 422


def test_a_tariff_is_retired_by_its_typed_name(browser: Client, actor: Actor, page: str) -> None:
    version = priced(actor)
    url = f"{page}{version.tariff_id}/retire/"
    browser.post(url, {"typed": "wrong"})
    kept = Tariff.objects.live().filter(pk=version.tariff_id).exists()
    browser.post(url, {"typed": version.tariff.name})

    assert kept
    assert not Tariff.objects.live().filter(pk=version.tariff_id).exists()
    assert not TariffAssignment.objects.current().filter(tariff=version.tariff).exists()


def test_a_draft_is_thrown_away_and_a_tariff_copied(browser: Client, actor: Actor, page: str) -> None:
    draft = draft_of(actor)
    copy = browser.get(f"{page}new/?copy={draft.tariff_id}").context["editor"]
    browser.post(f"{page}{draft.tariff_id}/discard/")

    assert copy.data["e0-energy_price"] == "0.30"
    assert '"id"' not in copy.kept
    assert not Tariff.objects.filter(pk=draft.tariff_id).exists()


def test_the_list_tells_the_sentence_in_the_readers_language(
    browser: Client, actor: Actor, page: str
) -> None:
    priced(actor)
    english = text_of(browser.get(page))
    User.objects.filter(email__startswith="alice").update(language="de")
    german = text_of(browser.get(page, headers={"Accept-Language": "de"}))

    assert "Energy: 0.595 € per kWh incl. 19 % VAT." in english
    assert "Energie: 0,595 € je kWh inkl. 19 % MwSt." in german
    assert "Was Fahrer lesen" in german


def test_the_list_needs_few_queries(
    browser: Client, actor: Actor, page: str, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(12):
        publish(actor)
    browser.get(page)
    with django_assert_max_num_queries(8):
        browser.get(page)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT, Role.TECHNICIAN])
def test_who_does_not_keep_tariffs_reads_them_and_writes_nothing(
    organization: Organization, actor: Actor, page: str, browser_of: Callable[..., Client], role: Role
) -> None:
    version = priced(actor)
    publishing.edit(version.tariff, version.content, by=actor)
    bob = browser_of(factories.make_member(organization, role, "bob"))
    url = f"{page}{version.tariff_id}/"

    assert bob.get(page).status_code == bob.get(url).status_code == 200
    assert "Publish" not in text_of(bob.get(url)).replace("Published", "")
    assert bob.get(f"{page}new/").status_code == bob.get(f"{url}edit/").status_code == 403
    for path in ("publish/", "withdraw/", "discard/", "retire/", "assign/"):
        assert (
            bob.post(f"{url}{path}", {"typed": version.tariff.name, "place": "organization"}).status_code
            == 403
        )
    assert Tariff.objects.live().filter(pk=version.tariff_id).exists()


def test_for_a_stranger_there_is_no_such_tariff(
    charlie: Client, actor: Actor, home: str, page: str, station: ChargingStation
) -> None:
    version = priced(actor)
    publishing.edit(version.tariff, version.content, by=actor)
    other = Organization.objects.exclude(pk=actor.organization_id).latest("created_at")
    own = page.replace(home, f"/o/{other.slug}/")
    held = TariffAssignment.objects.get(tariff=version.tariff)
    url = f"{own}{version.tariff_id}/"

    assert version.tariff.name not in text_of(charlie.get(own))
    assert charlie.get(url).status_code == charlie.get(f"{url}edit/").status_code == 404
    for path in (
        "publish/",
        "withdraw/",
        "discard/",
        "retire/",
        "assign/",
        "edit/",
        f"assignments/{held.pk}/end/",
    ):
        answer = charlie.post(
            f"{url}{path}", {**FIELDS, "typed": version.tariff.name, "place": "organization"}
        )
        assert answer.status_code == 404, path
    assert TariffAssignment.objects.current().filter(tariff=version.tariff).count() == 1
    theirs = publish(factories.make_actor(other))
    taken = charlie.post(f"{own}{theirs.tariff_id}/assign/", {"place": f"station:{station.pk}"})
    assert taken.status_code == 404


def test_a_version_that_is_over_is_still_shown(browser: Client, actor: Actor, page: str) -> None:
    first = publish(actor)
    second = publishing.publish(publishing.edit(first.tariff, first.content, by=actor), by=actor)
    shown = text_of(browser.get(f"{page}{first.tariff_id}/"))

    assert second.valid_from is not None
    assert clock.now() - second.valid_from < timedelta(minutes=1)
    assert shown.count("Published") >= 2
    assert "version 2 in force" in shown
