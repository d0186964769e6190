"""``/tokens/import/``: many tokens in one request, all of them or none (security.md W-25)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from drivers.services.importing import MOST_ROWS, Known, Outcome, RowError, import_tokens
from portal.api.parsers import CsvParser, JsonParser
from portal.api.resource import Resource, StrictSerializer
from portal.api.tokens import TokenFields

READ_ONLY = ("id", "created_at", "sites", "budgets")
EXAMPLE = {
    "tokens": [
        {"value": "04A2B3C4D5E6F7", "type": "ISO14443", "label": "Van 7"},
        {"value": "DE-8AA-C12345678-9", "type": "eMAID"},
    ],
    "known": "skip",
    "dry_run": True,
}
TABLE = "value,type,label\n04A2B3C4D5E6F7,ISO14443,Van 7\nDE-8AA-C12345678-9,eMAID,\n"


class Options(StrictSerializer):
    known = serializers.ChoiceField(
        [word.value for word in Known],
        required=False,
        default=Known.REFUSE.value,
        help_text="What becomes of rows whose token is known: refuse all, skip them, or update them",
    )
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Check only, write nothing")


class ImportBody(Options):
    tokens = TokenFields(many=True, allow_empty=False, max_length=MOST_ROWS)


class ImportView(serializers.Serializer):
    dry_run = serializers.BooleanField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    skipped = serializers.IntegerField()
    batch = serializers.UUIDField(
        allow_null=True, help_text="Under `/tokens/imports/`; null where nothing was written"
    )


class TokenImport(Resource):
    """Many tokens at once."""

    scopes = {"write": "tokens:write"}
    serializer_class = ImportView
    parser_classes = (JsonParser, CsvParser)

    @extend_schema(
        operation_id="import_tokens",
        request={"application/json": ImportBody, "text/csv": OpenApiTypes.STR},
        parameters=[
            OpenApiParameter(
                "known",
                str,
                enum=[word.value for word in Known],
                description="Where the body does not say it",
            ),
            OpenApiParameter("dry_run", bool, description="Where the body does not say it"),
        ],
        responses={200: ImportView},
        examples=[
            OpenApiExample("A trial run", EXAMPLE, request_only=True, media_type="application/json"),
            OpenApiExample("A table", TABLE, request_only=True, media_type="text/csv"),
        ],
    )
    def post(self, request: Request) -> Response:
        """Make many tokens known, or none where one row is wrong; each wrong field is named.

        At most 2,000 rows. The table that `GET /tokens/` gives with `Accept: text/csv` is taken as well, with
        `Content-Type: text/csv` and `known` and `dry_run` in the query; its columns `id`, `sites`,
        `budgets` and `created_at` are not looked at.
        """
        return self.once(self._import)

    def _import(self) -> Response:
        values = self._values()
        outcome = import_tokens(
            values["tokens"], known=Known(values["known"]), dry_run=values["dry_run"], by=self.actor
        )
        if outcome.errors:
            raise serializers.ValidationError({"tokens": _by_row(outcome.errors)})
        return Response(self.represent(_counts(outcome, values["dry_run"])))

    def _values(self) -> dict[str, Any]:
        data, asked = (
            self.request.data,
            Options(data=self.request.query_params.dict(), context={"table": True}),
        )
        asked.is_valid(raise_exception=True)
        beside = {name: asked.validated_data[name] for name in asked.initial_data}
        table = isinstance(data, list)
        if table:
            rows = [{name: cell for name, cell in row.items() if name not in READ_ONLY} for row in data]
            data = {"tokens": rows}
        if isinstance(data, Mapping):
            data = {**beside, **data}
        checked = ImportBody(data=data, context={"actor": self.actor, "table": table})
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)


def _counts(outcome: Outcome, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "created": len(outcome.created),
        "updated": len(outcome.updated),
        "skipped": outcome.skipped,
        "batch": outcome.batch and outcome.batch.pk,
    }


def _by_row(errors: Sequence[RowError]) -> dict[str, Any]:
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for error in errors:
        rows[str(error.row)][error.field] = error.message
    return dict(rows)
