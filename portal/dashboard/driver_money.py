"""What a driver's page says of money: balance, ways to pay, invoices, and what the driver agreed to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from billing.models import BillingAccount, BillingException, Mandate, MandateState, SavedMethod, Wallet
from core.access import Actor, Permission
from drivers.models import Driver, DriverInvitation
from portal.dashboard import company_drivers

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Agreed:
    """One thing that the driver agreed to, when, and the session that it was about."""

    what: str
    at: datetime
    session: UUID | None = None


def context(actor: Actor, driver: Driver) -> dict[str, Any]:
    """What the cards say; of money nothing is looked up for who may not see invoices."""
    if not actor.can_everywhere(Permission.INVOICES_MANAGE):
        return {"agreed": _accepted(driver)}
    account = _accounts(actor).filter(driver=driver).first()
    return {
        "sees_money": True,
        "account": account,
        "company": company_drivers.of_driver(driver),
        "invoices": list(account.invoices.order_by("-id")[:SHOWN]) if account else [],
        "agreed": [*_accepted(driver), *_to_pay_more(actor, driver)],
    }


def _accounts(actor: Actor) -> QuerySet[BillingAccount]:
    """With the wallet, the mandate and the card that count now, read together."""
    of_account = {"account": OuterRef("pk")}
    wallet = Wallet.objects.filter(**of_account, currency=OuterRef("organization__currency"))
    mandate = Mandate.objects.filter(**of_account, state=MandateState.ACTIVE)
    card = SavedMethod.objects.live().filter(**of_account).order_by("-id")
    columns = {
        "balance": wallet.values("balance"),
        "reserved": wallet.values("reserved"),
        "currency": wallet.values("currency"),
        "mandate_reference": mandate.values("reference"),
        "mandate_iban_end": mandate.values("iban_end"),
        "mandate_signed_on": mandate.values("signed_on"),
        "card": card.values("label"),
    }
    found = {name: Subquery(rows[:1]) for name, rows in columns.items()}
    return BillingAccount.objects.visible_to(actor).annotate(**found)


def _accepted(driver: Driver) -> list[Agreed]:
    if driver.user_id is None:
        return []
    rows = DriverInvitation.objects.filter(driver=driver).exclude(accepted_at=None).order_by("-id")
    moments = rows.values_list("accepted_at", flat=True)[:1]
    return [Agreed(_("Accepted the invitation to an account"), at) for at in moments if at]


def _to_pay_more(actor: Actor, driver: Driver) -> list[Agreed]:
    """Where late data made a session dearer (billing B-08); the words are those of who asked the driver."""
    rows = BillingException.objects.visible_to(actor).filter(transaction__driver=driver).exclude(consent="")
    some = rows.order_by("-id").values_list("consent", "decided_at", "transaction_id")[:SHOWN]
    return [Agreed(_("Agreed to pay more: %s") % words, at, session) for words, at, session in some if at]
