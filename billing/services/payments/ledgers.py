"""What went into a wallet and out of it: the postings that prove its balance (billing B-48)."""

from django.db.models import F, QuerySet

from billing.models import LedgerAccount, LedgerEntry, Wallet


def entries_of(wallet: Wallet) -> QuerySet[LedgerEntry]:
    """Each with its ``change`` of the wallet, positive inwards, and the ``payment`` that made it, newest first."""
    rows = LedgerEntry.objects.filter(
        account=LedgerAccount.WALLET, payer=wallet.account_id, journal__currency=wallet.currency
    )
    told = rows.annotate(change=-F("amount"), payment=F("journal__payment_posting__payment_id"))
    return told.select_related("journal").order_by("-id")
