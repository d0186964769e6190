"""Prepaid money of a payer: a ledger account, cached with proof, never below what is allowed (B-48 to B-51)."""

from decimal import Decimal
from uuid import UUID

from django.db import models

from billing.models.accounts import BillingAccount
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.models import Transaction


class WalletQuerySet(ScopedQuerySet["Wallet"]):
    organization_path = "account__organization_id"


class Wallet(models.Model):
    """``balance`` is what the ledger says (a deferred trigger holds it to that), ``reserved`` what running
    sessions may cost. Whoever changes either holds this row's lock."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="wallets")
    currency = models.CharField(max_length=3)
    balance = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    reserved = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    credit_limit = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WalletQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "currency"], name="wallet_once_per_currency"),
            models.CheckConstraint(
                condition=models.Q(reserved__gte=0, credit_limit__gte=0), name="wallet_amounts_positive"
            ),
            models.CheckConstraint(
                condition=models.Q(balance__gte=models.F("reserved") - models.F("credit_limit")),
                name="wallet_not_below_its_limit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} · {self.balance:.2f} {self.currency}"

    @property
    def organization_id(self) -> UUID:
        return self.account.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def available(self) -> Decimal:
        """What can still be spent or reserved."""
        return self.balance + self.credit_limit - self.reserved


class WalletReservation(models.Model):
    """What a session may take of the wallet, until its price is final (B-50)."""

    transaction = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, primary_key=True, related_name="wallet_reservation"
    )
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="reservations")
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    stop_asked_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="reservation_amount_positive")
        ]
        indexes = [
            models.Index(
                fields=["wallet"], condition=models.Q(released_at=None), name="wallet_reservation_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.wallet} · {self.amount:.2f}"
