"""Issued invoices of a period as files for the accountant."""

from datetime import date

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from billing.services import exporting
from core.access import Permission
from core.errors import Invalid
from core.models import Organization
from portal.dashboard.entry import OperatorRequest, operator
from portal.downloads import whole


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


def _day(request: OperatorRequest, name: str) -> date:
    try:
        return date.fromisoformat(request.GET.get(name, ""))
    except ValueError:
        raise Invalid("A day is written like 2026-11-30.", field=name) from None
