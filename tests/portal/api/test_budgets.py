"""``budgets`` of tokens and drivers by API and page."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from core.access import Actor
from core.models import AuditEntry, Organization
from drivers.models import Budget
from tests import factories

DAY = {"kind": "energy_wh", "limit": 20000, "per": "day"}
BODIES: dict[str, dict[str, Any]] = {
    "tokens": {"value": "04AA", "type": "ISO14443"},
    "drivers": {"name": "Emil"},
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_budget_in_a_patch_is_written_whole(api: APIClient, kind: str) -> None:
    url = api.post(f"/api/v1/{kind}/", {**BODIES[kind], "budgets": [DAY]})["Location"]
    refused = api.patch(url, {"budgets": [{"kind": "energy_wh"}]})

    assert refused.status_code == 400
    assert {one["pointer"] for one in refused.json()["errors"]} == {"/budgets/0/limit", "/budgets/0/per"}
    assert api.get(url).json()["budgets"] == [DAY]


@pytest.mark.parametrize("kind", BODIES)
def test_budgets_are_set_kept_and_taken_away(api: APIClient, kind: str) -> None:
    url = api.post(f"/api/v1/{kind}/", {**BODIES[kind], "budgets": [DAY]})["Location"]
    read = api.get(url).json()

    assert read["budgets"] == [DAY]
    assert api.put(url, read).json() == read
    assert api.patch(url, {}).json()["budgets"] == [DAY]
    assert api.put(url, BODIES[kind]).json()["budgets"] == []
    said = AuditEntry.objects.filter(action__endswith=".budgets_changed").order_by("at")
    assert [one.changes["budgets"] for one in said] == [[[], ["20 kWh a day"]], [["20 kWh a day"], []]]


@pytest.mark.parametrize(
    "budget",
    [
        {**DAY, "limit": 0},
        {**DAY, "limit": -1},
        {**DAY, "limit": "NaN"},
        {**DAY, "kind": "money"},
        {**DAY, "per": "year"},
        {"kind": "soc_percent", "limit": 80, "per": "day"},
        {"kind": "soc_percent", "limit": 101, "per": "session"},
        {"kind": "energy_wh"},
        {"kind": "cost", "limit": "0.005", "per": "day"},
        {"kind": "cost", "limit": 0, "per": "session"},
    ],
    ids=str,
)
def test_a_budget_that_nobody_means_is_refused_and_nothing_is_made(
    api: APIClient, budget: dict[str, Any]
) -> None:
    before = Budget.objects.count()
    answer = api.post("/api/v1/tokens/", {**BODIES["tokens"], "budgets": [budget]})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith("/budgets")
    assert Budget.objects.count() == before


def test_a_budget_of_a_kind_and_period_is_given_once(api: APIClient) -> None:
    before = Budget.objects.count()
    answer = api.post("/api/v1/tokens/", {**BODIES["tokens"], "budgets": [DAY, {**DAY, "limit": 1}]})

    assert answer.status_code == 400
    assert Budget.objects.count() == before


@pytest.fixture
def browser(organization: Organization) -> Client:
    Organization.objects.filter(pk=organization.pk).update(demo=True)
    client = Client()
    client.force_login(factories.make_member(organization).user)
    return client


@pytest.mark.parametrize("kind", BODIES)
def test_the_page_sets_them_in_kwh_and_minutes(
    browser: Client, organization: Organization, alice: Actor, kind: str
) -> None:
    thing = factories.make_token(alice) if kind == "tokens" else factories.make_driver(alice)
    page = f"/o/{organization.slug}/{kind}/{thing.pk}/"
    browser.post(f"{page}budgets/", {"kwh_day": "20.5", "minutes_session": "90", "soc_session": "80"})
    refused = browser.post(f"{page}budgets/", {"kwh_day": "-1"})

    kept = {(one.kind, one.per): one.limit for one in thing.budgets.all()}
    assert kept == {
        ("energy_wh", "day"): 20500,
        ("duration_s", "session"): 5400,
        ("soc_percent", "session"): 80,
    }
    assert refused.status_code == 422
    shown = browser.get(page).content.decode()
    assert 'value="20.5"' in shown
    assert 'value="90"' in shown


@pytest.mark.parametrize("kind", BODIES)
def test_a_stranger_sets_none(
    browser: Client, stranger: APIClient, organization: Organization, charlie: Actor, alice: Actor, kind: str
) -> None:
    before = Budget.objects.count()
    mine = factories.make_token(alice) if kind == "tokens" else factories.make_driver(alice)
    theirs = factories.make_token(charlie) if kind == "tokens" else factories.make_driver(charlie)

    assert stranger.patch(f"/api/v1/{kind}/{mine.pk}/", {"budgets": [DAY]}).status_code == 404
    page = f"/o/{organization.slug}/{kind}/{theirs.pk}/budgets/"
    assert browser.post(page, {"kwh_day": "20"}).status_code == 404
    assert Budget.objects.count() == before


def test_money_is_budgeted_by_api_and_page_in_the_currency_of_the_organization(
    api: APIClient, browser: Client, organization: Organization
) -> None:
    wish = {"kind": "cost", "limit": 50, "per": "month"}
    url = api.post("/api/v1/drivers/", {"name": "Emil", "budgets": [wish]})["Location"]
    read = api.get(url).json()
    page = f"/o/{organization.slug}/drivers/{read['id']}/"
    shown = browser.get(page).content.decode()
    browser.post(f"{page}budgets/", {"money_day": "7.50", "money_month": "50"})

    assert read["budgets"] == [wish]
    assert "Cost of a month, taxes included" in shown
    assert "EUR" in shown
    kept = Budget.objects.filter(driver=read["id"])
    assert sorted(one.words for one in kept) == ["50.00 EUR a month", "7.50 EUR a day"]
