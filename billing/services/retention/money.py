"""Money in wallets and the terms of what moved it: balances are sums of entries, and these go too (billing B-65).

What is deleted leaves one journal behind that carries its sum forward, made by the function that deletes. A top-up
stays while its money may still be there: spent is what came first.
"""

from datetime import date
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum

from billing.models import Method, Payment, PaymentState, Purpose, Wallet

_NOTHING = Decimal(0)


def is_in_wallets(payments: QuerySet[Payment], before: date) -> bool:
    """Whether one of these was paid by a wallet that owes, or filled one that still has it."""
    moved = payments.filter(Q(method=Method.WALLET) | Q(purpose=Purpose.TOP_UP)).order_by()
    whose = set(moved.values_list("account", "currency", "purpose"))
    return any(
        _has(Wallet.objects.filter(account=one, currency=two), three, before) for one, two, three in whose
    )


def _has(wallets: QuerySet[Wallet], purpose: str, before: date) -> bool:
    wallet = wallets.first()
    if wallet is None:
        return False
    return wallet.balance < 0 or (
        purpose == Purpose.TOP_UP and wallet.balance > _filled_since(wallet, before)
    )


def _filled_since(wallet: Wallet, before: date) -> Decimal:
    """What younger top-ups brought in and nobody got back."""
    rows = Payment.objects.filter(
        account=wallet.account_id, currency=wallet.currency, purpose=Purpose.TOP_UP,
        state=PaymentState.RECEIVED, created_at__date__gte=before,
    )  # fmt: skip
    return rows.aggregate(sum=Sum(F("captured") - F("refunded")))["sum"] or _NOTHING
