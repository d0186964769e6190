"""The month end: what a run would invoice, its start, and how far it is (billing B-30 to B-34)."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.models import BillingRun, ItemState, RunKind
from billing.services import running
from core import clock
from core.access import Permission
from core.models import Organization
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, render_page

FAILED_SHOWN = 200
PREVIEWED_SHOWN = 200


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    """Runs so far; with ``?period=2026-11`` what one for that month would make, of invoices or of statements."""
    organization = _organization(request)
    period, kind = request.GET.get("period", "").strip(), _kind(request.GET.get("kind", ""))
    seen = running.preview(organization, period, by=request.actor, kind=kind) if period else []
    rows = BillingRun.objects.visible_to(request.actor)
    context = {
        "section": "invoices",
        "page": page_by_id(rows, request.GET.dict()),
        "period": period,
        "kind": kind.value,
        "last_month": _last_month(organization),
        "seen": [one for one in seen if not one.why][:PREVIEWED_SHOWN],
        "failed": [one for one in seen if one.why][:FAILED_SHOWN],
        "sums": _sums(seen),
    }
    return render_page(request, "dashboard/invoices/runs.html", context)


@require_POST
@operator(Permission.INVOICES_MANAGE)
def start(request: OperatorRequest) -> HttpResponse:
    """Begin a run; a worker serves it."""
    organization, period = _organization(request), request.POST.get("period", "").strip()
    kind = _kind(request.POST.get("kind", ""))
    issue = request.POST.get("issue") == "yes" or kind is RunKind.STATEMENTS
    if issue and request.POST.get("typed", "").strip() != period:
        messages.error(request, _("The month was not typed right; nothing was changed."))
        return go(request, address(request, "invoice_runs"))
    running.require_over(organization, period)
    run = running.start(organization, period, issue=issue, by=request.actor, kind=kind)
    messages.success(request, _("The run has begun. It goes on when this page is closed."))
    return go(request, address(request, "invoice_run", run.pk))


@require_safe
@operator(Permission.INVOICES_MANAGE)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    run: BillingRun = load(BillingRun.objects.visible_to(request.actor), pk)
    counts = running.progress(run, by=request.actor)
    failed = run.items.filter(state=ItemState.FAILED).select_related("account").order_by("id")
    context = {
        "section": "invoices",
        "run": run,
        "counts": counts,
        "all": sum(counts.values()),
        "sums": running.amounts(run),
        "rates": running.rates(run),
        "failed": failed[:FAILED_SHOWN],
    }
    return render_page(request, "dashboard/invoices/run.html", context, partial="progress")


def _organization(request: OperatorRequest) -> Organization:
    request.actor.require_everywhere(Permission.INVOICES_MANAGE)
    return Organization.objects.get(pk=request.actor.home)


def _kind(word: str) -> RunKind:
    return RunKind.STATEMENTS if word == RunKind.STATEMENTS else RunKind.INVOICES


def _last_month(organization: Organization) -> str:
    today = clock.now().astimezone(ZoneInfo(organization.time_zone)).date()
    year, month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    return f"{year}-{month:02d}"


def _sums(seen: list[running.Previewed]) -> list[dict[str, Any]]:
    """By currency."""
    found: dict[str, dict[str, Any]] = {}
    for one in seen:
        if one.why:
            continue
        row = found.setdefault(
            one.currency, {"currency": one.currency, "documents": 0, "net": 0, "vat": 0, "due": 0}
        )
        row["documents"] += 1
        for name in ("net", "vat", "due"):
            row[name] += getattr(one, name)
    return [found[currency] for currency in sorted(found)]
