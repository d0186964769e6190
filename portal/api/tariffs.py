"""``/tariffs/``: drafts, versions, publishing and preview."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.db.transaction import atomic
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.resource import ListResource, Resource, found, require_match, with_etag
from portal.api.tariff_bodies import OCPI_EXAMPLE, ExactJsonParser, OcpiTariff, mapping_of
from portal.api.tariff_views import (
    FindingView,
    PreviewView,
    PublishBody,
    TariffView,
    VersionView,
    newest,
    sentences_of,
)
from stations.services import tariff_assignments
from tariffs import linter, parsing, publishing
from tariffs.models import Tariff, TariffVersion, VersionState

SCOPES = {"read": "tariffs:read", "write": "tariffs:write"}


class TariffFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=VersionState.choices, method="with_state")
    search = filters.CharFilter(field_name="name", lookup_expr="icontains")

    class Meta:
        model = Tariff
        fields = ["name", "country_code", "party_id", "ocpi_id"]

    def with_state(self, rows: Any, name: str, value: str) -> Any:
        """A tariff with an open draft is a draft; one that is retired is found only so."""
        if value == VersionState.RETIRED:
            return (
                Tariff.objects.visible_to(self.request.auth)
                .exclude(retired_at=None)
                .prefetch_related("versions")
            )
        drafts = Exists(TariffVersion.objects.filter(tariff=OuterRef("pk"), state=VersionState.DRAFT))
        return rows.filter(drafts if value == VersionState.DRAFT else ~drafts)


class TariffList(ListResource):
    """What charging costs: OCPI tariffs, in versions that never change once they are published."""

    scopes = SCOPES
    parser_classes = (ExactJsonParser,)
    serializer_class = TariffView
    filter_class = filterset_class = TariffFilter
    ordering_fields: ClassVar[tuple[str, ...]] = ("id", "name", "created_at")

    def rows(self) -> QuerySet[Tariff]:
        return Tariff.objects.live().visible_to(self.actor).prefetch_related("versions")

    @extend_schema(operation_id="list_tariffs", responses=TariffView(many=True))
    def get(self, request: Request) -> Any:
        """List the tariffs, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="create_tariff",
        request=OcpiTariff,
        responses={201: TariffView},
        examples=[OpenApiExample("Cheaper at night", OCPI_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Create a tariff as a draft. The body is the bare OCPI object; its fields that we do not know are kept."""
        return self.once(self._create)

    def _create(self) -> Response:
        with atomic():
            draft = publishing.create(mapping_of(self.request.data), by=self.actor)
            parsing.parse_tariff(draft.content)
        tariff = found(self.rows(), draft.tariff_id)
        location = f"/api/v1/tariffs/{tariff.pk}/"
        return Response(self.represent(tariff), status=201, headers={"Location": location})


class OneTariff(Resource):
    """What belongs to one tariff."""

    scopes = SCOPES
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = TariffView

    def tariff(self) -> Tariff:
        rows = Tariff.objects.visible_to(self.actor).prefetch_related("versions")
        row: Tariff = found(rows, self.kwargs["pk"])
        return row

    def answer(self) -> Response:
        return with_etag(self.request, TariffView(self.tariff(), context={"actor": self.actor}).data)


class TariffDetail(OneTariff):
    """One tariff."""

    parser_classes = (ExactJsonParser,)

    @extend_schema(operation_id="get_tariff", responses=TariffView)
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a tariff, with its draft where one is open."""
        return self.answer()

    @extend_schema(operation_id="replace_tariff", request=OcpiTariff, responses=TariffView)
    def put(self, request: Request, pk: UUID) -> Response:
        """Replace the draft; a published tariff gets one, and its version in force stays as it is."""
        body = mapping_of(request.data)
        return self._edit(lambda tariff: body)

    @extend_schema(operation_id="change_tariff", request=OcpiTariff, responses=TariffView)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Change fields of the draft; `null` takes one away."""
        body = mapping_of(request.data)
        return self._edit(lambda tariff: {**newest(tariff).content, **body})

    @extend_schema(operation_id="retire_tariff", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Retire a tariff: it ends wherever it holds, sessions that began keep it, its id is free again."""
        tariff_assignments.retire(self.tariff(), by=self.actor)
        return Response(status=204)

    def _edit(self, document_of: Callable[[Tariff], Mapping[str, Any]]) -> Response:
        """What is changed, and compared with ``If-Match``, is what nobody else changes meanwhile."""
        self.tariff()
        with atomic():
            publishing.lock(self.kwargs["pk"])
            tariff = self.tariff()
            before = TariffView(tariff, context={"actor": self.actor}).data
            draft = publishing.edit(tariff, document_of(tariff), by=self.actor)
            parsing.parse_tariff(draft.content)
            require_match(self.request, before)  # a body that is wrong is told first, as everywhere
        return self.answer()


class TariffPublication(OneTariff):
    """Bringing a draft into force."""

    @extend_schema(operation_id="publish_tariff", request=PublishBody, responses={200: TariffView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Publish the draft, at once or from an instant ahead; errors of the linter refuse it."""
        tariff = self.tariff()
        return self.once(lambda: self._publish(tariff))

    def _publish(self, tariff: Tariff) -> Response:
        values = self.body(PublishBody)
        context = tariff_assignments.context_of(tariff)
        publishing.publish(
            newest(tariff), by=self.actor, valid_from=values.get("valid_from"), context=context
        )
        return self.answer()


class TariffWithdrawal(OneTariff):
    """Taking back what has not begun."""

    @extend_schema(operation_id="withdraw_tariff", request=None, responses={200: TariffView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Withdraw the version that is scheduled; the one before it goes on."""
        tariff = self.tariff()
        return self.once(lambda: self._withdraw(tariff))

    def _withdraw(self, tariff: Tariff) -> Response:
        published = [one for one in tariff.versions.all() if one.state == VersionState.PUBLISHED]
        publishing.withdraw(published[0] if published else newest(tariff), by=self.actor)
        return self.answer()


class TariffPreview(OneTariff):
    """What a tariff says, and what is wrong with it."""

    scopes = {"read": "tariffs:read"}
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = PreviewView

    @extend_schema(operation_id="preview_tariff", responses=PreviewView)
    def get(self, request: Request, pk: UUID) -> Response:
        """Read the findings of the linter, and the text that drivers read, for the newest version."""
        tariff = self.tariff()
        version = newest(tariff)
        findings = linter.lint(version.content, tariff_assignments.context_of(tariff))
        return Response({
            "version": version.number,
            "findings": [dict(FindingView(one).data) for one in findings],
            "texts": list(sentences_of(version, tariff.organization.time_zone)),
        })  # fmt: skip


class VersionList(ListResource, OneTariff):
    """The versions of a tariff."""

    scopes = {"read": "tariffs:read"}
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = VersionView
    ordering: ClassVar[tuple[str, ...]] = ("-number",)
    ordering_fields: ClassVar[tuple[str, ...]] = ("number",)

    def rows(self) -> QuerySet[TariffVersion]:
        return TariffVersion.objects.filter(tariff=self.tariff())

    @extend_schema(operation_id="list_tariff_versions", responses=VersionView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List the versions of a tariff, newest first."""
        return self.listing()
