"""``/tokens/import/``: all rows or none, each wrong field named (W-25), a table as it was exported (W-23)."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import AuditEntry
from drivers.models import Driver, IdToken, TokenImport
from drivers.models.imports import UNDO_FOR
from drivers.services import tables
from drivers.services.importing import MOST_ROWS, Known
from tests import factories
from tests.portal.api.test_bad_input import problem

URL = "/api/v1/tokens/import/"


def rows(*values: str, **more: Any) -> list[dict[str, Any]]:
    return [{"value": value, "type": "ISO14443", **more} for value in values]


DONE = {"dry_run": False, "created": 0, "updated": 0, "skipped": 0, "batch": None}


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in problem(answer, 400)["errors"]]


def test_many_tokens_are_made_known_at_once(api: APIClient, alice: Actor) -> None:
    group = api.post("/api/v1/groups/", {"name": "Vans"}).json()["id"]

    answer = api.post(URL, {"tokens": [*rows("A1", "A2", group=group), {"value": "C1", "type": "eMAID"}]})

    assert {**answer.json(), "batch": None} == {**DONE, "created": 3}
    assert answer.json()["batch"]
    made = IdToken.objects.filter(organization_id=alice.home)
    assert {(one.value, one.type, str(one.group_id)) for one in made} == {
        ("A1", "ISO14443", group),
        ("A2", "ISO14443", group),
        ("C1", "eMAID", "None"),
    }
    entries = AuditEntry.objects.filter(action="token.created", organization_id=alice.home)
    assert {entry.object_id for entry in entries} == {str(one.pk) for one in made}


def test_w025_a_trial_run_writes_nothing(api: APIClient, alice: Actor) -> None:
    answer = api.post(URL, {"tokens": rows("A1", "A2"), "dry_run": True})

    assert answer.json() == {**DONE, "dry_run": True, "created": 2}
    assert not IdToken.objects.filter(organization_id=alice.home).exists()


@pytest.mark.parametrize("dry_run", [True, False])
def test_w025_each_wrong_row_is_named_and_none_is_written(
    api: APIClient, alice: Actor, dry_run: bool
) -> None:
    factories.make_token(alice, "known")
    body = {"tokens": rows("A1", "KNOWN", "a1", "A2"), "dry_run": dry_run}

    assert pointers(api.post(URL, body)) == ["/tokens/1/value", "/tokens/2/value"]
    assert pointers(api.post(URL, {"tokens": [*rows("A1"), {"value": "A2", "type": "Card", "x": 1}]})) == [
        "/tokens/1/x"
    ]
    assert IdToken.objects.filter(organization_id=alice.home).count() == 1


def test_w025_a_strangers_group_is_refused(api: APIClient, stranger: APIClient, alice: Actor) -> None:
    theirs = stranger.post("/api/v1/groups/", {"name": "Fleet"}).json()["id"]

    assert pointers(api.post(URL, {"tokens": rows("A1", group=theirs)})) == ["/tokens/0/group"]
    assert not IdToken.objects.filter(organization_id=alice.home).exists()


def test_a_strangers_token_of_the_same_value_stays_theirs(
    api: APIClient, stranger: APIClient, charlie: Actor
) -> None:
    theirs = factories.make_token(charlie, "A1", label="Charlie's")

    answer = api.post(URL, {"tokens": rows("A1", label="Mine"), "known": "update"})

    assert answer.json()["created"] == 1
    theirs.refresh_from_db()
    assert theirs.label == "Charlie's"


def test_known_tokens_are_skipped_or_updated_as_asked(api: APIClient, alice: Actor) -> None:
    token = factories.make_token(alice, "A1", label="Old")
    body = {"tokens": rows("a1", "A2", label="New")}

    skipped = api.post(URL, {**body, "known": "skip", "dry_run": True}).json()
    updated = api.post(URL, {**body, "known": "update"}).json()

    assert (skipped["created"], skipped["skipped"]) == (1, 1)
    assert (updated["created"], updated["updated"]) == (1, 1)
    token.refresh_from_db()
    assert (token.label, token.value) == ("New", "A1")
    entry = AuditEntry.objects.get(action="token.changed", object_id=str(token.pk))
    assert entry.changes == {"label": ["…", "…"]}  # it may name a person


def test_w025_the_number_of_rows_is_bounded(api: APIClient) -> None:
    many = rows(*(str(number) for number in range(MOST_ROWS + 1)))

    assert pointers(api.post(URL, {"tokens": many})) == ["/tokens"]
    assert pointers(api.post(URL, {"tokens": []})) == ["/tokens"]
    problem(api.post(URL, {"tokens": rows("x" * (1024 * 1024))}), 413)


def test_as_many_rows_as_are_allowed_are_imported(api: APIClient) -> None:
    many = rows(*(str(number) for number in range(MOST_ROWS)))

    assert api.post(URL, {"tokens": many}).json()["created"] == MOST_ROWS


def test_w023_what_was_exported_is_imported_as_it_was(
    api: APIClient, stranger: APIClient, alice: Actor
) -> None:
    factories.make_token(alice, "A1", label="=1+1", expires_at=clock.now())
    factories.make_token(alice, "A2", label='it\'s, "quoted"\nand long', status="blocked")
    table = b"".join(api.get("/api/v1/tokens/", headers={"Accept": "text/csv"}).streaming_content)

    answer = stranger.post(URL, table, content_type="text/csv")
    again = api.post(f"{URL}?known=update&dry_run=true", table, content_type="text/csv")

    assert b"'=1+1" in table
    assert {**answer.json(), "batch": None} == {**DONE, "created": 2}
    assert again.json() == {**DONE, "dry_run": True, "updated": 2}

    def shown(client: APIClient) -> list[dict[str, Any]]:
        rows = client.get("/api/v1/tokens/?ordering=value").json()["results"]
        return [{k: v for k, v in row.items() if k not in ("id", "created_at")} for row in rows]

    assert shown(stranger) == shown(api)


@pytest.mark.parametrize(
    "table", ["", "value,value\nA,B\n", "value,type\nA\n", 'value,type\n"A', "va\x00lue\nA\n"]
)
def test_what_is_no_table_is_refused(api: APIClient, table: str) -> None:
    problem(api.post(URL, table.encode(), content_type="text/csv"), 400)


def test_an_unknown_column_or_parameter_is_refused(api: APIClient) -> None:
    table = b"value,type,colour\nA1,ISO14443,red\n"

    assert pointers(api.post(URL, table, content_type="text/csv")) == ["/tokens/0/colour"]
    assert pointers(api.post(f"{URL}?colour=red", b"value,type\nA1,Central\n", content_type="text/csv")) == [
        "/colour"
    ]


def test_tokens_are_imported_by_those_who_may(api_with: Any, alice: Actor) -> None:
    problem(api_with("tokens:read", "groups:write").post(URL, {"tokens": rows("A1")}), 403)
    assert not IdToken.objects.filter(organization_id=alice.home).exists()


IMPORTS = "/api/v1/tokens/imports/"


def test_an_import_is_listed_and_taken_back_once(api: APIClient, alice: Actor) -> None:
    batch = api.post(URL, {"tokens": rows("A1", "A2")}).json()["batch"]
    IdToken.objects.filter(organization_id=alice.home, value="A2").update(label="Ours")
    listed = api.get(IMPORTS).json()["results"]
    undone = api.post(f"{IMPORTS}{batch}/undo/")
    again = api.post(f"{IMPORTS}{batch}/undo/")

    assert [(one["id"], one["created"], one["undone_at"]) for one in listed] == [(batch, 2, None)]
    assert undone.status_code == 200, undone.content
    kept = IdToken.objects.get(organization_id=alice.home, value="A2")
    assert undone.json()["kept"] == [
        {"token": str(kept.pk), "driver": None, "reason": "It was changed since."}
    ]
    assert again.json() == undone.json() == api.get(f"{IMPORTS}{batch}/").json()
    assert [one.value for one in IdToken.objects.live().filter(organization_id=alice.home)] == ["A2"]


def test_an_import_that_is_too_long_ago_stays(api: APIClient, alice: Actor) -> None:
    batch = api.post(URL, {"tokens": rows("A1")}).json()["batch"]
    TokenImport.objects.filter(pk=batch).update(made_at=clock.now() - UNDO_FOR)

    assert api.post(f"{IMPORTS}{batch}/undo/").status_code == 409
    assert IdToken.objects.live().filter(organization_id=alice.home).exists()


def test_strangers_and_keys_without_the_scope_take_nothing_back(
    api: APIClient, stranger: APIClient, api_with: Callable[..., APIClient], alice: Actor
) -> None:
    batch = api.post(URL, {"tokens": rows("A1")}).json()["batch"]
    path = f"{IMPORTS}{batch}/undo/"

    assert [one.post(path).status_code for one in (stranger, api_with("tokens:read"))] == [404, 403]
    assert stranger.get(IMPORTS).json()["results"] == []
    assert stranger.get(f"{IMPORTS}{batch}/").status_code == 404
    assert IdToken.objects.live().filter(organization_id=alice.home).exists()


def test_an_import_that_made_drivers_is_taken_back_and_read_with_the_scopes_of_drivers(
    api: APIClient, api_with: Callable[..., APIClient], alice: Actor
) -> None:
    tables.take(
        "driver,value,type\nErika,A1,ISO14443\nEmil,A2,ISO14443\n", known=Known.SKIP, by=alice, trial=False
    )
    Driver.objects.filter(organization_id=alice.home, name="Emil").update(email="emil@example.org")
    batch = TokenImport.objects.get(organization_id=alice.home)
    tokens_only, path = api_with("tokens:read", "tokens:write"), f"{IMPORTS}{batch.pk}/"
    refused = tokens_only.post(f"{path}undo/")
    still = IdToken.objects.live().filter(organization_id=alice.home).count()
    done = api_with("tokens:write", "drivers:write", "drivers:read").post(f"{path}undo/")
    emil = Driver.objects.get(organization_id=alice.home, name="Emil")
    [hidden] = [one for one in tokens_only.get(path).json()["kept"] if one["token"] is None]

    assert (refused.status_code, still) == (403, 2)
    assert "drivers:write" in refused.json()["detail"]
    assert str(emil.pk) in [one["driver"] for one in done.json()["kept"]]
    assert (hidden["driver"], hidden["reason"]) == (None, "It was changed since.")
    assert str(emil.pk) not in tokens_only.get(path).content.decode()
