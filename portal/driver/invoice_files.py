"""A driver's own invoices as files."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from billing.models import DocumentKind, Invoice
from billing.services import documents
from core.errors import NotFound
from portal.downloads import whole
from portal.driver.entry import DriverRequest, load, own


@require_safe
@own
def pdf(request: DriverRequest, pk: UUID) -> HttpResponse:
    """The PDF with the e-invoice in it."""
    return _file(request, pk, DocumentKind.PDF.value)


@require_safe
@own
def xml(request: DriverRequest, pk: UUID) -> HttpResponse:
    """The e-invoice: UBL, or with ``?format=cii`` what the PDF holds."""
    wanted = request.GET.get("format", DocumentKind.UBL.value)
    if wanted not in (DocumentKind.UBL, DocumentKind.CII):
        raise NotFound("There is no such object here.")
    return _file(request, pk, wanted)


def _file(request: DriverRequest, pk: UUID, kind: str) -> HttpResponse:
    invoice: Invoice = load(
        Invoice.objects.filter(account__driver__in=request.drivers).exclude(number=""), pk
    )
    data = documents.content(invoice, kind)
    return whole(
        data, content_type=documents.CONTENT_TYPES[kind], filename=documents.file_name(invoice, kind)
    )
