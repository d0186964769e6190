"""``/billing-runs/``: the month end (billing B-30 to B-34)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import django_filters as filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import BillingAccount, BillingRun, ItemState, RunKind, RunState
from billing.services import running
from core.access import Actor, Permission
from core.models import Organization
from portal.api.amounts import Amount
from portal.api.fields import OwnRow
from portal.api.resource import ListResource, Resource, StrictSerializer, found, with_etag
from portal.api.searching import Search

FAILED_SHOWN = 500
MOST_ACCOUNTS = 1000


class RunBody(StrictSerializer):
    period = serializers.CharField(max_length=7, help_text="A month, such as 2026-11")
    accounts = serializers.ListField(
        child=OwnRow(BillingAccount.objects),
        required=False,
        allow_empty=False,
        max_length=MOST_ACCOUNTS,
        help_text="Only these payers; without it all",
    )
    kind = serializers.ChoiceField(
        RunKind.choices,
        required=False,
        default=RunKind.INVOICES.value,
        help_text="`statements`: what drivers and hosts are paid; those are issued at once",
    )
    issue = serializers.BooleanField(required=False, default=False, help_text="Issue the drafts at once")
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Figures only, nothing is written; the answer is 200"
    )


class RunView(serializers.Serializer):
    id = serializers.UUIDField()
    period = serializers.CharField()
    kind = serializers.ChoiceField(RunKind.choices)
    issue = serializers.BooleanField()
    status = serializers.ChoiceField(RunState.choices, source="state")
    started_by = serializers.CharField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class SumView(serializers.Serializer):
    currency = serializers.CharField()
    documents = serializers.IntegerField()
    total_excl_vat = Amount(source="net")
    vat = Amount()
    total = Amount(source="due")


class RateView(serializers.Serializer):
    currency = serializers.CharField()
    category = serializers.CharField(help_text="Of VAT, by UNTDID 5305: `S`, `AE`, `Z` ...")
    vat_rate = serializers.DecimalField(max_digits=5, decimal_places=2, source="rate", help_text="Percent")
    total_excl_vat = Amount(source="net")
    vat = Amount()


class FailedView(serializers.Serializer):
    account = serializers.UUIDField(source="account_id")
    error = serializers.CharField()


class ProgressView(serializers.Serializer):
    open = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()


class RunDetailView(RunView):
    accounts = ProgressView()
    documents = SumView(many=True, help_text="Of the month, by currency")
    rates = RateView(many=True, help_text="Of the same documents, by currency, category and rate of VAT")
    failed = FailedView(many=True)


class PreviewedView(serializers.Serializer):
    account = serializers.UUIDField()
    invoice = serializers.UUIDField(allow_null=True, help_text="Of a draft; `null`: would be drafted")
    currency = serializers.CharField()
    total_excl_vat = Amount(source="net")
    vat = Amount()
    total = Amount(source="due")


class RunPreviewView(serializers.Serializer):
    period = serializers.CharField()
    documents = PreviewedView(many=True)
    failed = FailedView(
        many=True, help_text="Accounts that would fail, or that a record would be left out of"
    )


class RunFilter(filters.FilterSet):
    status = filters.ChoiceFilter(field_name="state", choices=RunState.choices)
    search = Search("started_by")

    class Meta:
        model = BillingRun
        fields = ["period", "kind"]


class BillingRunList(ListResource):
    """Runs of the month end."""

    scopes = {"read": "billing-runs:read", "write": "billing-runs:write"}
    serializer_class = RunView
    filter_class = filterset_class = RunFilter

    def rows(self) -> QuerySet[BillingRun]:
        return BillingRun.objects.visible_to(self.actor)

    @extend_schema(operation_id="list_billing_runs", responses=RunView(many=True))
    def get(self, request: Request) -> Any:
        """List the runs, newest first."""
        return self.listing()

    @extend_schema(
        operation_id="start_billing_run",
        request=RunBody,
        responses={201: RunView, 200: RunPreviewView},
    )
    def post(self, request: Request) -> Response:
        """Make the drafts of a month, and issue them where asked. Workers serve the run; read it to follow."""
        return self.once(self._start)

    def _start(self) -> Response:
        values = self.body(RunBody)
        organization = _organization(self)
        asked = _Asked(values["period"], RunKind(values["kind"]), values.get("accounts"))
        if values["dry_run"]:
            return Response(_preview(self, organization, asked))
        return _started(self, organization, asked, issue=values["issue"])


class OneRun(Resource):
    serializer_class: ClassVar[type[serializers.BaseSerializer]] = RunDetailView

    def run(self, pk: UUID) -> BillingRun:
        one: BillingRun = found(BillingRun.objects.visible_to(self.actor), pk)
        return one


class BillingRunDetail(OneRun):
    """One run: how far it is, what it made, what failed."""

    scopes = {"read": "billing-runs:read"}

    @extend_schema(operation_id="get_billing_run")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read a run."""
        return with_etag(request, self.represent(_shown(self.run(pk), self.actor)))


