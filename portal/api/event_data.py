"""What events tell, type by type: the ``data`` of the stream, of pages and of webhooks.

The rows are written by triggers and services; a test holds what really happens against these. Fields may be added.
"""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from portal.api.charging_views import Profile
from portal.api.command_bodies.smart_charging import KINDS, PURPOSES
from portal.api.costs import CostView
from portal.api.fields import JsonObject, Wh
from stations.domain.reservations import ReservationStatus
from stations.domain.words import CommandStatus, Effect, Registration
from stations.models import ScheduledCommand


class SiteData(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    address = serializers.CharField()
    city = serializers.CharField()
    postal_code = serializers.CharField()
    country = serializers.CharField()
    latitude = serializers.DecimalField(max_digits=9, decimal_places=6, allow_null=True)
    longitude = serializers.DecimalField(max_digits=9, decimal_places=6, allow_null=True)
    time_zone = serializers.CharField()
    public = serializers.BooleanField()
    free_cancellation = serializers.BooleanField()
    retired_at = serializers.DateTimeField(allow_null=True)


class StationData(serializers.Serializer):
    station = serializers.UUIDField()
    identity = serializers.CharField()
    name = serializers.CharField()
    site = serializers.UUIDField()
    registration = serializers.ChoiceField([word.value for word in Registration])
    vendor = serializers.CharField()
    model = serializers.CharField()
    serial_number = serializers.CharField()
    firmware_version = serializers.CharField()


class StationBootData(StationData):
    reason = serializers.CharField(help_text="The station's own word; empty on OCPP 1.6")
    booted_at = serializers.DateTimeField()


class StationConnectionData(serializers.Serializer):
    station = serializers.UUIDField()
    identity = serializers.CharField()
    ocpp_version = serializers.CharField()
    connected_since = serializers.DateTimeField(allow_null=True)
    disconnected_at = serializers.DateTimeField(allow_null=True)


class ConnectorStatusData(serializers.Serializer):
    station = serializers.UUIDField()
    identity = serializers.CharField()
    evse_id = serializers.IntegerField()
    connector_id = serializers.IntegerField()
    status = serializers.CharField(help_text="The station's own word")
    previous_status = serializers.CharField()
    error_code = serializers.CharField()
    status_at = serializers.DateTimeField(allow_null=True)


class TransactionData(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField()
    identity = serializers.CharField()
    ocpp_transaction_id = serializers.CharField()
    evse_id = serializers.IntegerField(allow_null=True)
    connector_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(["active", "ended", "orphaned"])
    charging_state = serializers.CharField()
    authorization = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    meter_start_wh = Wh(allow_null=True)
    energy_wh = Wh(allow_null=True)
    stopped_reason = serializers.CharField()
    flags = serializers.ListField(child=serializers.CharField())


class TransactionCostData(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField()
    identity = serializers.CharField()
    ocpp_transaction_id = serializers.CharField()
    status = serializers.ChoiceField(["active", "ended", "orphaned"])
    cause = serializers.CharField(allow_null=True, help_text="Why it cannot be priced")
    cost = CostView(allow_null=True)


class CommandErrorData(serializers.Serializer):
    code = serializers.CharField()
    description = serializers.CharField(required=False)
    details = JsonObject(required=False, help_text="As the station sent them")


class CommandData(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField()
    command = serializers.CharField()
    status = serializers.ChoiceField([word.value for word in CommandStatus])
    transaction = serializers.UUIDField(allow_null=True)
    error = CommandErrorData(allow_null=True)
    response = JsonObject(
        allow_null=True, help_text="OCPP's answer, verbatim; one beyond 8 KiB is read from the command"
    )
    effect = serializers.ChoiceField([word.value for word in Effect], allow_null=True)
    issued_by = serializers.CharField()
    issued_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)


class PlanData(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField()
    command = serializers.CharField()
    status = serializers.ChoiceField(ScheduledCommand.Status.values)
    repeat = serializers.CharField()
    next_at = serializers.DateTimeField(allow_null=True)
    issued_by = serializers.CharField()


class PlanFailureData(PlanData):
    due_at = serializers.DateTimeField()
    detail = serializers.CharField()


class AlertData(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField(allow_null=True, help_text="Null: it is of the organization")
    kind = serializers.CharField()
    subject = serializers.CharField()
    severity = serializers.CharField()
    detail = serializers.CharField()
    raised_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField()
    cleared_at = serializers.DateTimeField(allow_null=True)


class ReservationData(serializers.Serializer):
    """Without the token, and without who asked."""

    id = serializers.UUIDField()
    station = serializers.UUIDField()
    identity = serializers.CharField()
    ocpp_reservation_id = serializers.IntegerField()
    evse_id = serializers.IntegerField(allow_null=True)
    connector_type = serializers.CharField()
    status = serializers.ChoiceField([word.value for word in ReservationStatus])
    detail = serializers.CharField(help_text="What the station answered or reported")
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    transaction = serializers.UUIDField(allow_null=True)


class ChargingProfileData(serializers.Serializer):
    id = serializers.UUIDField()
    station = serializers.UUIDField()
    identity = serializers.CharField()
    evse_id = serializers.IntegerField(help_text="0 is the whole station")
    profile_id = serializers.IntegerField(help_text="OCPP's chargingProfileId")
    purpose = serializers.ChoiceField(PURPOSES)
    kind = serializers.ChoiceField(KINDS)
    stack_level = serializers.IntegerField()
    source = serializers.CharField(help_text="Who put it there: CSO is this portal")
    transaction = serializers.UUIDField(allow_null=True)
    installed_at = serializers.DateTimeField()
    charging_profile = Profile(
        allow_null=True, help_text="One beyond 8 KiB is read from the profile's own resource"
    )


class RolloutData(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    image = serializers.UUIDField()
    status = serializers.CharField()
    paused_by = serializers.CharField(allow_null=True)
    detail = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Stations by their status")


class TokenData(serializers.Serializer):
    """Without the token's value."""

    id = serializers.UUIDField()
    type = serializers.CharField()
    status = serializers.CharField()
    blocked_until = serializers.DateTimeField(
        allow_null=True, help_text="When a block is over by itself; no event comes then"
    )
    driver = serializers.UUIDField(allow_null=True)
    group = serializers.UUIDField(allow_null=True)
    valid_from = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)


class GroupData(serializers.Serializer):
    """Without the group's token."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    master_pass = serializers.BooleanField()
    sessions_at_once = serializers.IntegerField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)


class DriverData(serializers.Serializer):
    """Without personal data."""

    id = serializers.UUIDField()
    status = serializers.CharField()
    group = serializers.UUIDField(allow_null=True)
    blocked_until = serializers.DateTimeField(
        allow_null=True, help_text="When a block is over by itself; no event comes then"
    )
    retired_at = serializers.DateTimeField(allow_null=True)


class TariffData(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    retired_at = serializers.DateTimeField(allow_null=True)


class TariffVersionData(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    currency = serializers.CharField()
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_to = serializers.DateTimeField(allow_null=True)


class CdrData(serializers.Serializer):
    id = serializers.UUIDField()
    transaction = serializers.UUIDField(allow_null=True)
    reservation = serializers.UUIDField(required=False, help_text="Where no session used it")
    total = serializers.CharField()
    currency = serializers.CharField()
    credit = serializers.BooleanField()


class InvoiceData(serializers.Serializer):
    id = serializers.UUIDField()
    number = serializers.CharField()
    total = serializers.CharField()
    currency = serializers.CharField()


class UncollectibleData(InvoiceData):
    open = serializers.CharField(help_text="What was written off, and is still owed")


class PaymentData(serializers.Serializer):
    id = serializers.UUIDField()
    amount = serializers.CharField()
    currency = serializers.CharField()
    method = serializers.CharField()


class BillingAlertData(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    detail = serializers.CharField()


class WebhookDisabledData(serializers.Serializer):
    webhook = serializers.UUIDField()
    name = serializers.CharField()
    failure = serializers.CharField()


class WebhookTestData(serializers.Serializer):
    webhook = serializers.UUIDField()
    by = serializers.CharField()


DATA_OF: Mapping[str, type[serializers.Serializer]] = {
    "alert.acknowledged": AlertData,
    "alert.cleared": AlertData,
    "alert.raised": AlertData,
    "billing.alert": BillingAlertData,
    "cdr.created": CdrData,
    "charging_profile.changed": ChargingProfileData,
    "charging_profile.cleared": ChargingProfileData,
    "charging_profile.installed": ChargingProfileData,
    "command.effect": CommandData,
    "command.missed": PlanFailureData,
    "command.refused": PlanFailureData,
    "command.scheduled": PlanData,
    "command.settled": CommandData,
    "command.unscheduled": PlanData,
    "driver.changed": DriverData,
    "driver.created": DriverData,
    "driver.retired": DriverData,
    "group.changed": GroupData,
    "group.created": GroupData,
    "group.retired": GroupData,
    "invoice.issued": InvoiceData,
    "invoice.paid": InvoiceData,
    "invoice.uncollectible": UncollectibleData,
    "payment.received": PaymentData,
    "payment.returned": PaymentData,
    "reservation.accepted": ReservationData,
    "reservation.cancelled": ReservationData,
    "reservation.changed": ReservationData,
    "reservation.created": ReservationData,
    "reservation.expired": ReservationData,
    "reservation.failed": ReservationData,
    "reservation.refused": ReservationData,
    "reservation.removed": ReservationData,
    "reservation.used": ReservationData,
    "rollout.finished": RolloutData,
    "rollout.progressed": RolloutData,
    "site.changed": SiteData,
    "site.created": SiteData,
    "site.retired": SiteData,
    "station.booted": StationBootData,
    "station.connected": StationConnectionData,
    "station.created": StationData,
    "station.disconnected": StationConnectionData,
    "station.registration_changed": StationData,
    "station.retired": StationData,
    "station.status_changed": ConnectorStatusData,
    "tariff.created": TariffData,
    "tariff.published": TariffVersionData,
    "tariff.retired": TariffData,
    "tariff.withdrawn": TariffVersionData,
    "token.changed": TokenData,
    "token.created": TokenData,
    "token.retired": TokenData,
    "transaction.ended": TransactionData,
    "transaction.priced": TransactionCostData,
    "transaction.started": TransactionData,
    "transaction.updated": TransactionData,
    "webhook.disabled": WebhookDisabledData,
    "webhook.test": WebhookTestData,
}
"""What an event of each type tells."""


class EventData(serializers.JSONField):
    """The object as it was then, by the type that stands beside it."""


class EventDataSchema(OpenApiSerializerFieldExtension):
    target_class = "portal.api.event_data.EventData"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        kinds = {kind.__name__: kind for kind in DATA_OF.values()}
        refs = {name: auto_schema.resolve_serializer(kind(), direction).ref for name, kind in kinds.items()}
        told = "; ".join(
            f"{name}: {', '.join(f'`{word}`' for word, one in DATA_OF.items() if one is kind)}"
            for name, kind in kinds.items()
        )
        return {"anyOf": list(refs.values()), "description": f"The object as it was then, by `type`. {told}."}
