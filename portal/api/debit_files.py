"""``/debit-files/``: SEPA direct debits for the bank (billing B-43, B-44)."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import DebitFile, DebitFileState, MandateType
from billing.services.payments import debits
from core.access import Permission
from core.models import Organization
from portal.api.amounts import Amount
from portal.api.invoice_files import XmlRenderer
from portal.api.renderers import JsonRenderer
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search
from portal.downloads import whole


class DebitFileBody(StrictSerializer):
    collect_on = serializers.DateField(help_text="A working day to come")
    type = serializers.ChoiceField(MandateType.choices, required=False, default=MandateType.CORE)


class DebitFileView(serializers.Serializer):
    id = serializers.UUIDField()
    message_id = serializers.CharField()
    status = serializers.ChoiceField(DebitFileState.choices, source="state")
    collect_on = serializers.DateField()
    currency = serializers.CharField()
    total = Amount()
    digest = serializers.CharField(help_text="SHA-256 of the file")
    made_at = serializers.DateTimeField()
    made_by = serializers.CharField()


class DebitItemView(serializers.Serializer):
    invoice = serializers.UUIDField(source="invoice_id")
    mandate = serializers.UUIDField(source="mandate_id")
    amount = Amount(currency="file.currency")
    sequence = serializers.ChoiceField(["FRST", "RCUR"])
    end_to_end_id = serializers.CharField()


class DebitFileDetailView(DebitFileView):
    items = DebitItemView(many=True)


class DebitFileFilter(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="state", choices=DebitFileState.choices)
    search = Search("message_id", "made_by")

    class Meta:
        model = DebitFile
        fields = ["collect_on", "message_id"]


class DebitFileList(ListResource):
    """Files for the bank."""

    scopes = {"read": "payments:read", "write": "payments:write"}
    serializer_class = DebitFileView
    filter_class = filterset_class = DebitFileFilter

    def rows(self) -> QuerySet[DebitFile]:
        return DebitFile.objects.visible_to(self.actor).defer("sealed_content")

    @extend_schema(operation_id="list_debit_files", responses=DebitFileView(many=True))
    def get(self, request: Request) -> Any:
        """List the files, newest first."""
        return self.listing()

    @extend_schema(operation_id="make_debit_file", request=DebitFileBody, responses={201: DebitFileView})
    def post(self, request: Request) -> Response:
        """Collect on that day what payers with a mandate of the type owe; an invoice is in one open file."""
        return self.once(self._make)

    def _make(self) -> Response:
        values = self.body(DebitFileBody)
        organization = Organization.objects.get(pk=self.actor.home)
        self.actor.require_everywhere(Permission.INVOICES_MANAGE, organization)
        made = debits.make_file(
            organization, values["collect_on"], MandateType(values["type"]), by=self.actor
        )
        place = {"Location": f"/api/v1/debit-files/{made.pk}/"}
        return Response(self.represent(made), status=201, headers=place)


class OneDebitFile(Resource):
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = DebitFileDetailView

    def row(self, pk: UUID) -> DebitFile:
        rows = DebitFile.objects.visible_to(self.actor).prefetch_related("items__file")
        one: DebitFile = found(rows, pk)
        return one

    def closed(self, pk: UUID, close: Callable[[DebitFile], DebitFile]) -> Response:
        close(self.row(pk))
        return Response(self.represent(self.row(pk)))


class DebitFileDetail(OneDebitFile):
    """One file with what it collects."""

    scopes = {"read": "payments:read"}

    @extend_schema(operation_id="get_debit_file")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read what a file collects."""
        return with_etag(request, self.represent(self.row(pk)))


class DebitFileContent(OneDebitFile):
    """The file itself."""

    scopes = {"read": "payments:write"}
    renderer_classes = (JsonRenderer, XmlRenderer)
    serializer_class = serializers.Serializer

    @extend_schema(
        operation_id="get_debit_file_content", responses={(200, "application/xml"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        """Read the pain.008, always the same bytes. It holds account numbers, so that the audit notes it."""
        row = self.row(pk)
        data = debits.content_of(row, by=self.actor)
        return whole(data, content_type="application/xml", filename=f"{row.message_id}.xml")


class DebitFileCollection(OneDebitFile):
    """The bank took a file."""

    scopes = {"write": "payments:write"}

    @extend_schema(operation_id="collect_debit_file", request=None, responses={200: DebitFileDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """The bank took it: each debit is a payment of its invoice, until it comes back."""
        return self.once(lambda: self.closed(pk, lambda row: debits.collected(row, by=self.actor)))


class DebitFileDiscard(OneDebitFile):
    """A file is given up."""

    scopes = {"write": "payments:write"}

    @extend_schema(operation_id="discard_debit_file", request=None, responses={200: DebitFileDetailView})
    def post(self, request: Request, pk: UUID) -> Response:
        """It never went to the bank; its invoices can be in another file."""
        return self.once(lambda: self.closed(pk, lambda row: debits.discard(row, by=self.actor)))
