"""``/organization/seller/``: what invoices say of who issues them (billing B-57)."""

from typing import Any
from uuid import UUID

from django.db.transaction import atomic
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import Seller
from billing.services import free_sites, parties
from core.models import Organization
from portal.api.resource import Resource, StrictSerializer, require_match, with_etag


class SellerChange(StrictSerializer):
    name = serializers.CharField(max_length=200, required=False)
    street = serializers.CharField(max_length=200, required=False, allow_blank=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_blank=True)
    city = serializers.CharField(max_length=100, required=False, allow_blank=True)
    country = serializers.CharField(max_length=3, required=False, help_text="ISO 3166-1")
    vat_id = serializers.CharField(max_length=30, required=False, allow_blank=True)
    tax_number = serializers.CharField(max_length=30, required=False, allow_blank=True)
    vat_exempt = serializers.BooleanField(required=False, help_text="A small business that charges no VAT")
    email = serializers.EmailField(required=False, allow_blank=True)
    contact = serializers.CharField(max_length=100, required=False, allow_blank=True)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    languages = serializers.ListField(
        child=serializers.CharField(max_length=2), required=False, max_length=2,
        help_text="Of documents; the first where the buyer names none",
    )  # fmt: skip
    free_sites = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=1000,
        help_text="Sites whose sessions are not billed (B-13)",
    )  # fmt: skip


class SellerView(serializers.Serializer):
    name = serializers.CharField()
    street = serializers.CharField()
    postal_code = serializers.CharField()
    city = serializers.CharField()
    country = serializers.CharField()
    vat_id = serializers.CharField()
    tax_number = serializers.CharField()
    vat_exempt = serializers.BooleanField()
    email = serializers.CharField()
    contact = serializers.CharField()
    phone = serializers.CharField()
    languages = serializers.ListField(child=serializers.CharField())
    free_sites = serializers.SerializerMethodField()
    complete = serializers.BooleanField(source="is_complete", help_text="Whether invoices can be issued")

    def get_free_sites(self, row: Seller) -> list[UUID]:
        return free_sites.chosen(row.organization)


class SellerDetail(Resource):
    """What documents say of the organization."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = SellerView

    @extend_schema(operation_id="get_seller")
    def get(self, request: Request) -> Response:
        """Read what invoices say of the organization."""
        return with_etag(request, self.represent(self._row()), SellerChange)

    @extend_schema(
        operation_id="change_seller",
        request=SellerChange,
        examples=[OpenApiExample("A new address", {"street": "Kai 2", "city": "Hamburg"}, request_only=True)],
    )
    def patch(self, request: Request) -> Response:
        """Change some of it. Issued documents stay as they are."""
        values = self.body(SellerChange, partial=True)
        with atomic():
            organization = Organization.objects.select_for_update().get(pk=self.actor.organization_id)
            require_match(request, self.represent(self._row()), SellerChange)
            if "free_sites" in values:
                free_sites.choose(organization, values.pop("free_sites"), by=self.actor)
            row = parties.save_seller(organization, values, by=self.actor)
        return with_etag(request, self.represent(row), SellerChange)

    def _row(self) -> Seller:
        key: Any = self.actor.organization_id
        known = Seller.objects.filter(pk=key).first()
        return known or Seller(organization_id=key, languages=["en", "de"])
