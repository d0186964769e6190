"""``/drivers/{id}/merge/``: looked at, done once, refused with the obstacle, nothing for strangers."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from billing.models import DocumentType, Invoice, InvoiceKind
from billing.services import accounts
from core.access import Actor
from drivers.models import Driver, IdToken
from tests import factories


@pytest.fixture
def kept(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Frida")


@pytest.fixture
def token(alice: Actor) -> IdToken:
    return factories.make_token(alice, driver=factories.make_driver(alice, "F."))


@pytest.fixture
def url(kept: Driver) -> str:
    return f"/api/v1/drivers/{kept.pk}/merge/"


def test_a_dry_run_says_what_moves_and_the_merge_moves_it(
    api: APIClient, url: str, kept: Driver, token: IdToken
) -> None:
    body = {"duplicate": str(token.driver_id)}
    looked = api.post(url, {**body, "dry_run": True}).json()
    still = IdToken.objects.get(pk=token.pk).driver_id
    done = api.post(url, body).json()

    expected = {
        "driver": str(kept.pk), "duplicate": str(token.driver_id), "tokens": 1, "sessions": 0, "budgets": 0,
        "account": False, "tariffs": 0, "sites": 0, "limit_ends": False, "obstacles": [],
    }  # fmt: skip
    assert looked == {**expected, "dry_run": True}
    assert still == token.driver_id
    assert done == {**expected, "dry_run": False}
    assert IdToken.objects.get(pk=token.pk).driver_id == kept.pk
    assert api.get(f"/api/v1/drivers/{token.driver_id}/").status_code == 404
    assert api.post(url, body).status_code == 400


def test_an_obstacle_is_named_and_nothing_moves(
    api: APIClient, url: str, kept: Driver, token: IdToken
) -> None:
    assert token.driver is not None
    accounts.of_driver(kept)
    Invoice.objects.create(
        organization=kept.organization, account=accounts.of_driver(token.driver), period="2026-10",
        kind=InvoiceKind.COLLECTIVE, document_type=DocumentType.INVOICE, currency="EUR", basis="gross",
    )  # fmt: skip
    body = {"duplicate": str(token.driver_id)}
    looked, refused = api.post(url, {**body, "dry_run": True}), api.post(url, body)

    assert "records or money" in looked.json()["obstacles"][0]
    assert refused.status_code == 409
    assert refused.json()["detail"] == looked.json()["obstacles"][0]
    assert IdToken.objects.get(pk=token.pk).driver_id == token.driver_id


def test_a_driver_is_not_merged_with_itself(api: APIClient, url: str, kept: Driver) -> None:
    assert api.post(url, {"duplicate": str(kept.pk)}).status_code == 409


def test_strangers_and_keys_without_the_scope_merge_nothing(
    stranger: APIClient, api_with: Callable[..., APIClient], charlie: Actor, api: APIClient, url: str,
    token: IdToken,
) -> None:  # fmt: skip
    body = {"duplicate": str(token.driver_id)}
    theirs = factories.make_driver(charlie)

    assert stranger.post(url, body).status_code == 404
    assert api_with("drivers:read").post(url, body).status_code == 403
    assert api.post(url, {"duplicate": str(theirs.pk)}).status_code == 400
    assert IdToken.objects.get(pk=token.pk).driver_id == token.driver_id
