"""``/invoices/{id}/pdf/`` and ``/xml/``: the files of an issued invoice."""

from typing import ClassVar
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.models import DocumentKind, Invoice
from billing.services import documents
from core.errors import NotFound
from portal.api.renderers import JsonRenderer
from portal.api.resource import Resource, found
from portal.downloads import whole

NOT_YET = {409: "It is being made, or a check fails"}


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

    errors_told = NOT_YET

    scopes = {"read": "invoices:read"}
    renderer_classes = (JsonRenderer, PdfRenderer)
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = serializers.Serializer

    @extend_schema(operation_id="get_invoice_pdf", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: UUID) -> HttpResponse:
        """Read the PDF/A-3 with embedded Factur-X. 409 while it is being made, or where a check fails."""
        return _file(self, pk, DocumentKind.PDF.value)


class InvoiceXml(Resource):
    """The document for programs."""

    errors_told = {400: "There is no such syntax", **NOT_YET}

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


def _file(view: Resource, pk: UUID, kind: str) -> HttpResponse:
    invoice: Invoice = found(Invoice.objects.visible_to(view.actor), pk)
    if not invoice.number:
        raise NotFound("There is no such object here.")
    data = documents.read(invoice, kind, by=view.actor)
    return whole(
        data, content_type=documents.CONTENT_TYPES[kind], filename=documents.file_name(invoice, kind)
    )
