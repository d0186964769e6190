"""``/drivers/{id}/export/``, ``/drivers/{id}/erasure/``, ``/drivers/erasures/``: a person's data (W-29, B-67)."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.services import driver_export, erasing
from core.errors import Invalid
from drivers.models import Driver, Erasure, ErasureState
from portal.api.renderers import JsonRenderer
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.downloads import archived

SCOPES = {"read": "drivers:read", "write": "drivers:write"}


class ZipRenderer(JsonRenderer):
    """Errors come as JSON; the file is written by the view."""

    media_type = "application/zip"
    format = "zip"


class ErasureKeptView(serializers.Serializer):
    invoices = serializers.IntegerField(default=0)
    sessions = serializers.IntegerField(default=0, help_text="Records of sessions")


class ErasureView(serializers.Serializer):
    driver = serializers.UUIDField(source="driver_id")
    state = serializers.ChoiceField(ErasureState.choices)
    by_driver = serializers.BooleanField(help_text="Asked for by the person")
    asked_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(help_text="By when it has to be answered")
    began_at = serializers.DateTimeField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)
    kept = ErasureKeptView(help_text="What the law makes us keep")


class ErasureLookView(serializers.Serializer):
    request = ErasureView(allow_null=True, help_text="Null: nobody asked for it")
    obstacles = serializers.ListField(
        child=serializers.CharField(), help_text="What has to be settled first, a sentence each"
    )


class ErasureBody(StrictSerializer):
    confirm = serializers.CharField(max_length=100, help_text="The driver's name, as it stands")


class ErasureFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=ErasureState.choices)
    driver = filters.UUIDFilter(field_name="driver_id")

    class Meta:
        model = Erasure
        fields: ClassVar[list[str]] = []


class ErasureList(ListResource):
    """Persons who want to be forgotten."""

    scopes = {"read": "drivers:read"}
    serializer_class = ErasureView
    filter_class = filterset_class = ErasureFilter

    def rows(self) -> QuerySet[Erasure]:
        return Erasure.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_erasures", responses=ErasureView(many=True))
    def get(self, request: Request) -> Any:
        """List the requests to be forgotten, newest first."""
        return self.listing()


class DriverErasure(Resource):
    """A person is forgotten."""

    scopes = SCOPES
    serializer_class = ErasureLookView

    def _driver(self, pk: UUID) -> Driver:
        """Drivers who were ended are forgotten too."""
        driver: Driver = found(Driver.objects.visible_to(self.actor), pk)
        return driver

    @extend_schema(operation_id="get_driver_erasure")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read whether it was asked for, and what has to be settled first."""
        driver = self._driver(pk)
        asked = driver.erasures.exclude(state=ErasureState.WITHDRAWN).first()
        begun = asked is not None and asked.state != ErasureState.ASKED
        obstacles = [] if begun else erasing.obstacles(driver)
        return with_etag(request, self.represent({"request": asked, "obstacles": obstacles}))

    @extend_schema(operation_id="erase_driver", request=ErasureBody, responses={202: ErasureView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Delete a person's data for good, but what the law makes us keep. Cannot be undone.

        The logs of stations are searched afterwards. 409 names the first thing that has to be settled before. Again
        is the same.
        """
        return self.once(lambda: self._erase(pk))

    def _erase(self, pk: UUID) -> Response:
        driver, values = self._driver(pk), self.body(ErasureBody)
        row = driver.erasures.filter(state__in=[ErasureState.RUNNING, ErasureState.DONE]).first()
        if row is None:
            if " ".join(values["confirm"].split()) != driver.name:
                raise Invalid("Give the driver's name to confirm. Nothing was erased.", field="confirm")
            row = erasing.erase(driver, by=self.actor)
        return Response(ErasureView(row).data, status=202)


class DriverExport(Resource):
    """All that is kept of a person, as a file."""

    scopes = {"write": "drivers:write"}
    renderer_classes = (JsonRenderer, ZipRenderer)
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = serializers.Serializer

    @extend_schema(
        operation_id="export_driver", request=None, responses={(200, "application/zip"): OpenApiTypes.BINARY}
    )
    def post(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Take all that is kept of a driver as a zip of JSON, CSV and, for who may see invoices, their files.

        It is not kept here: under the same `Idempotency-Key` it is made again, as it is then, and noted again.
        """
        return self.file_once(lambda: self._export(pk))

    def _export(self, pk: UUID) -> HttpResponseBase:
        driver: Driver = found(
            Driver.objects.visible_to(self.actor).select_related("organization", "user"), pk
        )
        pieces = driver_export.archive_for_operator(driver, by=self.actor)
        return archived(self.request._request, pieces, filename="charging-data.zip", by=self.actor)
