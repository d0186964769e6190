"""``/organization/dunning/``: whether and how overdue invoices are asked for (billing B-47)."""

from decimal import Decimal
from typing import Any

from django.db.transaction import atomic
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import DunningKind
from billing.services.dunning import policies
from billing.services.dunning.policies import Step, Terms
from core.models import Organization
from core.money import minor_units
from portal.api.amounts import Sum
from portal.api.resource import Resource, StrictSerializer, require_match, with_etag

WORDS = serializers.CharField(max_length=policies.LONGEST_TEXT, allow_blank=True)


class DunningStepBody(StrictSerializer):
    step = serializers.ChoiceField(DunningKind.choices)
    days = serializers.IntegerField(
        min_value=1, max_value=policies.LATEST_DAYS, help_text="After the due date"
    )
    fee = Sum(required=False, default=Decimal(0))
    texts = serializers.DictField(
        child=WORDS, required=False, default=dict, help_text="Own words by language (`en`, `de`)"
    )


class DunningTermsBody(StrictSerializer):
    country = serializers.CharField(
        max_length=3,
        required=False,
        allow_blank=True,
        default="",
        help_text="Of the payer; empty: all others",
    )
    currency = serializers.CharField(
        min_length=3, max_length=3, help_text="Of the fees; invoices in another bear none"
    )
    steps = DunningStepBody(many=True, min_length=1, max_length=3)


class DunningChange(StrictSerializer):
    enabled = serializers.BooleanField(required=False)
    starts_on = serializers.DateField(
        required=False, help_text="Invoices that were due before are left alone"
    )
    terms = DunningTermsBody(
        many=True,
        required=False,
        max_length=250,
        help_text="All of them: countries left out have none of their own",
    )


class DunningStepTerms(serializers.Serializer):
    step = serializers.ChoiceField(DunningKind.choices)
    days = serializers.IntegerField()
    fee = serializers.CharField()
    texts = serializers.DictField(child=serializers.CharField())


class DunningTermsView(serializers.Serializer):
    country = serializers.CharField()
    currency = serializers.CharField()
    steps = DunningStepTerms(many=True)


class DunningView(serializers.Serializer):
    enabled = serializers.BooleanField()
    starts_on = serializers.DateField(allow_null=True)
    terms = DunningTermsView(many=True)


class DunningSettings(Resource):
    """How the organization asks for what is overdue."""

    scopes = {"read": "organization:read", "write": "organization:write"}
    serializer_class = DunningView

    @extend_schema(operation_id="get_dunning")
    def get(self, request: Request) -> Response:
        """Read whether reminders are sent, and the steps for each country."""
        return with_etag(request, self._shown(self._organization()), DunningChange)

    @extend_schema(
        operation_id="change_dunning", request=DunningChange,
        examples=[OpenApiExample("Switched on", {"enabled": True}, request_only=True)],
    )  # fmt: skip
    def patch(self, request: Request) -> Response:
        """Change some of it. Steps that were taken stay as they are."""
        values = self.body(DunningChange, partial=True)
        with atomic():
            organization = self._organization(locked=True)
            require_match(request, self._shown(organization), DunningChange)
            if "terms" in values:
                self._replace(organization, [_terms(one) for one in values["terms"]])
            if "enabled" in values or "starts_on" in values:
                row = policies.policy_of(organization)
                wanted = {"enabled": row.enabled, "starts_on": row.starts_on, **_switch(values)}
                policies.switch(organization, **wanted, by=self.actor)
        return with_etag(request, self._shown(organization), DunningChange)

    def _replace(self, organization: Organization, wanted: list[Terms]) -> None:
        kept = {policies.checked(one).country for one in wanted}
        for one in policies.all_terms(organization):
            if one.country not in kept:
                policies.drop_terms(organization, one.country, by=self.actor)
        for one in wanted:
            policies.save_terms(organization, one, by=self.actor)

    def _organization(self, *, locked: bool = False) -> Organization:
        rows = Organization.objects.select_for_update(no_key=True) if locked else Organization.objects
        return rows.get(pk=self.actor.home)

    def _shown(self, organization: Organization) -> Any:
        row = policies.policy_of(organization)
        terms = [_told(one) for one in policies.all_terms(organization)]
        return self.represent({"enabled": row.enabled, "starts_on": row.starts_on, "terms": terms})


def _switch(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in ("enabled", "starts_on") if name in values}


def _terms(body: dict[str, Any]) -> Terms:
    steps = (
        Step(DunningKind(one["step"]), one["days"], one.get("fee", Decimal(0)), _said(one.get("texts", {})))
        for one in body["steps"]
    )
    return Terms(body.get("country", "").upper(), body["currency"].upper(), tuple(steps))


def _said(texts: dict[str, str]) -> dict[str, str]:
    return {language: text for language, text in texts.items() if text}


def _told(terms: Terms) -> dict[str, Any]:
    digits = minor_units(terms.currency)
    steps = [
        {"step": one.kind, "days": one.days, "fee": f"{one.fee:.{digits}f}", "texts": dict(one.texts)}
        for one in terms.steps
    ]
    return {"country": terms.country, "currency": terms.currency, "steps": steps}
