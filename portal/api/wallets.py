"""``/wallets/``: prepaid money, and the postings that prove it (billing B-48 to B-51)."""

from typing import Any
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, LedgerEntry, Wallet
from billing.services.payments import wallets
from billing.services.payments.ledgers import entries_of
from portal.api.amounts import Amount
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag


class NewWalletBody(StrictSerializer):
    account = OwnRow(BillingAccount.objects)


class WalletChange(StrictSerializer):
    credit_limit = serializers.DecimalField(
        19, 4, min_value=0, help_text="How far below nothing the wallet may go"
    )


class WalletView(serializers.Serializer):
    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    currency = serializers.CharField()
    balance = Amount()
    reserved = Amount(help_text="What running sessions may cost")
    credit_limit = Amount()
    available = Amount(help_text="What can still be spent")


class EntryOfWalletView(serializers.Serializer):
    id = serializers.IntegerField()
    amount = Amount(source="change", help_text="Positive: into the wallet")
    currency = serializers.CharField(source="journal.currency")
    posted_at = serializers.DateTimeField(source="journal.posted_at")
    payment = serializers.UUIDField(allow_null=True)


class WalletFilter(filters.FilterSet):
    account = filters.UUIDFilter(field_name="account_id")

    class Meta:
        model = Wallet
        fields = ["currency"]


class WalletList(ListResource):
    """Prepaid money of payers."""

    scopes = {"read": "wallets:read", "write": "wallets:write"}
    serializer_class = WalletView
    filter_class = filterset_class = WalletFilter

    def rows(self) -> QuerySet[Wallet]:
        return Wallet.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_wallets", responses=WalletView(many=True))
    def get(self, request: Request) -> Any:
        """List the wallets, newest first."""
        return self.listing()

    @extend_schema(operation_id="open_wallet", request=NewWalletBody, responses={201: WalletView})
    def post(self, request: Request) -> Response:
        """Open the wallet of an account; one that is open already stays as it is."""
        return self.once(self._open)

    def _open(self) -> Response:
        wallet = wallets.open_(self.body(NewWalletBody)["account"], by=self.actor)
        place = {"Location": f"/api/v1/wallets/{wallet.pk}/"}
        return Response(self.represent(wallet), status=201, headers=place)


class WalletDetail(Resource):
    """One wallet."""

    scopes = {"read": "wallets:read", "write": "wallets:write"}
    serializer_class = WalletView

    @extend_schema(operation_id="get_wallet")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a wallet."""
        return with_etag(request, self.represent(self._wallet(pk)), WalletChange)

    @extend_schema(operation_id="change_wallet", request=WalletChange)
    def patch(self, request: Request, pk: UUID) -> Response:
        """Set how far below nothing the wallet may go."""
        wallet, values = self._wallet(pk), self.body(WalletChange)
        changed = wallets.allow(wallet, values["credit_limit"], by=self.actor)
        return with_etag(request, self.represent(changed), WalletChange)

    def _wallet(self, pk: UUID) -> Wallet:
        wallet: Wallet = found(Wallet.objects.visible_to(self.actor), pk)
        return wallet


class WalletEntries(ListResource):
    """The postings of one wallet."""

    scopes = {"read": "wallets:read"}
    serializer_class = EntryOfWalletView

    def rows(self) -> QuerySet[LedgerEntry]:
        wallet: Wallet = found(Wallet.objects.visible_to(self.actor), self.kwargs["pk"])
        return entries_of(wallet)

    @extend_schema(operation_id="list_wallet_entries", responses=EntryOfWalletView(many=True))
    def get(self, request: Request, pk: UUID) -> Any:
        """List what went into the wallet and out of it, newest first; the sum is its balance."""
        return self.listing()
