"""How the API describes itself: operations with their parameters, errors and examples (spec of the API)."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import django_filters
from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from portal.api import examples
from portal.api.command_bodies import BODIES
from portal.api.filtering import choices_of, filters_of

JSON, CSV, PROBLEM = "application/json", "text/csv", "application/problem+json"
STREAM = "text/event-stream"


class FieldProblem(serializers.Serializer):
    """One field or parameter that is not valid; ``pointer`` is a JSON pointer into the body, or names the parameter."""

    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer):
    """An error as RFC 9457 ``application/problem+json``."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    request_id = serializers.CharField()
    code = serializers.CharField(required=False)
    errors = FieldProblem(many=True, required=False)


READ_ERRORS = {401: "No or an unknown key", 403: "The scope is missing", 429: "Too many requests"}
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


ASKED_BY = {"POST": "Idempotency-Key", "PUT": "If-Match", "PATCH": "If-Match"}
MEANT_BY = {
    "Idempotency-Key": "Repeats get the first answer for 24 h, a lasting refusal too; another body is 409.",
    "If-Match": "The `ETag` that you read: refused with 412 where it was changed meanwhile. May be left out.",
    "If-None-Match": "The `ETag` that you know: answered with 304 where nothing changed.",
}
ALWAYS = {
    "X-Request-Id": "Yours, or one made for it; it stands in the logs",
    "RateLimit": "What is left of the limit, and until when",
    "RateLimit-Policy": "How many requests the key may send in what time",
}
AT_STATUS = {
    201: {"Location": "Where it is read"},
    202: {"Location": "Where it is read"},
    401: {"WWW-Authenticate": "How to name yourself"},
    409: {"Retry-After": "Where the conflict passes by itself: after how many seconds to ask again"},
    429: {"Retry-After": "After how many seconds to ask again"},
    503: {"Retry-After": "After how many seconds to ask again"},
}


def _headers(status: int, *, conditional: bool) -> dict[str, Any]:
    """The headers that an answer may have."""
    told = {**ALWAYS, **AT_STATUS.get(status, {})}
    if conditional and status in {200, 304}:
        told["ETag"] = "Of this state, for `If-None-Match` and `If-Match`"
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in told.items()}


