"""Terms, holds and reports as administrators see them (billing B-65, B-66; dashboard section 7)."""

from datetime import date

import pytest
from django.test import Client

from billing.models import LegalHold, RetentionReport
from billing.services import accounts
from billing.services.retention import holds
from core.access import Actor
from core.models import Organization
from tests import factories
from tests.billing.pages import alice, browser, browser_of, limited, member, organization, viewer

__all__ = ["alice", "browser", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")

WHY = "Tax audit of 2026"


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/settings/retention/"


def test_b65_terms_and_the_report_are_shown(browser: Client, home: str, organization: Organization) -> None:
    empty = browser.get(home).content.decode()
    RetentionReport.objects.create(
        organization=organization, kind="documents", day=date(2026, 11, 20), before=date(2016, 1, 1),
        counts={"invoices": 3, "records": 4},
    )  # fmt: skip
    page = " ".join(browser.get(home).content.decode().split())

    assert "Nothing went yet" in empty
    assert "deleted where issued before" in page
    assert "1096 days after their end" in page
    assert "3 invoices, 4 records" in page


def test_b65_a_hold_is_placed_for_all_or_one_payer_and_lifted_with_a_reason(
    browser: Client, home: str, organization: Organization, alice: Actor
) -> None:
    payer = accounts.of_driver(factories.make_driver(alice, "Paula Payer"))
    found = browser.get(f"{home}?payer=paula").content.decode()
    silent = browser.post(home, {"reason": " "})
    browser.post(home, {"reason": WHY})
    again = browser.post(home, {"reason": WHY})
    browser.post(home, {"reason": "Lawsuit", "account": str(payer.pk)})
    whole, one = LegalHold.objects.filter(organization=organization).order_by("id")
    shown = browser.get(home).content.decode()
    unsaid = browser.post(f"{home}{whole.pk}/lift/", {"reason": ""})
    browser.post(f"{home}{whole.pk}/lift/", {"reason": "It is over."})
    twice = browser.post(f"{home}{whole.pk}/lift/", {"reason": "It is over."})

    assert str(payer.pk) in found
    assert [one.status_code for one in (silent, again, unsaid, twice)] == [422, 409, 422, 409]
    assert (whole.account, one.account) == (None, payer)
    assert WHY in shown
    assert "Lawsuit" in shown
    assert list(holds.standing(organization)) == [one]


def test_w01_only_who_may_change_the_whole_organization_reaches_retention(
    limited: Client, viewer: Client, home: str, organization: Organization, alice: Actor
) -> None:
    hold = holds.place(organization, reason=WHY, by=alice)
    charlie = browser_of(factories.make_member(factories.make_organization(), name="charlie").user)
    answers = [
        [client.get(home).status_code, client.post(home, {"reason": WHY}).status_code,
         client.post(f"{home}{hold.pk}/lift/", {"reason": WHY}).status_code]
        for client in (limited, viewer, charlie)
    ]  # fmt: skip

    assert [set(one) <= {403, 404} for one in answers] == [True] * 3
    assert list(holds.standing(organization)) == [hold]
