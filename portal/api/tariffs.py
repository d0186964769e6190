"""``/tariffs/``: drafts, versions, publishing, preview, and where they hold."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.db.transaction import atomic
from django.utils import translation
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from drivers.models import Driver, DriverGroup
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, require_match, with_etag
from portal.api.tariff_bodies import OCPI_EXAMPLE, ExactJsonParser, OcpiTariff, mapping_of, shown
from stations.models import ChargingStation, Evse, Site, TariffAssignment
from stations.services import tariff_assignments
from tariffs import linter, parsing, publishing, text
from tariffs.linter import Level
from tariffs.local_time import find_zone
from tariffs.models import Tariff, TariffVersion, VersionState
from tariffs.rounding import Basis
from tariffs.structure import TariffType

SCOPES = {"read": "tariffs:read", "write": "tariffs:write"}
STATES = [word.value for word in VersionState]


class TariffView(serializers.Serializer):
    """The newest version: the draft where one is open."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField(help_text="Counts up with each publication")
    version_in_force = serializers.SerializerMethodField()
    valid_from = serializers.SerializerMethodField()
    valid_to = serializers.SerializerMethodField()
    tariff = serializers.SerializerMethodField(help_text="The OCPI object, with its own id")
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(STATES))
    def get_state(self, tariff: Tariff) -> str:
        return VersionState.RETIRED.value if tariff.retired_at else str(newest(tariff).state)

    @extend_schema_field(serializers.IntegerField())
    def get_version(self, tariff: Tariff) -> int:
        return newest(tariff).number

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_version_in_force(self, tariff: Tariff) -> int | None:
        now = clock.now()
        return next((one.number for one in tariff.versions.all() if one.holds_at(now)), None)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_valid_from(self, tariff: Tariff) -> datetime | None:
        return newest(tariff).valid_from

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_valid_to(self, tariff: Tariff) -> datetime | None:
        return newest(tariff).valid_to

    @extend_schema_field(OcpiTariff())
    def get_tariff(self, tariff: Tariff) -> Any:
        return shown(newest(tariff).document)


class VersionView(serializers.Serializer):
    version = serializers.IntegerField(source="number")
    state = serializers.ChoiceField(STATES)
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_to = serializers.DateTimeField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
    published_by = serializers.CharField()
    tariff = serializers.SerializerMethodField()

    @extend_schema_field(OcpiTariff())
    def get_tariff(self, version: TariffVersion) -> Any:
        return shown(version.document)


class PublishBody(StrictSerializer):
    valid_from = serializers.DateTimeField(
        required=False, help_text="Ahead; without it the tariff's own `start_date_time`, or now"
    )


class FindingView(serializers.Serializer):
    code = serializers.CharField()
    level = serializers.ChoiceField([word.value for word in Level])
    pointer = serializers.CharField(allow_blank=True)
    message = serializers.CharField()


class SentencesView(serializers.Serializer):
    language = serializers.CharField()
    text = serializers.CharField(allow_blank=True, help_text="As drivers read it before a start")


class PreviewView(serializers.Serializer):
    version = serializers.IntegerField()
    findings = FindingView(many=True)
    texts = SentencesView(many=True)


class AssignmentBody(StrictSerializer):
    """One place, or a driver or a group whose contract it is; none for the whole organization."""

    site = OwnRow(Site.objects, required=False)
    station = OwnRow(ChargingStation.objects, required=False)
    evse = OwnRow(Evse.objects, required=False)
    driver = OwnRow(Driver.objects, required=False)
    driver_group = OwnRow(DriverGroup.objects, required=False)
    connector_type = serializers.CharField(
        required=False, allow_blank=True, max_length=20, help_text="Only for these, such as cCCS2"
    )
    role = serializers.ChoiceField(
        ["", *(word.value for word in TariffType)],
        required=False,
        help_text="For whom; without it the tariff's own type",
    )
    basis = serializers.ChoiceField(
        ["", *(word.value for word in Basis)],
        required=False,
        help_text="Of a contract: net for a company, whose prices are rounded without VAT",
    )


class AssignmentView(serializers.Serializer):
    id = serializers.UUIDField()
    tariff = serializers.UUIDField(source="tariff_id")
    site = serializers.UUIDField(source="site_id", allow_null=True)
    station = serializers.UUIDField(source="station_id", allow_null=True)
    evse = serializers.UUIDField(source="evse_id", allow_null=True)
    driver = serializers.UUIDField(source="driver_id", allow_null=True)
    driver_group = serializers.UUIDField(source="driver_group_id", allow_null=True)
    connector_type = serializers.CharField()
    role = serializers.CharField()
    basis = serializers.CharField()
    assigned_at = serializers.DateTimeField()
    assigned_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)


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


def newest(tariff: Tariff) -> TariffVersion:
    """The draft where one is open, else the version with the greatest number."""
    return next(iter(tariff.versions.all()))


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


class AssignmentFilter(filters.FilterSet):
    current = filters.BooleanFilter(
        field_name="ended_at", lookup_expr="isnull", label="Without the ended ones"
    )

    class Meta:
        model = TariffAssignment
        fields = ["site", "station", "evse", "driver", "driver_group", "connector_type", "role"]


class AssignmentList(ListResource, OneTariff):
    """Where a tariff holds, and where it did."""

    serializer_class: ClassVar[type[serializers.BaseSerializer]] = AssignmentView
    filter_class = filterset_class = AssignmentFilter

    def rows(self) -> QuerySet[TariffAssignment]:
        return TariffAssignment.objects.visible_to(self.actor).filter(tariff=self.tariff())

    @extend_schema(operation_id="list_tariff_assignments", responses=AssignmentView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List where a tariff holds, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="assign_tariff",
        request=AssignmentBody,
        responses={201: AssignmentView},
        examples=[OpenApiExample("In the whole organization", {}, request_only=True)],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Let the tariff hold at a place from now on, instead of the one before; sessions that began keep theirs."""
        tariff = self.tariff()
        return self.once(lambda: self._assign(tariff))

    def _assign(self, tariff: Tariff) -> Response:
        values = self.body(AssignmentBody)
        whom = {name: values.pop(name) for name in ("role", "connector_type", "basis") if name in values}
        if len(values) > 1:
            raise serializers.ValidationError({"non_field_errors": "Name one place at most."})
        made = tariff_assignments.assign(
            tariff, place=next(iter(values.values()), None), by=self.actor, **whom
        )
        location = f"/api/v1/tariffs/{tariff.pk}/assignments/{made.pk}/"
        return Response(self.represent(made), status=201, headers={"Location": location})


class AssignmentDetail(OneTariff):
    """One place at which a tariff holds."""

    scopes = {"write": "tariffs:write"}

    @extend_schema(operation_id="end_tariff_assignment", responses={204: None})
    def delete(self, request: Request, pk: UUID, assignment_pk: UUID) -> Response:
        """Let the tariff no longer hold there; sessions that began keep it."""
        rows = TariffAssignment.objects.visible_to(self.actor).filter(tariff=self.tariff())
        tariff_assignments.end(found(rows.select_related("tariff"), assignment_pk), by=self.actor)
        return Response(status=204)


def sentences_of(version: TariffVersion, zone: str) -> list[dict[str, str]]:
    """The price text in each language; empty where the draft cannot be read."""
    told = []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            try:
                words = " ".join(text.describe(version.priced, zone=find_zone(zone), at=clock.now()))
            except parsing.pointers.InvalidDocument:
                words = ""
        told.append({"language": code, "text": words})
    return told
