"""The schema is complete: every operation has its errors and examples, each true to its schema."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from core.access import Actor
from core.models import Organization
from stations.services import access
from tests import factories
from tests.portal.api.conftest import results
from tests.portal.walking import furnish

METHODS = ("get", "post", "put", "patch", "delete")


@cache
def schema() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator(api_version="v1").get_schema(request=None, public=True)
    return made


def operations() -> list[str]:
    return [
        f"{method} {path}"
        for path, methods in schema()["paths"].items()
        for method in METHODS
        if method in methods
    ]


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each body of an operation: where, of which kind, and its content."""
    parts = {"request": operation.get("requestBody", {}), **operation["responses"]}
    for where, part in parts.items():
        for kind, content in part.get("content", {}).items():
            yield where, kind, content


def found(name: str) -> dict[str, Any]:
    method, path = name.split(" ")
    operation: dict[str, Any] = schema()["paths"][path][method]
    return operation


def test_every_operation_has_true_examples_of_all_that_is_sent_and_answered() -> None:
    wrong: list[str] = []
    for name in operations():
        for where, kind, content in contents(found(name)):
            examples = content.get("examples", {})
            if not examples:
                wrong.append(f"{name} {where} {kind}: no example")
            document = {**content["schema"], "components": schema()["components"]}
            for title, example in examples.items():
                for error in Draft202012Validator(document).iter_errors(example["value"]):
                    wrong.append(f"{name} {where} {title}: {error.json_path} {error.message[:200]}")

    assert len(operations()) > 60
    assert wrong == []


def test_an_example_that_is_not_true_would_be_found() -> None:
    content = found("post /api/v1/sites/")["responses"]["201"]["content"]["application/json"]
    document = {**content["schema"], "components": schema()["components"]}
    value = content["examples"]["Answer"]["value"]

    assert Draft202012Validator(document).is_valid(value)
    assert not Draft202012Validator(document).is_valid({**value, "public": "perhaps"})


def test_every_operation_tells_its_errors_as_problems() -> None:
    for name in operations():
        answers = found(name)["responses"]
        assert {"401", "403", "429"} <= set(answers), name
        assert "application/problem+json" in answers["401"]["content"], name
        assert ("404" in answers) == ("{" in name), name


def test_no_answer_is_an_object_of_anything() -> None:
    for name in operations():
        for where, kind, content in contents(found(name)):
            assert content["schema"] not in ({}, {"type": "object"}), (name, where, kind)


def test_what_generators_of_clients_stumble_over_is_not_there() -> None:
    """A list says of what, and a default is one of the words of its field."""
    schemas = schema()["components"]["schemas"]
    wrong = []
    for name, component in schemas.items():
        for field, told in component.get("properties", {}).items():
            if "array" in told.get("type", ()) and "items" not in told:
                wrong.append(f"{name}.{field}: of what")
            words = [
                word
                for part in told.get("allOf", [])
                for word in schemas[part["$ref"].split("/")[-1]].get("enum", ())
            ]
            if words and told.get("default") not in (None, *words):
                wrong.append(f"{name}.{field}: {told['default']!r} is none of {words}")

    assert wrong == []


def test_filters_and_orders_of_lists_are_told() -> None:
    parameters = {one["name"]: one for one in found("get /api/v1/stations/")["parameters"]}

    assert parameters["connected"]["schema"] == {"type": "boolean"}
    assert "charging" in parameters["status"]["schema"]["enum"]
    assert parameters["ordering"]["schema"]["enum"][:2] == ["identity", "-identity"]
    assert {"limit", "cursor", "search", "site"} <= set(parameters)
    assert "limit" not in [one["name"] for one in found("get /api/v1/stations/{id}/").get("parameters", [])]


def test_every_told_parameter_is_known_and_every_method_is_served(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    for name in operations():
        method, path = name.split(" ")
        if method != "get" or path.count("{") > 1:
            continue
        address = path.replace("{id}", str(station.pk))
        asked = {one["name"]: one for one in found(name)["parameters"] if one["in"] == "query"}
        for order in asked.get("ordering", {}).get("schema", {}).get("enum", []):
            assert api.get(address, {"ordering": order}).status_code in (200, 404), (address, order)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/sites/", "/api/v1/stations/", "/api/v1/tokens/", "/api/v1/groups/", "/api/v1/tokens/import/"],
)
def test_the_example_of_a_body_can_be_sent(api: APIClient, path: str) -> None:
    content = found(f"post {path}")["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        assert api.post(path, example["value"]).status_code in (200, 201)


@pytest.mark.parametrize("path", ["sites", "stations", "tokens", "groups", "organization"])
def test_a_real_answer_has_the_fields_of_its_example(api: APIClient, alice: Actor, path: str) -> None:
    factories.make_token(alice)
    factories.make_station(alice)
    api.post("/api/v1/groups/", {"name": "Vans"})
    if path == "organization":
        real = api.get("/api/v1/organization/").json()
        name = "get /api/v1/organization/"
    else:
        real = api.get(f"/api/v1/{path}/{results(api.get(f'/api/v1/{path}/'))[0]['id']}/").json()
        name = f"get /api/v1/{path}/{{id}}/"
    content = found(name)["responses"]["200"]["content"]["application/json"]
    document = {**content["schema"], "components": schema()["components"]}

    assert set(real) == set(content["examples"]["Answer"]["value"])
    assert list(Draft202012Validator(document).iter_errors(real)) == []


def test_every_single_object_is_read_with_the_etag_that_the_schema_tells_of(
    api: APIClient, organization: Organization
) -> None:
    alice = factories.make_member(organization)
    things = furnish(organization, alice, access.actor_of_member(alice))
    read, wrong = 0, []
    for path, methods in schema()["paths"].items():
        segment = path.removeprefix("/api/v1/").removesuffix("{id}/").strip("/")
        if "get" not in methods or segment not in things or not path.endswith("{id}/"):
            continue
        headers = methods["get"]["responses"]["200"]["headers"]
        answer = api.get(path.replace("{id}", str(things[segment])))
        again = api.get(
            path.replace("{id}", str(things[segment])), HTTP_IF_NONE_MATCH=answer.headers.get("ETag", "")
        )
        read += 1
        if (answer.status_code, again.status_code, "ETag" in headers) != (200, 304, True):
            wrong.append(f"{path}: {answer.status_code}, {again.status_code}")

    assert wrong == []
    assert read > 25


def test_every_operation_tells_its_scope_its_conditions_and_the_headers_of_its_answers() -> None:
    for name in operations():
        operation = found(name)
        sent = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
        wanted = {"post": "Idempotency-Key", "put": "If-Match", "patch": "If-Match"}.get(name.split(" ")[0])

        assert "Scope: `" in operation["description"], name
        assert wanted is None or wanted in sent, name
        assert all("RateLimit" in answer["headers"] for answer in operation["responses"].values()), name
        assert "Retry-After" in operation["responses"]["429"]["headers"], name
