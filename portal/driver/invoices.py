"""A driver's own invoices, and what is in the wallet (spec of drivers' pages, section 7)."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.models import (
    BillingAccount,
    DocumentState,
    DocumentType,
    Invoice,
    InvoiceDocument,
    InvoiceState,
    Mandate,
    ProviderSettings,
    SavedMethod,
    Wallet,
)
from billing.services.overdue import is_overdue
from billing.services.payments import allocating, asking
from billing.services.payments.ledgers import entries_of
from core import clock
from portal import session_price
from portal.driver.entry import DriverRequest, load, own

AT_ONCE = 50
LINES_SHOWN = 200


def own_invoices(request: DriverRequest) -> QuerySet[Invoice]:
    """Issued documents of the person; a draft is nobody's yet."""
    rows = Invoice.objects.filter(account__driver__in=request.drivers).exclude(number="")
    return rows.select_related("account__organization", "credits")


@require_safe
@own
def listing(request: DriverRequest) -> HttpResponse:
    rows = list(_beyond(own_invoices(request), request).order_by("-id")[: AT_ONCE + 1])
    wallets = Wallet.objects.filter(account__driver__in=request.drivers)
    context = {
        "invoices": [_figures(one) for one in rows[:AT_ONCE]],
        "more": rows[AT_ONCE - 1].pk if len(rows) > AT_ONCE else "",
        "wallets": [
            (one, session_price.told(one.balance, one.currency))
            for one in wallets.select_related("account__organization").order_by("id")
        ],
        "payers": [(one, _mailed_to(one)) for one in _payers(request)],
        "cards": SavedMethod.objects.live().filter(account__driver__in=request.drivers)[:AT_ONCE],
        "mandates": Mandate.objects.filter(account__driver__in=request.drivers)[:AT_ONCE],
        "here": "invoices",
    }
    return render(request, "driver/invoices.html", context)


@require_safe
@own
def show(request: DriverRequest, pk: Any) -> HttpResponse:
    invoice: Invoice = load(own_invoices(request), pk)
    lines = invoice.items.select_related("cdr__transaction__site").order_by("place")[: LINES_SHOWN + 1]
    rows = [(one.cdr, session_price.told(one.leading, invoice.currency)) for one in lines]
    rest = allocating.open_amount(invoice)
    context = {
        **_figures(invoice),
        "lines": rows[:LINES_SHOWN],
        "more": len(rows) > LINES_SHOWN,
        "net": session_price.told(invoice.net, invoice.currency),
        "vat": session_price.told(invoice.vat, invoice.currency),
        "open": session_price.told(rest, invoice.currency),
        "may_pay": bool(rest) and invoice.state in allocating.OWED and _takes_cards(invoice.organization_id),
        "files": InvoiceDocument.objects.filter(invoice=invoice, state=DocumentState.READY).order_by("kind"),
        "notes": invoice.credit_notes.order_by("id"),
        "here": "invoices",
    }
    return render(request, "driver/invoice.html", context)


@require_safe
@own
def wallet(request: DriverRequest, pk: Any) -> HttpResponse:
    rows = Wallet.objects.filter(account__driver__in=request.drivers).select_related("account__organization")
    held: Wallet = load(rows, pk)
    entries = list(_beyond(entries_of(held), request)[: AT_ONCE + 1])
    context = {
        "wallet": held,
        "balance": session_price.told(held.balance, held.currency),
        "reserved": session_price.told(held.reserved, held.currency) if held.reserved else "",
        "available": session_price.told(held.available, held.currency),
        "credit_limit": session_price.told(held.credit_limit, held.currency) if held.credit_limit else "",
        "may_fill": _takes_cards(held.account.organization_id),
        "least": session_price.told(asking.LEAST, held.currency),
        "most": session_price.told(asking.MOST, held.currency),
        "entries": [_entry(one, held.currency) for one in entries[:AT_ONCE]],
        "more": entries[AT_ONCE - 1].pk if len(entries) > AT_ONCE else "",
        "here": "invoices",
    }
    return render(request, "driver/wallet.html", context)


def _payers(request: DriverRequest) -> QuerySet[BillingAccount]:
    rows = BillingAccount.objects.filter(driver__in=request.drivers)
    return rows.select_related("organization", "driver", "buyer").order_by("id")


def _mailed_to(account: BillingAccount) -> str:
    """Where invoices go now: what was entered, else the driver's own address."""
    buyer = getattr(account, "buyer", None)
    return (buyer.email if buyer else "") or (account.driver.email if account.driver else "")


def _takes_cards(organization_id: Any) -> bool:
    return ProviderSettings.objects.filter(pk=organization_id).exists()


def _figures(invoice: Invoice) -> dict[str, Any]:
    return {
        "invoice": invoice,
        "due": session_price.told(invoice.due, invoice.currency),
        "credit": invoice.document_type == DocumentType.CREDIT_NOTE,
        "statement": invoice.document_type == DocumentType.SELF_BILLED,
        "paid": invoice.state == InvoiceState.PAID,
        "overdue": is_overdue(invoice, clock.now(), invoice.account.time_zone),
    }


def _entry(entry: Any, currency: str) -> dict[str, Any]:
    return {
        "entry": entry,
        "in": entry.change > 0,
        "amount": session_price.told(entry.change, currency),
    }


def _beyond(rows: QuerySet[Any], request: DriverRequest) -> QuerySet[Any]:
    """What is older than the row that ``before`` names; all where it names none."""
    try:
        key = rows.model._meta.pk.clean(request.GET.get("before", ""), None)
    except ValidationError:
        return rows
    return rows.filter(pk__lt=key)