class BillingRunPreview(OneRun):
    """What issuing the month would give."""

    scopes = {"read": "billing-runs:read"}
    serializer_class = RunPreviewView

    @extend_schema(operation_id="preview_billing_run")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read the drafts of the run's month and what would be drafted besides. Nothing is written."""
        return Response(_preview(self, _organization(self), _asked(self.run(pk))))


class BillingRunIssue(OneRun):
    """The drafts of the month become final."""

    scopes = {"write": "billing-runs:write"}

    @extend_schema(operation_id="issue_billing_run", request=None, responses={201: RunView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Start the run that issues the drafts of this run's month and payers; the answer is that run.

        409 while one is open.
        """
        return self.once(lambda: self._issue(pk))

    def _issue(self, pk: UUID) -> Response:
        return _started(self, _organization(self), _asked(self.run(pk)), issue=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a run is over; ``accounts`` are the payers that it is limited to, ``None`` where it is over all."""

    period: str
    kind: RunKind
    accounts: Sequence[BillingAccount] | None


def _asked(run: BillingRun) -> _Asked:
    rows = BillingAccount.objects.filter(organization=run.organization_id, pk__in=run.only)
    return _Asked(run.period, RunKind(run.kind), list(rows) if run.only else None)


def _organization(view: Resource) -> Organization:
    view.actor.require_everywhere(Permission.INVOICES_MANAGE)
    return Organization.objects.get(pk=view.actor.home)


def _started(view: Resource, organization: Organization, asked: _Asked, *, issue: bool) -> Response:
    run = running.start(
        organization, asked.period, issue=issue, by=view.actor, accounts=asked.accounts, kind=asked.kind
    )
    return Response(RunView(run).data, status=201, headers={"Location": f"/api/v1/billing-runs/{run.pk}/"})


def _shown(run: BillingRun, actor: Actor) -> dict[str, Any]:
    failed = run.items.filter(state=ItemState.FAILED).order_by("id")
    return {
        **{name: getattr(run, name) for name in _OF_RUN},
        "accounts": running.progress(run, by=actor),
        "documents": list(running.amounts(run)),
        "rates": running.rates(run),
        "failed": list(failed[:FAILED_SHOWN]),
    }


def _preview(view: Resource, organization: Organization, asked: _Asked) -> Any:
    """What the run would issue; of what is drafted already the id."""
    seen = running.preview(organization, asked.period, by=view.actor, only=asked.accounts, kind=asked.kind)
    documents = [
        {
            "account": one.account.pk, "invoice": one.invoice, "currency": one.currency,
            "net": one.net, "vat": one.vat, "due": one.due,
        }
        for one in seen
        if not one.why
    ]  # fmt: skip
    failed = [{"account_id": one.account.pk, "error": one.why} for one in seen if one.why]
    return RunPreviewView({"period": asked.period, "documents": documents, "failed": failed}).data


_OF_RUN = ("id", "period", "kind", "issue", "state", "started_by", "started_at", "finished_at")
