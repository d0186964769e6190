"""``/invoices/{id}/pdf/`` and ``/xml/``: the files of an issued invoice; ``/organization/seller/``: who issues it."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.transaction import atomic
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import DocumentKind, Invoice, Seller
from billing.services import documents, parties
from core.errors import NotFound
from core.models import Organization
from portal.api.renderers import JsonRenderer
from portal.api.resource import Resource, StrictSerializer, found, require_match, with_etag


class PdfRenderer(JsonRenderer):
    """Errors come as JSON; the file is written by the view."""

    media_type = "application/pdf"
    format = "pdf"


class XmlRenderer(JsonRenderer):
    """Errors come as JSON; the file is written by the view."""

    media_type = "application/xml"
    format = "xml"


class InvoicePdf(Resource):
    """The document for people, with the e-invoice in it."""

    scopes = {"read": "invoices:read"}
    renderer_classes = (JsonRenderer, PdfRenderer)
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = serializers.Serializer

    @extend_schema(operation_id="get_invoice_pdf", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        """Read the PDF/A-3 with embedded Factur-X. 409 while it is being made, or where a check fails."""
        return _file(self, pk, DocumentKind.PDF.value)


class InvoiceXml(Resource):
    """The document for programs."""

    scopes = {"read": "invoices:read"}
    renderer_classes = (JsonRenderer, XmlRenderer)
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = serializers.Serializer

    @extend_schema(
        operation_id="get_invoice_xml",
        parameters=[
            OpenApiParameter("syntax", str, enum=["ubl", "cii"], description="`ubl` where not given")
        ],
        responses={(200, "application/xml"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        """Read the e-invoice by EN 16931: UBL 2.1, or CII, which is what the PDF holds."""
        wanted = request.query_params.get("syntax", DocumentKind.UBL.value)
        if wanted not in (DocumentKind.UBL, DocumentKind.CII):
            raise serializers.ValidationError({"syntax": "“ubl” or “cii” is expected here."})
        return _file(self, pk, wanted)


class SellerChange(StrictSerializer):
    name = serializers.CharField(max_length=200, required=False)
    street = serializers.CharField(max_length=200, required=False, allow_blank=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100, required=False, allow_blank=True)
    country = serializers.CharField(max_length=3, required=False, help_text="ISO 3166-1")
    vat_id = serializers.CharField(max_length=30, required=False, allow_blank=True)
    tax_number = serializers.CharField(max_length=30, required=False, allow_blank=True)
    vat_exempt = serializers.BooleanField(required=False, help_text="A small business that charges no VAT")
    email = serializers.EmailField(required=False, allow_blank=True)
    contact = serializers.CharField(max_length=100, required=False, allow_blank=True)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    languages = serializers.ListField(
        child=serializers.CharField(max_length=2), required=False, max_length=2,
        help_text="Of documents; the first where the buyer names none",
    )  # fmt: skip


class SellerView(serializers.Serializer):
    name = serializers.CharField()
    street = serializers.CharField()
    postal_code = serializers.CharField()
    city = serializers.CharField()
    country = serializers.CharField()
    vat_id = serializers.CharField()
    tax_number = serializers.CharField()
    vat_exempt = serializers.BooleanField()
    email = serializers.CharField()
    contact = serializers.CharField()
    phone = serializers.CharField()
    languages = serializers.ListField(child=serializers.CharField())
    complete = serializers.BooleanField(source="is_complete", help_text="Whether invoices can be issued")


class SellerDetail(Resource):
    """What documents say of the organization."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = SellerView

    @extend_schema(operation_id="get_seller")
    def get(self, request: Request) -> Response:
        """Read what invoices say of the organization."""
        return with_etag(request, self.represent(self._row()), SellerChange)

    @extend_schema(
        operation_id="change_seller",
        request=SellerChange,
        examples=[OpenApiExample("A new address", {"street": "Kai 2", "city": "Hamburg"}, request_only=True)],
    )
    def patch(self, request: Request) -> Response:
        """Change some of it. Issued documents stay as they are."""
        values = self.body(SellerChange, partial=True)
        with atomic():
            organization = Organization.objects.select_for_update().get(pk=self.actor.organization_id)
            require_match(request, self.represent(self._row()), SellerChange)
            row = parties.save_seller(organization, values, by=self.actor)
        return with_etag(request, self.represent(row), SellerChange)

    def _row(self) -> Seller:
        key: Any = self.actor.organization_id
        known = Seller.objects.filter(pk=key).first()
        return known or Seller(organization_id=key, languages=["en", "de"])


def _file(view: Resource, pk: UUID, kind: str) -> HttpResponse:
    invoice: Invoice = found(Invoice.objects.visible_to(view.actor), pk)
    if not invoice.number:
        raise NotFound("There is no such object here.")
    data = documents.read(invoice, kind, by=view.actor)
    response = HttpResponse(data, content_type=documents.CONTENT_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{documents.file_name(invoice, kind)}"'
    return response
