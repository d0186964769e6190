"""``/tokens/imports/``: what imports did, and taking one back."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from billing.services import import_undoing
from core.services.keys import holds
from drivers.models import TokenImport
from portal.api.resource import ListResource, Resource, found, with_etag
from portal.api.searching import Search

SCOPES = {"read": "tokens:read", "write": "tokens:write"}
KEPT_SHOWN = 500


class KeptView(serializers.Serializer):
    token = serializers.UUIDField(source="token_id", allow_null=True)
    driver = serializers.UUIDField(
        source="driver_id", allow_null=True, help_text="For who has the scope `drivers:read`, else `null`"
    )
    reason = serializers.CharField(source="kept_because")


class ImportDoneView(serializers.Serializer):
    id = serializers.UUIDField()
    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()
    created = serializers.IntegerField(help_text="Tokens that it made known")
    updated = serializers.IntegerField(help_text="Tokens that it changed")
    drivers = serializers.IntegerField(help_text="Drivers that it made")
    undo_until = serializers.DateTimeField(help_text="Until when it can be taken back")
    undone_at = serializers.DateTimeField(allow_null=True)
    undone_by = serializers.CharField()
    kept_count = serializers.IntegerField(
        source="kept", allow_null=True, help_text="What stayed, since it had been changed or used"
    )


class ImportDoneDetailView(ImportDoneView):
    kept = serializers.SerializerMethodField(
        help_text=f"At most {KEPT_SHOWN}; kept as long as an import can be taken back"
    )

    @extend_schema_field(KeptView(many=True))
    def get_kept(self, batch: TokenImport) -> list[dict[str, Any]]:
        rows = list(batch.rows.exclude(kept_because="")[:KEPT_SHOWN])
        if not holds(self.context["actor"], "drivers:read"):
            for row in rows:
                row.driver_id = None
        return list(KeptView(rows, many=True).data)


class TokenImportFilter(filters.FilterSet):
    search = Search("made_by", "undone_by")

    class Meta:
        model = TokenImport
        fields: ClassVar[list[str]] = []


class TokenImportList(ListResource):
    """Imports of tokens, newest first."""

    scopes = SCOPES
    serializer_class = ImportDoneView
    filter_class = filterset_class = TokenImportFilter

    def rows(self) -> QuerySet[TokenImport]:
        return TokenImport.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_token_imports", responses=ImportDoneView(many=True))
    def get(self, request: Request) -> Any:
        """List the imports, by page, table or REST."""
        return self.listing()


class TokenImportDetail(Resource):
    """One import."""

    scopes = SCOPES
    serializer_class = ImportDoneDetailView

    @extend_schema(operation_id="get_token_import")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read what an import did, and what stayed when it was taken back."""
        return with_etag(request, self.represent(found(TokenImport.objects.visible_to(self.actor), pk)))


class TokenImportUndo(Resource):
    """An import is taken back."""

    scopes = SCOPES
    serializer_class = ImportDoneDetailView

    @extend_schema(operation_id="undo_token_import", request=None, responses=ImportDoneDetailView)
    def post(self, request: Request, pk: UUID) -> Response:
        """Take an import back, up to seven days after it. Again changes nothing.

        Tokens and drivers that it made are ended, tokens that it changed are as before. Each that was changed or
        used since stays as it is, with the reason. One that made drivers needs the scope `drivers:write` as well.
        """
        return self.once(lambda: self._undo(pk))

    def _undo(self, pk: UUID) -> Response:
        batch: TokenImport = found(TokenImport.objects.visible_to(self.actor), pk)
        if batch.drivers and not holds(self.actor, "drivers:write"):
            raise PermissionDenied("This import made drivers: it needs the scope “drivers:write” as well.")
        return Response(self.represent(import_undoing.undo(batch, by=self.actor)))
