"""Reminders as a program reaches them: settings, an invoice's steps, hold and release (B-47)."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from billing import tasks
from billing.models import DunningHold, Invoice
from billing.services import documents
from billing.services.dunning import policies, working_days
from core import clock
from core.access import Actor
from core.models import Organization
from tests import factories
from tests.billing.payments.conftest import Issued, issued
from tests.portal.api.conftest import client_with

__all__ = ["issued"]
pytestmark = pytest.mark.usefixtures("committed")
TERMS = [
    {"currency": "EUR", "steps": [{"step": "reminder", "days": 5, "fee": "2.50"}]},
    {"country": "AUT", "currency": "EUR",
     "steps": [{"step": "final", "days": 9, "texts": {"de": "Bitte zahlen."}}]},
]  # fmt: skip


@pytest.fixture
def overdue(issued: Issued, alice: Actor, organization: Organization) -> Invoice:
    policies.switch(organization, enabled=True, starts_on=clock.now().date(), by=alice)
    invoice = issued(driver=factories.make_driver(alice, email=f"{factories.unique('d')}@example.org"))
    documents.make_due()
    return invoice


def of(organization: Organization, *scopes: str) -> APIClient:
    return client_with(factories.make_key(organization, *scopes))


def test_b47_the_settings_are_read_and_changed(organization: Organization) -> None:
    api = of(organization)
    before = api.get("/api/v1/organization/dunning/").json()
    assert (before["enabled"], before["starts_on"]) == (False, None)
    assert [one["days"] for one in before["terms"][0]["steps"]] == [7, 21, 35]
    changed = api.patch(
        "/api/v1/organization/dunning/",
        {"enabled": True, "starts_on": "2026-12-01", "terms": TERMS},
        format="json",
    )
    assert changed.status_code == 200, changed.json()
    shown: Any = changed.json()
    assert (shown["enabled"], shown["starts_on"]) == (True, "2026-12-01")
    assert [(one["country"], one["steps"][0]["fee"]) for one in shown["terms"]] == [
        ("", "2.50"),
        ("AT", "0.00"),
    ]
    only = api.patch("/api/v1/organization/dunning/", {"terms": TERMS[:1]}, format="json").json()
    assert [one["country"] for one in only["terms"]] == [""]
    assert only["enabled"] is True


def test_b47_wrong_settings_are_refused_and_change_nothing(organization: Organization) -> None:
    api = of(organization)
    wrong = [
        {"terms": [{"currency": "EUR", "steps": []}]},
        {"terms": [{"currency": "EUX", "steps": TERMS[0]["steps"]}]},
        {"terms": [{"currency": "EUR", "steps": [{"step": "reminder", "days": 0}]}]},
        {
            "terms": [
                {"currency": "EUR", "steps": [{"step": "reminder", "days": 5}, {"step": "final", "days": 5}]}
            ]
        },
        {"enabled": "perhaps"},
        {"lawyer": True},
    ]
    for body in wrong:
        answer = api.patch("/api/v1/organization/dunning/", body, format="json")
        assert answer.status_code in (400, 422), body
    reader = of(organization, "organization:read")
    assert reader.patch("/api/v1/organization/dunning/", {"enabled": True}, format="json").status_code == 403
    assert not policies.policy_of(organization).enabled
    assert policies.all_terms(organization) == [policies.DEFAULT]


def test_b47_an_invoice_tells_its_steps_and_the_next_and_is_held_and_released(
    overdue: Invoice, organization: Organization
) -> None:
    place = f"/api/v1/invoices/{overdue.pk}/dunning/"
    assert overdue.due_on is not None
    day = working_days.from_then_on(overdue.due_on + timedelta(days=7), ("DE",))
    with time_machine.travel(datetime.combine(day, time(11), UTC)):
        api = of(organization, "invoices:read", "invoices:write")
        before = api.get(place).json()
        assert (before["steps"], before["next_step"], before["next_on"]) == ([], "reminder", str(day))
        assert (
            api.post(f"{place}hold/", {"kind": "promise", "reason": "Soon"}, format="json").status_code == 400
        )
        body = {"kind": "promise", "reason": "Soon", "until": str(day)}
        held = api.post(f"{place}hold/", body, format="json")
        assert (held.status_code, held.json()["stopped_by"]) == (201, "promised")
        assert held.json()["hold"]["until"] == str(day)
        assert api.post(f"{place}hold/", body, format="json").status_code == 409
        released = api.post(f"{place}release/")
        assert (released.status_code, released.json()["hold"]) == (200, None)
        tasks.dun()
        after = api.get(place).json()
    assert [(one["step"], one["status"], one["open_amount"]) for one in after["steps"]] == [
        ("reminder", "sent", "7.35")
    ]
    assert (after["next_step"], after["fees"]) == ("second", "0.00")
    assert api.post(f"{place}again/").status_code == 409
    assert (
        of(organization).post(f"{place}block-cards/", {"reason": "Too early"}, format="json").status_code
        == 409
    )


def test_b47_a_payer_is_held_and_released(overdue: Invoice, organization: Organization) -> None:
    place = f"/api/v1/billing-accounts/{overdue.account_id}/dunning/"
    api = of(organization, "billing-accounts:read", "billing-accounts:write")
    assert api.get(place).json() == {"hold": None}
    held = api.post(f"{place}hold/", {"reason": "Their lawyer wrote"}, format="json")
    assert (held.status_code, held.json()["hold"]["kind"]) == (201, "hold")
    assert of(organization).get(f"/api/v1/invoices/{overdue.pk}/dunning/").json()["stopped_by"] == "held"
    assert api.post(f"{place}release/").json() == {"hold": None}


def test_b47_strangers_find_nothing_and_keys_need_their_scopes(
    overdue: Invoice, organization: Organization
) -> None:
    stranger = of(factories.make_organization())
    reader = of(organization, "invoices:read", "billing-accounts:read")
    below = [f"invoices/{overdue.pk}/dunning/{one}/" for one in ("hold", "release", "again", "block-cards")]
    below += [f"billing-accounts/{overdue.account_id}/dunning/{one}/" for one in ("hold", "release")]
    for path in below:
        body = {"reason": "No"}
        assert stranger.post(f"/api/v1/{path}", body, format="json").status_code == 404, path
        assert reader.post(f"/api/v1/{path}", body, format="json").status_code == 403, path
    assert stranger.get(f"/api/v1/invoices/{overdue.pk}/dunning/").status_code == 404
    assert stranger.get(f"/api/v1/billing-accounts/{overdue.account_id}/dunning/").status_code == 404
    assert not DunningHold.objects.filter(organization=organization).exists()
