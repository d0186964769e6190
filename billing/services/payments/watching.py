"""What wallets do by themselves: pay invoices that were issued, and be compared with their entries."""

import logging

from billing.models import Invoice
from billing.services.payments import allocating, under_way, wallets

logger = logging.getLogger(__name__)

AT_ONCE = 500


def pay_from_wallets() -> int:
    """Pay issued invoices of payers with money in their wallet; how many were paid at least in part."""
    owed = Invoice.objects.filter(state__in=allocating.ASKED_FOR, document_type="380")
    payable = under_way.without(owed.filter(account__wallets__balance__gt=0))
    rows = payable.order_by("id").distinct()[:AT_ONCE]
    return sum(1 for invoice in rows if wallets.pay(invoice) is not None)


def prove() -> int:
    """How many wallets differ from the ledger; each is logged as an error with both figures."""
    found = wallets.differences()
    for wallet, proven in found:
        logger.error(
            "wallet.differs",
            extra={"wallet": str(wallet.pk), "balance": f"{wallet.balance:f}", "proven": f"{proven:f}"},
        )
    return len(found)
