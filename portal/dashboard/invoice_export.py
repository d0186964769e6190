"""Issued invoices of a period as files for the accountant, and the list of invoices as a table."""

import csv
import io
from collections.abc import Iterator
from datetime import date

from django.db.transaction import atomic
from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from billing.models import Invoice
from billing.services import exporting
from billing.services.overdue import is_overdue
from core import audit, clock
from core.access import Permission
from core.cells import guarded
from core.errors import Invalid
from core.models import Organization
from core.money import minor_units
from portal.dashboard import invoices
from portal.dashboard.entry import OperatorRequest, operator
from portal.downloads import streamed, whole

COLUMNS = (
    "number", "state", "overdue", "document_type", "takes_back", "payer", "period", "issued_on", "due_on",
    "currency", "net", "vat", "rounding", "due",
)  # fmt: skip


@require_safe
@operator(Permission.INVOICES_MANAGE)
def download(request: OperatorRequest, kind: str) -> HttpResponse:
    """``gobd`` is a zip of tables with index.xml, ``datev`` one table of bookings; ``?from=&to=``."""
    organization = Organization.objects.get(pk=request.actor.home)
    first, last = _day(request, "from"), _day(request, "to")
    make = exporting.datev if kind == "datev" else exporting.gobd
    data = make(organization, first, last, by=request.actor)
    suffix, form = ("csv", "text/csv; charset=utf-8") if kind == "datev" else ("zip", "application/zip")
    return whole(data, content_type=form, filename=f"{kind}-{first}-{last}.{suffix}")


@require_safe
@operator(Permission.INVOICES_MANAGE)
def table(request: OperatorRequest) -> HttpResponseBase:
    """The list as CSV, with the filters of the page: ISO dates, a dot in amounts, a credit note's are negative."""
    query = {name: request.GET.get(name, "").strip() for name in ("state", "q")}
    rows = invoices.wanted(query, request.actor).select_related("account", "credits").order_by("-id")
    organization = Organization.objects.get(pk=request.actor.home)
    asked = {name: [None, value] for name, value in query.items() if value}
    lines = _with_head(_line(_cells(one)) for one in rows.iterator(chunk_size=200))
    with atomic():
        audit.record("list.exported", organization, by=request.actor, changes=asked, reason=request.path)
        return streamed(
            request, lines, content_type="text/csv; charset=utf-8", filename="invoices.csv", by=request.actor
        )


def _with_head(lines: Iterator[str]) -> Iterator[str]:
    yield _line(list(COLUMNS))
    yield from lines


def _cells(invoice: Invoice) -> list[str]:
    places, sign = minor_units(invoice.currency), -1 if invoice.credits_id else 1
    amounts = (invoice.net, invoice.vat, invoice.rounding, invoice.due)
    overdue = is_overdue(invoice, clock.now(), invoice.account.time_zone)
    return [
        invoice.number, invoice.state, "true" if overdue else "false", invoice.document_type,
        invoice.credits.number if invoice.credits else "", guarded(invoice.account.name), invoice.period,
        *(day.isoformat() if day else "" for day in (invoice.issued_on, invoice.due_on)), invoice.currency,
        *(f"{sign * amount + 0:.{places}f}" for amount in amounts),
    ]  # fmt: skip


def _line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _day(request: OperatorRequest, name: str) -> date:
    try:
        return date.fromisoformat(request.GET.get(name, ""))
    except ValueError:
        raise Invalid("A day is written like 2026-11-30.", field=name) from None
