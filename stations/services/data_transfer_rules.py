"""How an organization treats vendors' messages, as its administrators wish."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations.domain.data_transfers import RuleUse
from stations.models import ChargingStation, DataTransferRule

EDITABLE = frozenset(
    {
        "use", "vendor_id", "message_id", "accepts", "answer_data", "masked_paths", "station_vendor", "template"
    }
)  # fmt: skip
TEXT = "{text}"
PLACES = (TEXT, "{language}", "{until}", "{priority}")
PATHS_MAX = 50


def create(values: Mapping[str, Any], *, by: Actor) -> DataTransferRule:
    """A new rule. Raises :class:`Invalid` naming the field and :class:`Conflict` for one that exists."""
    by.require_everywhere(Permission.COMMANDS_EXPERT)
    rule = DataTransferRule(organization_id=by.home)
    _assign(rule, values)
    with atomic():
        _save(rule)
        audit.record("data_transfer_rule.created", rule, by=by)
    return rule


def update(rule: DataTransferRule, values: Mapping[str, Any], *, by: Actor) -> DataTransferRule:
    """Change a rule; what was kept before stays as it is."""
    by.require(Permission.COMMANDS_EXPERT, rule)
    changes = audit.difference(rule, values)
    _assign(rule, values)
    with atomic():
        _save(rule)
        audit.record("data_transfer_rule.changed", rule, by=by, changes=changes)
    return rule


def delete(rule: DataTransferRule, *, by: Actor) -> None:
    by.require(Permission.COMMANDS_EXPERT, rule)
    with atomic():
        audit.record("data_transfer_rule.deleted", rule, by=by)
        rule.delete()


def for_display(station: ChargingStation) -> DataTransferRule | None:
    """The rule that carries texts to the displays of stations of this vendor, if there is one."""
    found = DataTransferRule.objects.filter(
        organization_id=station.organization_id,
        use=RuleUse.DISPLAY_TEXT.value,
        station_vendor__iexact=station.vendor,
    )
    return found.first() if station.vendor else None


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its places filled; inside of JSON the texts are escaped as JSON wants it."""
    is_json = template.lstrip().startswith(("{", "[")) and template.strip() not in PLACES
    for name, value in values.items():
        shown = orjson.dumps(value).decode()[1:-1] if is_json else value
        template = template.replace("{" + name + "}", shown)
    return template


def display_body(station_id: UUID, values: Mapping[str, str]) -> tuple[DataTransferRule, str] | None:
    """The rule for this station's display with the body to send; ``None`` where there is none."""
    station = ChargingStation.objects.get(pk=station_id)
    rule = for_display(station)
    return (rule, filled(rule.template, values)) if rule is not None else None


def _assign(rule: DataTransferRule, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(rule, name, value)
    if rule.use == RuleUse.DISPLAY_TEXT and TEXT not in rule.template:
        raise Invalid(f"Write {TEXT} where the text of the message goes.", field="template")
    if rule.use == RuleUse.DISPLAY_TEXT and not rule.station_vendor:
        raise Invalid("Name the vendor of the stations that understand it.", field="station_vendor")
    if len(rule.masked_paths) > PATHS_MAX or not all(rule.masked_paths):
        raise Invalid(f"Name at most {PATHS_MAX} paths, such as customer.phone.", field="masked_paths")
    try:
        rule.clean_fields(exclude={"organization"})
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        raise Invalid(" ".join(texts), field=field) from error


def _save(rule: DataTransferRule) -> None:
    try:
        with atomic():
            rule.save()
    except IntegrityError as error:
        raise Conflict("There is such a rule already. Change that one.", field="vendor_id") from error
