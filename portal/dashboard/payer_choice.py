"""Choosing a payer by name: accounts, and drivers who have none yet."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from billing.models import BillingAccount
from billing.services import accounts
from core.access import Permission
from core.errors import Invalid
from drivers.models import Driver
from portal.dashboard.entry import OperatorRequest, id_of, load

SHOWN = 20
DRIVER = "driver:"


@dataclass(frozen=True, slots=True)
class Choice:
    """``value`` is what the form sends."""

    value: str
    name: str
    hint: str


def found(request: OperatorRequest) -> list[Choice]:
    """Whose name has the words of ``?payer=``; nobody while nothing is asked."""
    words = request.GET.get("payer", "").strip()
    if not words:
        return []
    payers = _alive(request).filter(name__icontains=words)
    choices = [
        Choice(str(one.pk), one.name, str(one.get_kind_display())) for one in payers.order_by("name")[:SHOWN]
    ]
    if request.actor.can_everywhere(Permission.DRIVERS_VIEW):
        drivers = Driver.objects.visible_to(request.actor).live().filter(name__icontains=words)
        fresh = drivers.filter(billing_account=None).order_by("name")[: SHOWN - len(choices)]
        choices += [Choice(f"{DRIVER}{one.pk}", one.name, _("Driver without a session yet")) for one in fresh]
    return choices


def chosen(request: OperatorRequest) -> BillingAccount:
    """The payer that the form names; a driver's account is made where there is none. Raises :class:`Invalid`."""
    text = request.POST.get("account", "")
    if not text:
        raise Invalid(_("Choose who pays."), field="account")
    if not text.startswith(DRIVER):
        account: BillingAccount = load(_alive(request), id_of(text))
        return account
    request.actor.require_everywhere(Permission.DRIVERS_VIEW)
    rows = Driver.objects.visible_to(request.actor).live().select_related("organization")
    driver: Driver = load(rows, id_of(text.removeprefix(DRIVER)))
    return accounts.of_driver(driver)


def _alive(request: OperatorRequest) -> QuerySet[BillingAccount]:
    """Without those of drivers who are no more."""
    return BillingAccount.objects.visible_to(request.actor).exclude(driver__retired_at__isnull=False)
