"""Changes of variables as a reviewed set: collected, looked over, sent as one command; refused ones stay."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations.domain import secrecy
from stations.domain.events import VariableReported
from stations.domain.intents import SetVariables, VariableItem
from stations.domain.station import StationSide
from stations.domain.words import CommandStatus
from stations.models import ChargingStation, Command, Variable, VariableChange
from stations.services import answering, commands

READ_ONLY = "ReadOnly"
MAX_CHANGES = 200
UNANSWERED = frozenset(
    {CommandStatus.FAILED, CommandStatus.TIMED_OUT, CommandStatus.EXPIRED, CommandStatus.CANCELLED,
     CommandStatus.NOT_SUPPORTED}
)  # fmt: skip

State = VariableChange.State


def put(variable: Variable, value: str, *, by: Actor) -> VariableChange:
    """Add a new value to the station's set, or replace the one there. Raises :class:`Invalid` for a bad value."""
    by.require(Permission.VARIABLES_EDIT, variable.station)
    _require_writable(variable)
    _require_fitting(variable, value)
    with atomic():
        if VariableChange.objects.filter(station=variable.station).count() >= MAX_CHANGES:
            raise Conflict(f"The set holds {MAX_CHANGES} changes already. Send them first.")
        change, _ = VariableChange.objects.update_or_create(
            variable=variable,
            defaults={
                "station": variable.station,
                "value": value,
                "state": State.DRAFT,
                "reason": "",
                "command": None,
                "by": by.label[:200],
                "at": clock.now(),
            },
        )
    return change


def drop(change: VariableChange, *, by: Actor) -> None:
    """Take a change out of the set."""
    by.require(Permission.VARIABLES_EDIT, change.station)
    change.delete()


def send(station: ChargingStation, *, by: Actor, if_offline: str = "fail") -> Command:
    """Send the set as one command; the answer takes each change out of it, or leaves it with the reason."""
    by.require(Permission.VARIABLES_EDIT, station)
    with atomic():
        settle_unanswered(station)
        changes = list(_to_send(station).select_for_update(of=("self",)).select_related("variable"))
        if not changes:
            raise Conflict("There is no change to send.")
        command = commands.issue(
            station, SetVariables(items=tuple(map(_item, changes))), by=by, if_offline=if_offline
        )
        sent = VariableChange.objects.filter(pk__in=[change.pk for change in changes])
        sent.update(state=State.SENT, reason="", command=command)
        audit.record(
            "variables.sent",
            station,
            by=by,
            changes={str(change.variable): [change.variable.value, change.value] for change in changes},
        )
    return command


def taken(station: StationSide, items: Sequence[VariableReported]) -> None:
    """The station took these: they leave the set."""
    for item in items:
        _sent(station).filter(_of(item)).delete()


def refused(station: StationSide, items: Sequence[tuple[VariableReported, str]]) -> None:
    """The station refused these: they stay in the set with its reason."""
    for item, reason in items:
        _sent(station).filter(_of(item)).update(state=State.REFUSED, reason=reason[:600])


def settle_unanswered(station: ChargingStation) -> None:
    """What was sent by a command that never brought an answer is to be sent again."""
    lost = VariableChange.objects.filter(
        station=station, state=State.SENT, command__status__in=[status.value for status in UNANSWERED]
    )
    for change in lost.select_related("command"):
        error = (change.command.error if change.command else None) or {}
        change.state, change.reason = State.REFUSED, str(error.get("description", ""))[:600]
        change.save(update_fields=["state", "reason"])


def _sent(station: StationSide) -> QuerySet[VariableChange]:
    """Those of the command in hand, or of any that is on its way where nobody says which."""
    command = answering.command()
    rows = VariableChange.objects.filter(station_id=station.station_id, state=State.SENT)
    return rows.filter(command=command) if command else rows


def _to_send(station: ChargingStation) -> QuerySet[VariableChange]:
    return VariableChange.objects.filter(station=station).exclude(state=State.SENT).order_by("id")


def _of(item: VariableReported) -> Q:
    return Q(
        variable__component__iexact=item.component,
        variable__component_instance__iexact=item.component_instance,
        variable__evse_id=item.evse_id,
        variable__connector_id=item.connector_id,
        variable__variable__iexact=item.variable,
        variable__variable_instance__iexact=item.variable_instance,
        variable__attribute=item.attribute,
    )


def _item(change: VariableChange) -> VariableItem:
    variable = change.variable
    return VariableItem(
        component=variable.component,
        component_instance=variable.component_instance,
        variable=variable.variable,
        instance=variable.variable_instance,
        evse_id=variable.evse_id,
        connector_id=variable.connector_id,
        attribute=variable.attribute,
        value=change.value,
    )


def _require_writable(variable: Variable) -> None:
    if variable.mutability == READ_ONLY or variable.constant:
        raise Invalid(f"“{variable.variable}” can only be read.", field="value")
    if secrecy.is_secret(variable.variable) or secrecy.is_secret(variable.variable_instance):
        raise Invalid("Passwords and keys are not collected in a set. Send them alone.", field="value")


def _require_fitting(variable: Variable, value: str) -> None:
    """By what the station says of the variable; what it does not say is left to it."""
    if len(value) > 2500 or "\x00" in value:
        raise Invalid("A value has at most 2500 characters, none of them NUL.", field="value")
    kind = variable.data_type
    if kind == "boolean" and value.lower() not in ("true", "false"):
        raise Invalid("This is true or false.", field="value")
    if kind in ("integer", "decimal"):
        _require_number(variable, value)
    choices = [choice.strip() for choice in variable.values_list.split(",") if choice.strip()]
    if kind == "OptionList" and choices and value not in choices:
        raise Invalid(f"Choose one of {', '.join(choices)}.", field="value")
    if kind in ("MemberList", "SequenceList") and choices:
        strange = [part for part in value.split(",") if part.strip() and part.strip() not in choices]
        if strange:
            raise Invalid(f"“{strange[0].strip()}” is none of {', '.join(choices)}.", field="value")


def _require_number(variable: Variable, value: str) -> None:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Invalid("This is a number.", field="value") from error
    if not number.is_finite() or (variable.data_type == "integer" and number != int(number)):
        raise Invalid("This is a whole number." if number.is_finite() else "This is a number.", field="value")
    least, most = variable.min_limit, variable.max_limit
    if (least is not None and number < least) or (most is not None and number > most):
        low, high = (f"{limit.normalize():f}" if limit is not None else "…" for limit in (least, most))
        raise Invalid(f"This lies between {low} and {high}.", field="value")


def changes_of(station_id: UUID) -> QuerySet[VariableChange]:
    """The set of a station, in the order in which it was made."""
    return VariableChange.objects.filter(station_id=station_id).select_related("variable", "command")
