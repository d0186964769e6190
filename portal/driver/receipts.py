"""`/r/<key>`: the receipt of a session that was paid by card without an account, for who has its link (driver 3.7)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.models import DocumentState, InvoiceDocument, Receipt
from billing.services import documents, receipts
from billing.services.payments import allocating
from core.errors import NotFound
from portal import session_price
from portal.downloads import whole
from portal.driver.entry import public


@require_safe
@public
def show(request: HttpRequest, key: str) -> HttpResponse:
    receipt = receipts.by_key(key)
    invoice, payment = receipt.invoice, receipt.payment
    credited = allocating.credited(invoice)
    context = {
        "receipt": receipt,
        "invoice": invoice,
        "record": receipt.transaction.cdrs.filter(lines__invoice=invoice).first(),
        "net": session_price.told(invoice.net, invoice.currency),
        "vat": session_price.told(invoice.vat, invoice.currency),
        "due": session_price.told(invoice.due, invoice.currency),
        "credited": session_price.told(credited, invoice.currency) if credited else "",
        "held": session_price.told(payment.authorized, payment.currency),
        "charged": session_price.told(payment.captured, payment.currency) if payment.captured else "",
        "refunded": session_price.told(payment.refunded, payment.currency) if payment.refunded else "",
        "files": InvoiceDocument.objects.filter(invoice=invoice, state=DocumentState.READY).order_by("kind"),
    }
    response = render(request, "driver/receipt.html", context)
    return _kept_secret(response)


@require_safe
@public
def file(request: HttpRequest, key: str, kind: str) -> HttpResponse:
    """The PDF or an e-invoice."""
    receipt: Receipt = receipts.by_key(key)
    if kind not in documents.CONTENT_TYPES:
        raise NotFound("There is no such object here.")
    name = documents.file_name(receipt.invoice, kind)
    data = documents.content(receipt.invoice, kind)
    return _kept_secret(whole(data, content_type=documents.CONTENT_TYPES[kind], filename=name))


def _kept_secret(response: HttpResponse) -> HttpResponse:
    """The address is the key: no cache keeps it, and no other page is told of it."""
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
