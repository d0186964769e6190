"""``/drivers/{id}/merge/``: two rows for one person become one."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.services import merging
from core.access import Permission
from core.errors import Conflict
from drivers.models import Driver
from portal.api.fields import OwnRow
from portal.api.resource import Resource, StrictSerializer, found


class MergeBody(StrictSerializer):
    duplicate = OwnRow(Driver.objects.live(), help_text="The driver that ends")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Look only, write nothing")


class MergeView(serializers.Serializer):
    driver = serializers.UUIDField(help_text="The one that is kept")
    duplicate = serializers.UUIDField()
    dry_run = serializers.BooleanField()
    tokens = serializers.IntegerField(help_text="That move to the kept driver")
    sessions = serializers.IntegerField()
    budgets = serializers.IntegerField(
        help_text="Those of which the kept driver has none of the kind and period"
    )
    account = serializers.BooleanField(help_text="Whether the payer's account moves with its invoices")
    tariffs = serializers.IntegerField(
        help_text="Contract tariffs, where the kept driver has none for the same sessions and connectors"
    )
    sites = serializers.IntegerField(help_text="Where the kept driver may charge then, too")
    limit_ends = serializers.BooleanField(
        help_text="Whether the duplicate's limit to sites ends, since the kept driver has none"
    )
    obstacles = serializers.ListField(
        child=serializers.CharField(), help_text="What has to be settled first; told by a dry run"
    )


class DriverMerge(Resource):
    """A duplicate becomes the driver that is kept."""

    scopes = {"write": "drivers:write"}
    serializer_class = MergeView

    @extend_schema(operation_id="merge_driver", request=MergeBody, responses={200: MergeView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Give all that the duplicate has to this driver, and end the duplicate. Cannot be undone.

        Refused with 409 while a session or reservation of the duplicate runs or waits to be billed, where both have
        an account to sign in or a contract tariff for the same, where both have a payer's account and there are
        documents or money with the duplicate's or only one of them is staff, and while a legal hold stands on it.
        """
        return self.once(lambda: self._merge(pk))

    def _merge(self, pk: UUID) -> Response:
        self.actor.require_everywhere(Permission.DRIVERS_MANAGE)
        kept: Driver = found(Driver.objects.live().visible_to(self.actor), pk)
        values = self.body(MergeBody)
        duplicate: Driver = values["duplicate"]
        if duplicate.pk == kept.pk:
            raise Conflict("Choose another driver as the duplicate.", field="duplicate")
        done = self._done(kept, duplicate, dry_run=values["dry_run"])
        return Response(self.represent(_shown(kept, duplicate, done, values["dry_run"])))

    def _done(self, kept: Driver, duplicate: Driver, *, dry_run: bool) -> merging.Merging:
        return merging.look(kept, duplicate) if dry_run else merging.merge(kept, duplicate, by=self.actor)


def _shown(kept: Driver, duplicate: Driver, done: merging.Merging, dry_run: bool) -> dict[str, Any]:
    return {
        "driver": kept.pk,
        "duplicate": duplicate.pk,
        "dry_run": dry_run,
        "tokens": done.tokens,
        "sessions": done.sessions,
        "budgets": done.budgets,
        "account": done.account,
        "tariffs": done.tariffs,
        "sites": done.sites,
        "limit_ends": done.limit_ends,
        "obstacles": done.obstacles,
    }
