"""Reading and setting variables, reports."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from portal.api.command_bodies.base import CommandBody, EvseId
from portal.api.resource import StrictSerializer
from stations.domain import intents
from stations.domain.intents import Intent, VariableItem

REPORT_CRITERIA = ["active", "available", "enabled", "problem"]
REPORTS = ["configuration_inventory", "full_inventory", "summary_inventory"]


class ItemPart(StrictSerializer):
    component = serializers.CharField(max_length=50, required=False, default="")
    component_instance = serializers.CharField(max_length=50, required=False, default="")
    variable = serializers.CharField(max_length=50)
    instance = serializers.CharField(max_length=50, required=False, default="")
    evse_id = EvseId(required=False)
    connector_id = EvseId(required=False)
    attribute = serializers.ChoiceField(
        ["Actual", "Target", "MinSet", "MaxSet"], required=False, default="Actual"
    )


class ItemWithValue(ItemPart):
    value = serializers.CharField(max_length=2500, allow_blank=True, trim_whitespace=False)


class ReportItemPart(StrictSerializer):
    component = serializers.CharField(max_length=50)
    component_instance = serializers.CharField(max_length=50, required=False, default="")
    variable = serializers.CharField(max_length=50, required=False, default="", help_text="Empty means all")
    instance = serializers.CharField(max_length=50, required=False, default="")
    evse_id = EvseId(required=False)
    connector_id = EvseId(required=False)


def variable_items(items: Sequence[Mapping[str, Any]]) -> tuple[VariableItem, ...]:
    """The items of a validated body."""
    return tuple(VariableItem(**item) for item in items)


class GetVariablesBody(CommandBody):
    items = ItemPart(many=True, allow_empty=True)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.GetVariables(items=tuple(VariableItem(**item) for item in values["items"]))


class SetVariablesBody(CommandBody):
    items = ItemWithValue(many=True, allow_empty=False)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.SetVariables(items=tuple(VariableItem(**item) for item in values["items"]))


class GetBaseReportBody(CommandBody):
    kind = serializers.ChoiceField(REPORTS)


class GetReportBody(CommandBody):
    criteria = serializers.ListField(
        child=serializers.ChoiceField(REPORT_CRITERIA),
        required=False,
        default=list,
        max_length=4,
    )
    items = ReportItemPart(many=True, required=False, default=list)

    def intent(self, values: Mapping[str, Any]) -> Intent:
        return intents.GetReport(criteria=tuple(values["criteria"]), items=variable_items(values["items"]))


class ClearCacheBody(CommandBody):
    """Nothing but the command."""


BODIES: Mapping[str, type[CommandBody]] = {
    "get_variables": GetVariablesBody,
    "set_variables": SetVariablesBody,
    "get_base_report": GetBaseReportBody,
    "get_report": GetReportBody,
    "clear_cache": ClearCacheBody,
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "get_variables": {"items": [{"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval"}]},
    "set_variables": {
        "items": [{"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "value": "300"}]
    },
    "get_base_report": {"kind": "full_inventory"},
    "get_report": {"criteria": ["problem"], "items": [{"component": "EVSE", "evse_id": 1}]},
    "clear_cache": {},
}