class AutoSchema(SpectacularSchema):
    """Adds what every operation has in common."""

    def get_operation(self, *args: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args)
        if operation is None:
            return None
        self._tidy_answers(operation["responses"])
        operation["responses"].update(self._errors(operation["responses"]))
        if self._is_conditional():
            operation["responses"]["304"] = {"description": "It is as you know it (If-None-Match)"}
        for code, answer in operation["responses"].items():
            answer["headers"] = _headers(int(code), conditional=self._is_conditional())
        operation["parameters"] = [*self._own_parameters(operation), *self._filters()]
        self._show_body(operation.get("requestBody"))
        return operation

    def get_description(self) -> str:
        """With the scope that a key needs."""
        kind = "read" if self.method == "GET" else "write"
        scopes = getattr(self.view, "scopes", {})
        scope = scopes.get(self.method, scopes.get(kind))
        said = super().get_description() or ""
        return f"{said}\n\nScope: `{scope}`." if scope else said

    def get_override_parameters(self) -> list[Any]:
        name = "If-None-Match" if self._is_conditional() else ASKED_BY.get(self.method, "")
        if not name:
            return []
        return [OpenApiParameter(name, str, OpenApiParameter.HEADER, description=MEANT_BY[name])]

    def _is_conditional(self) -> bool:
        """Whether it reads one object, which has an ETag."""
        return self.method == "GET" and self.path.endswith("{id}/")

    def map_parsers(self) -> list[str]:
        return [JSON]

    def map_renderers(self, attribute: str) -> list[str]:
        return [JSON] if attribute == "media_type" else super().map_renderers(attribute)

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: str = "response"
    ) -> dict[str, Any]:
        answer: dict[str, Any] = super()._get_response_for_code(
            serializer, status_code, media_types, direction
        )
        plain = serializer.response if isinstance(serializer, OpenApiResponse) else serializer
        shown = self._example(plain() if isinstance(plain, type) else plain)
        for content in answer.get("content", {}).values():
            content.setdefault("examples", {}).setdefault("Answer", {"value": shown})
        return answer

    def _example(self, serializer: Any) -> Any:
        if hasattr(serializer, "serializers"):  # one of several kinds
            return self._example(serializer.serializers[0]())
        if isinstance(serializer, serializers.ListSerializer) and self._is_paged():
            return examples.page_of(serializer.child)
        if serializer is OpenApiTypes.BINARY:
            return "…"
        return None if serializer is None else examples.example_of(serializer)

    def _is_paged(self) -> bool:
        return self.method == "GET" and hasattr(self.view, "listing")

    def _tidy_answers(self, answers: dict[str, Any]) -> None:
        if not self._is_paged():
            return
        row = answers["200"]["content"][JSON]["examples"]["Answer"]["value"]["results"][0]
        head = ",".join(row)
        answers["200"]["content"][CSV] = {
            "schema": {"type": "string"},
            "examples": {"Table": {"value": f"{head}\r\n", "summary": "The head, then a line for each row"}},
        }
        if getattr(self.view, "streams", False):
            answers["200"]["content"][STREAM] = {
                "schema": {"type": "string"},
                "examples": {"Stream": {"value": examples.event_of(row), "summary": "One event"}},
            }

    def _errors(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        component = self.resolve_serializer(Problem(), "response")
        return {
            str(code): {
                "description": text,
                "content": {
                    PROBLEM: {
                        "schema": component.ref,
                        "examples": {"Problem": {"value": examples.problem_of(code, self.path)}},
                    }
                },
            }
            for code, text in sorted(self._error_codes().items())
            if str(code) not in answers
        }

    def _error_codes(self) -> dict[int, str]:
        codes = dict(READ_ERRORS)
        if "{" in self.path:
            codes[404] = "No such object in this organization"
        if self.method in WITH_BODY or self._is_paged():
            codes[400] = "A field or parameter is not valid"
        if self.method in CHANGES:
            codes[409] = "The present state does not allow it"
            codes[503] = "Somebody else is at work on it; repeat it after `Retry-After` seconds"
        if self.method in {"PUT", "PATCH"}:
            codes[412] = "Changed meanwhile (If-Match)"
        if self.method in WITH_BODY:
            codes[415] = "The body is not JSON"
            codes[413] = "The body is larger than 1 MiB"
        return codes | getattr(self.view, "errors_told", {})

    def _own_parameters(self, operation: Mapping[str, Any]) -> list[Any]:
        """Without what lists alone understand, elsewhere."""
        given = operation.get("parameters", [])
        ours = {"limit", "format"}
        return [one for one in given if one["name"] not in ours]

    def _filters(self) -> list[dict[str, Any]]:
        if not self._is_paged():
            return []
        orders = [word for name in self.view.ordering_fields for word in (name, f"-{name}")]
        return [
            _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}, "Rows of a page"),
            _parameter("ordering", {"type": "string", "enum": orders}, "With `-`: the last one first"),
            *(_parameter(name, _type(one), str(one.extra.get("help_text") or one.label or ""))
              for name, one in filters_of(self.view).items()),
        ]  # fmt: skip

    def _show_body(self, body: dict[str, Any] | None) -> None:
        content = (body or {}).get("content", {}).get(JSON)
        if content is None or content.get("examples"):
            return
        serializer = self.get_request_serializer()
        instance = serializer() if isinstance(serializer, type) else serializer
        shown = examples.body_of(instance, partial=self.method == "PATCH")
        content["examples"] = {"Body": {"value": shown}}


def _parameter(name: str, schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    told = {"description": text} if text else {}
    return {"name": name, "in": "query", "required": False, "schema": dict(schema), **told}


def _type(one: Any) -> dict[str, Any]:
    if isinstance(one, django_filters.BooleanFilter):
        return {"type": "boolean"}
    if isinstance(one, django_filters.NumberFilter):
        return {"type": "integer"}
    if isinstance(one, django_filters.UUIDFilter):
        return {"type": "string", "format": "uuid"}
    if isinstance(one, django_filters.IsoDateTimeFilter):
        return {"type": "string", "format": "date-time"}
    if isinstance(one, django_filters.DateFilter):
        return {"type": "string", "format": "date"}
    words = choices_of(one)
    return {"type": "string", "enum": words} if words else {"type": "string"}


def name_commands(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook: the body of a command takes its own name only, so that each body is of one kind."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, body in BODIES.items():
        for ending in ("Request", "ToManyRequest"):
            names[f"{body.__name__}{ending}"].append(name)
    for component, words in names.items():
        schema = result["components"]["schemas"].get(component)
        if schema is not None:
            schema["properties"]["command"] = {"type": "string", "enum": words}
    return result


def drop_defaults_of_nothing(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook: left out is no word, so it is not told as the default of a field of certain words."""
    schemas = result["components"]["schemas"]
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if field.get("default") == "" and "" not in _words_of(field, schemas):
                del field["default"]
    return result


def _words_of(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Any]:
    """The words that a field may have; an empty one stands for any text."""
    parts = [field, *field.get("allOf", []), *field.get("oneOf", [])]
    told = [schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part for part in parts]
    words = [word for part in told for word in part.get("enum", [])]
    return words or [""]
