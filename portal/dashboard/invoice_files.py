"""Files of an invoice, handed out to staff and noted in the audit (billing B-56, B-68)."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from billing.models import DocumentKind, Invoice
from billing.services import documents
from core.access import Permission
from core.errors import NotFound
from portal.dashboard.entry import OperatorRequest, load, operator
from portal.downloads import whole


@require_safe
@operator(Permission.INVOICES_MANAGE)
def pdf(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The PDF with the e-invoice in it."""
    return _file(request, pk, DocumentKind.PDF.value)


@require_safe
@operator(Permission.INVOICES_MANAGE)
def xml(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The e-invoice: UBL, or with ``?format=cii`` what the PDF holds."""
    wanted = request.GET.get("format", DocumentKind.UBL.value)
    if wanted not in (DocumentKind.UBL, DocumentKind.CII):
        raise NotFound("There is no such object here.")
    return _file(request, pk, wanted)


def _file(request: OperatorRequest, pk: UUID, kind: str) -> HttpResponse:
    invoice: Invoice = load(Invoice.objects.visible_to(request.actor), pk)
    data = documents.read(invoice, kind, by=request.actor)
    return whole(
        data, content_type=documents.CONTENT_TYPES[kind], filename=documents.file_name(invoice, kind)
    )
