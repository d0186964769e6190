"""On a company's page as a payer: the drivers for whom it pays, with their cost centres (billing B-18)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from billing.models import AccountKind, BillingAccount, CompanyMember
from billing.services import companies
from core.access import Actor, Permission
from drivers.models import Driver
from portal.dashboard.entry import OperatorRequest, go, id_of, load, operator
from portal.dashboard.pages import address

SHOWN = 200
FOUND = 20


def context(actor: Actor, account: BillingAccount, query: Mapping[str, str]) -> dict[str, Any]:
    """For ``components/company_drivers.html``; ``?driver=`` of the page looks for one to add."""
    if account.kind != AccountKind.COMPANY or account.driver_id is not None:
        return {}
    rows = CompanyMember.objects.filter(account=account).present().select_related("driver")
    members = list(rows.order_by("cost_centre", "driver__name")[: SHOWN + 1])
    words = query.get("driver", "").strip()
    return {
        "is_company": True,
        "members": members[:SHOWN],
        "more_members": len(members) > SHOWN,
        "driver_words": words,
        "drivers": _found(actor, words) if words else [],
    }


def of_driver(driver: Driver) -> CompanyMember | None:
    """The company that pays for the driver now."""
    return CompanyMember.objects.present().filter(driver=driver).select_related("account").first()


@require_POST
@operator(Permission.INVOICES_MANAGE)
def save(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Add a driver, change the cost centre, or let the driver pay again."""
    account: BillingAccount = load(BillingAccount.objects.visible_to(request.actor), pk)
    driver: Driver = load(
        Driver.objects.visible_to(request.actor).live(), id_of(request.POST.get("driver", ""))
    )
    if request.POST.get("act") == "leave":
        companies.leave(account, driver, by=request.actor)
        messages.success(request, _("The driver pays for what begins from now on."))
    else:
        companies.join(account, driver, cost_centre=request.POST.get("cost_centre", ""), by=request.actor)
        messages.success(request, _("The company pays for what begins from now on."))
    return go(request, address(request, "account", pk))


def _found(actor: Actor, words: str) -> list[Driver]:
    if not actor.can_everywhere(Permission.DRIVERS_VIEW):
        return []
    named = Q(name__icontains=words) | Q(reference__iexact=words)
    return list(Driver.objects.visible_to(actor).live().filter(named).order_by("name")[:FOUND])
