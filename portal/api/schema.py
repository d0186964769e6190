"""How the API describes itself: operation names, error answers, common headers."""

from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class FieldProblem(serializers.Serializer):
    """One field that is not valid; ``pointer`` is a JSON pointer into the body."""

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


class AutoSchema(SpectacularSchema):
    """Adds what every operation has in common."""

    def get_response_serializers(self) -> Any:
        declared = super().get_response_serializers()
        codes = dict(declared) if isinstance(declared, dict) else {self._success_code(): declared}
        for code, text in self._error_codes().items():
            codes.setdefault(code, self._problem(text))
        return codes

    def get_override_parameters(self) -> list[Any]:
        if self.method != "POST":
            return []
        return [
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="Repeats get the first answer for 24 h.",
            )
        ]

    def _success_code(self) -> int:
        return {"POST": 201, "DELETE": 204}.get(self.method, 200)

    def _error_codes(self) -> dict[int, str]:
        codes = dict(READ_ERRORS)
        if "{" in self.path:
            codes[404] = "No such object in this organization"
        if self.method in {"POST", "PUT", "PATCH"} or self.method == "GET":
            codes[400] = "A field or parameter is not valid"
        if self.method in {"POST", "DELETE", "PATCH", "PUT"}:
            codes[409] = "The present state does not allow it"
        if self.method in {"PUT", "PATCH"}:
            codes[412] = "Changed meanwhile (If-Match)"
        if self.method in {"POST", "PUT", "PATCH"}:
            codes[415] = "The body is not JSON"
        return codes

    def _problem(self, text: str) -> OpenApiResponse:
        return OpenApiResponse(Problem, description=text)

    def map_parsers(self) -> list[str]:
        return ["application/json"]
