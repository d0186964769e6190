"""Monitors, reports of them, customers' data, streams."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody, EvseId, TokenPart
from portal.api.command_bodies.device_model import ReportItemPart, variable_items
from portal.api.resource import StrictSerializer
from stations.domain import intents
from stations.domain.intents import Intent, MonitorItem

MONITOR_TYPES = [
    "upper_threshold",
    "lower_threshold",
    "delta",
    "periodic",
    "periodic_clock_aligned",
    "target_delta",
    "target_delta_relative",
]
HASHES = ["SHA256", "SHA384", "SHA512"]
MONITORING_CRITERIA = ["threshold", "delta", "periodic"]


class Count(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=2**31 - 1, **options)


class Severity(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=9, **options)


class MonitorPart(StrictSerializer):
    component = serializers.CharField(max_length=50)
    component_instance = serializers.CharField(max_length=50, required=False, default="")
    variable = serializers.CharField(max_length=50)
    instance = serializers.CharField(max_length=50, required=False, default="")
    evse_id = EvseId(required=False)
    connector_id = EvseId(required=False)
    type = serializers.ChoiceField(MONITOR_TYPES)
    value = serializers.DecimalField(max_digits=18, decimal_places=6)
    severity = Severity()
    transaction = serializers.BooleanField(required=False, default=False)
    number = Count(required=False, help_text="Replaces the monitor of this number")
    stream_interval_s = Count(required=False)
    stream_values = Count(required=False)


class SetVariableMonitoringBody(CommandBody):
    items = MonitorPart(many=True, allow_empty=False)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.SetVariableMonitoring(items=tuple(MonitorItem(**item) for item in values["items"]))


class ClearVariableMonitoringBody(CommandBody):
    numbers = serializers.ListField(child=Count(), allow_empty=False, max_length=1000)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.ClearVariableMonitoring(numbers=tuple(values["numbers"]))


class GetMonitoringReportBody(CommandBody):
    criteria = serializers.ListField(
        child=serializers.ChoiceField(MONITORING_CRITERIA),
        required=False,
        default=list,
        max_length=3,
    )
    items = ReportItemPart(many=True, required=False, default=list)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.GetMonitoringReport(
            criteria=tuple(values["criteria"]), items=variable_items(values["items"])
        )


class SetMonitoringBaseBody(CommandBody):
    base = serializers.ChoiceField(["all", "factory_default", "hard_wired_only"])


class SetMonitoringLevelBody(CommandBody):
    severity = Severity()


class CertificatePart(StrictSerializer):
    hash_algorithm = serializers.ChoiceField(HASHES)
    issuer_name_hash = serializers.CharField(max_length=128)
    issuer_key_hash = serializers.CharField(max_length=128)
    serial_number = serializers.CharField(max_length=40)


class CustomerInformationBody(CommandBody):
    report = serializers.BooleanField()
    clear = serializers.BooleanField()
    token = TokenPart(required=False)
    customer_identifier = serializers.CharField(max_length=64, required=False)
    certificate = CertificatePart(required=False)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        token = values.get("token") or {}
        return intents.CustomerInformation(
            report=values["report"],
            clear=values["clear"],
            token_value=token.get("value"),
            token_type=token.get("type"),
            customer_identifier=values.get("customer_identifier"),
            certificate=values.get("certificate"),
        )


class AdjustEventStreamBody(CommandBody):
    stream = Count()
    interval_s = Count(required=False)
    values = Count(required=False)


class GetEventStreamsBody(CommandBody):
    """Nothing but the command."""


BODIES: Mapping[str, type[CommandBody]] = {
    "set_variable_monitoring": SetVariableMonitoringBody,
    "clear_variable_monitoring": ClearVariableMonitoringBody,
    "get_monitoring_report": GetMonitoringReportBody,
    "set_monitoring_base": SetMonitoringBaseBody,
    "set_monitoring_level": SetMonitoringLevelBody,
    "customer_information": CustomerInformationBody,
    "adjust_periodic_event_stream": AdjustEventStreamBody,
    "get_periodic_event_stream": GetEventStreamsBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "set_variable_monitoring": {
        "items": [
            {
                "component": "EVSE",
                "evse_id": 1,
                "variable": "Temperature",
                "type": "upper_threshold",
                "value": "70",
                "severity": 3,
            }
        ]
    },
    "clear_variable_monitoring": {"numbers": [4, 5]},
    "get_monitoring_report": {"criteria": ["threshold"]},
    "set_monitoring_base": {"base": "all"},
    "set_monitoring_level": {"severity": 4},
    "customer_information": {
        "report": True,
        "clear": False,
        "token": {"value": "04A2B3C4D5E6F7", "type": "ISO14443"},
    },
    "adjust_periodic_event_stream": {"stream": 1, "interval_s": 60, "values": 10},
    "get_periodic_event_stream": {},
}
