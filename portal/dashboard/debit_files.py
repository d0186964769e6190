"""Direct debit: what can be collected, files for the bank, and what became of them (billing B-43, B-44)."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.models import BankDetails, DebitFile, Invoice, MandateType
from billing.services.payments import announcing, collecting, debits
from core import clock
from core.access import Permission
from core.errors import DomainError, Invalid
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, page_by_id, render_page
from portal.downloads import whole

SHOWN = 200


class FileForm(forms.Form):
    collect_on = forms.DateField(
        label=gettext_lazy("Collect on"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    type_ = forms.ChoiceField(label=gettext_lazy("Mandates"), choices=MandateType.choices)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    """The files, and with ``?collect_on=`` what one of that day would collect; POST makes it."""
    asked = request.GET if "collect_on" in request.GET else None
    form = FileForm(request.POST if request.method == "POST" else asked)
    if request.method == "POST" and form.is_valid():
        request.actor.require_everywhere(Permission.INVOICES_MANAGE)
        try:
            made = debits.make_file(
                request.place.organization, form.cleaned_data["collect_on"],
                MandateType(form.cleaned_data["type_"]), by=request.actor,
            )  # fmt: skip
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("The file is made. Download it and hand it to the bank."))
            return go(request, address(request, "debit_file", made.pk))
    rows = DebitFile.objects.visible_to(request.actor).defer("sealed_content")
    context = {
        "section": "payments",
        "form": form if form.is_bound else FileForm(initial={"collect_on": _next_working_day()}),
        "page": page_by_id(rows.annotate(count=Count("items")), request.GET.dict()),
        "ready": _is_ready(request),
        **_preview(request, form),
    }
    status = 422 if request.method == "POST" else 200
    return render_page(request, "dashboard/payments/debit_files.html", context, status=status)


@require_safe
@operator(Permission.INVOICES_MANAGE)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    row = _load(request, pk)
    items = row.items.select_related("invoice__account", "mandate")
    context = {"section": "payments", "file": row, "items": items[:SHOWN], "count": items.count()}
    return render_page(request, "dashboard/payments/debit_file.html", context)


@require_POST
@operator(Permission.INVOICES_MANAGE)
def download(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The pain.008, byte for byte as it was made; it holds IBANs, so that the audit notes who fetched it."""
    row = _load(request, pk)
    data = debits.content_of(row, by=request.actor)
    return whole(data, content_type="application/xml", filename=f"{row.message_id}.xml")


@require_POST
@operator(Permission.INVOICES_MANAGE)
def decide(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The bank took it, or it never went there."""
    row, act = _load(request, pk), request.POST.get("act", "")
    if act == "collected":
        debits.collected(row, by=request.actor)
        messages.success(request, _("Each debit is a payment of its invoice now, until one comes back."))
    elif act == "discard":
        debits.discard(row, by=request.actor)
        messages.success(request, _("Discarded. Its invoices can be in another file."))
    else:
        raise Invalid(_("Choose what to do."), field="act")
    return go(request, address(request, "debit_file", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def announce(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Tell the payer of an invoice by mail that it is collected by the mandate of today."""
    announcing.announce(load(Invoice.objects.visible_to(request.actor), pk), by=request.actor)
    messages.success(request, _("The payer is told by mail. It can be collected after the notice."))
    return go(request, address(request, "debit_files"))


def _preview(request: OperatorRequest, form: FileForm) -> dict[str, Any]:
    """What a file of the day would collect; nothing is written."""
    if request.method == "POST" or not form.is_bound or not form.is_valid() or not _is_ready(request):
        return {"wanted": None}
    request.actor.require_everywhere(Permission.INVOICES_MANAGE)
    day, kind = form.cleaned_data["collect_on"], MandateType(form.cleaned_data["type_"])
    found = collecting.looked_at(request.place.organization, day, kind)
    wanted = collecting.free(found)
    others = [one for one in found if one.obstacle is not None]
    return {
        "wanted": wanted[:SHOWN],
        "wanted_count": len(wanted),
        "wanted_total": sum((one.rest for one in wanted), Decimal(0)),
        "others": others[:SHOWN],
        "others_count": len(others),
    }


def _is_ready(request: OperatorRequest) -> bool:
    rows = BankDetails.objects.visible_to(request.actor)
    return rows.exclude(creditor_id="").exists()


def _next_working_day() -> date:
    day = clock.now().date() + timedelta(days=1)
    return day + timedelta(days=max(7 - day.weekday(), 0) if day.weekday() >= 5 else 0)


def _load(request: OperatorRequest, pk: UUID) -> DebitFile:
    row: DebitFile = load(DebitFile.objects.visible_to(request.actor), pk)
    return row
