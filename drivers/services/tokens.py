"""Tokens and their groups, as operators keep them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound
from drivers.models import UNTYPED, Driver, IdToken, TokenGroup, TokenStatus, TokenType
from drivers.services import blocks, policies

GROUP_EDITABLE = frozenset({"name", "token", "master_pass", "sessions_at_once"})
OF_ONE_TOKEN = frozenset({"label", "driver", "valid_from", "expires_at", "sessions_at_once", *blocks.FIELDS})
EDITABLE = OF_ONE_TOKEN | {"group", "value", "type"}
PERSONAL = frozenset({"label", "value"})
MAX_LENGTH = 255
LONGEST_LABEL = 100


def create(*, value: str, type_: str = UNTYPED, by: Actor, **details: Any) -> IdToken:
    """Make a token known. Raises :class:`Invalid` for a bad value, :class:`Conflict` for a known one."""
    by.require(Permission.DRIVERS_MANAGE)
    token = draft(value=value, type_=type_, by=by, **details)
    with _known_once(token), atomic():
        token.save(force_insert=True)
        audit.record("token.created", token, by=by, changes={"status": [None, token.status]})
    return token


def draft(*, value: str, type_: str, by: Actor, **details: Any) -> IdToken:
    """A token that is not stored yet. Raises :class:`Invalid` and :class:`NotFound` naming the field."""
    token = IdToken(organization_id=by.home, value=value.strip(), type=type_)
    assign(token, details, by)
    return token


def update(token: IdToken, values: Mapping[str, Any], *, by: Actor) -> IdToken:
    """Change what may be changed (``EDITABLE``). Raises as :func:`create` does."""
    by.require(Permission.DRIVERS_MANAGE, token)
    changes = changes_of(token, values)
    assign(token, values, by)
    with _known_once(token), atomic():
        token.save(update_fields=blocks.columns(values))
        audit.record("token.changed", token, by=by, changes=changes)
    return token


def block(token: IdToken, *, reason: str, until: datetime | None = None, by: Actor) -> IdToken:
    """Refuse the token from now on, until that instant where one is named; a running session goes on.

    Raises :class:`Invalid` for an end that does not lie ahead.
    """
    by.require(Permission.DRIVERS_MANAGE, token)
    changes = blocks.put(token, reason=reason, until=until)
    with atomic():
        token.save(update_fields=blocks.FIELDS)
        audit.record("token.blocked", token, by=by, changes=changes, reason=reason)
    return token


def block_own(token: IdToken, *, driver: Driver, by: Actor) -> IdToken:
    """The same by the driver that has it; only operators take it back. Raises :class:`NotFound` for another's."""
    if token.driver_id != driver.pk or token.retired_at is not None:
        raise NotFound("This card is not one of yours.")
    if token.blocked and token.blocked_until is None:
        return token
    changes = blocks.put(token, reason=token.block_reason, until=None)
    with atomic():
        token.save(update_fields=blocks.FIELDS)
        audit.record("token.blocked", token, by=by, changes=changes, reason="driver")
    return token


def name_own(token: IdToken, name: str, *, driver: Driver, by: Actor) -> IdToken:
    """What the driver calls a card of their own. Raises :class:`NotFound` for another's."""
    if token.driver_id != driver.pk or token.retired_at is not None:
        raise NotFound("This card is not one of yours.")
    label = " ".join(name.replace("\x00", "").split())[:LONGEST_LABEL]
    changes = changes_of(token, {"label": label})
    with atomic():
        token.label = label
        token.save(update_fields=["label"])
        audit.record("token.changed", token, by=by, changes=changes)
    return token


def unblock(token: IdToken, *, by: Actor) -> IdToken:
    """Accept the token again, as far as its expiry date allows."""
    by.require(Permission.DRIVERS_MANAGE, token)
    blocks.lift(token)
    with atomic():
        token.save(update_fields=blocks.FIELDS)
        audit.record("token.unblocked", token, by=by)
    return token


def hand_out(driver: Driver, *, value: str, type_: str = UNTYPED, label: str = "", by: Actor) -> IdToken:
    """Give the driver a token: the known one of that value if nobody has it, else a new one.

    Raises :class:`Conflict` where another driver has it, else as :func:`create` does.
    """
    by.require(Permission.DRIVERS_MANAGE, driver)
    known = IdToken.objects.live().visible_to(by).filter(value__iexact=value.strip(), type=type_)
    token = known.select_related("driver", "group").first()
    if token is None:
        return create(value=value, type_=type_, label=label, driver=driver, by=by)
    if token.driver_id not in (None, driver.pk):
        raise Conflict("Another driver has this token. Take it from them first.", field="value")
    return update(token, {"driver": driver, **({"label": label} if label else {})}, by=by)


def retire(token: IdToken, *, by: Actor) -> None:
    """Forget the token; sessions keep what they say of it, and its value is free again."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, token)
    with atomic():
        token.retired_at = clock.now()
        token.save(update_fields=["retired_at"])
        audit.record("token.retired", token, by=by)


def create_group(
    *,
    name: str,
    token: str = "",
    master_pass: bool = False,
    sessions_at_once: int | None = None,
    by: Actor,
) -> TokenGroup:
    """A group whose members may stop each other's sessions. Raises :class:`Conflict` for a taken name or token."""
    by.require_everywhere(Permission.DRIVERS_MANAGE)
    policies.require_number(sessions_at_once)
    group = TokenGroup(
        organization_id=by.home,
        name=name,
        token=token,
        master_pass=master_pass,
        sessions_at_once=sessions_at_once,
    )
    with _group_once(group), atomic():
        group.save(force_insert=True)
        audit.record("token_group.created", group, by=by)
    return group


def update_group(group: TokenGroup, values: Mapping[str, Any], *, by: Actor) -> TokenGroup:
    """Change what may be changed (``GROUP_EDITABLE``). Raises as :func:`create_group` does."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, group)
    policies.require_number(values.get("sessions_at_once"))
    changes = audit.difference(group, values)
    for name, value in values.items():
        if name not in GROUP_EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(group, name, value)
    with _group_once(group), atomic():
        group.save(update_fields=list(values))
        audit.record("token_group.changed", group, by=by, changes=changes)
    return group


def retire_group(group: TokenGroup, *, by: Actor) -> None:
    """End the group; its tokens stay and are in no group, its name is free again."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, group)
    with atomic():
        members = IdToken.objects.live().filter(group=group).update(group=None)
        group.retired_at = clock.now()
        group.save(update_fields=["retired_at"])
        audit.record("token_group.retired", group, by=by, changes={"members": [members, 0]})


def changes_of(token: IdToken, values: Mapping[str, Any]) -> dict[str, Any]:
    """What would change of the token, for the audit: of what tells the person only that it was and is there."""
    found: dict[str, Any] = audit.difference(token, values)
    for name in PERSONAL & found.keys():
        found[name] = audit.change(getattr(token, name), values[name], hidden=True)
    return found


def assign(token: IdToken, values: Mapping[str, Any], by: Actor) -> None:
    """Set the values on the object alone. Raises :class:`Invalid` and :class:`NotFound` naming the field."""
    if values.get("group") is not None or (token.group_id and not values.keys() <= OF_ONE_TOKEN):
        by.require_everywhere(Permission.DRIVERS_MANAGE)  # members of a group stop sessions anywhere
    blocks.lift_if_over(token)
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(token, name, OWN[name](value, by) if name in OWN else value)
    _check(token)
    blocks.keep_with_status(token, values)


def _own_driver(driver: Driver | UUID | None, by: Actor) -> Driver | None:
    if driver is None:
        return None
    found = Driver.objects.live().visible_to(by).filter(pk=getattr(driver, "pk", driver)).first()
    if found is None:
        raise NotFound("There is no such driver.", field="driver")
    return found


def _own_group(group: TokenGroup | UUID | None, by: Actor) -> TokenGroup | None:
    if group is None:
        return None
    found = TokenGroup.objects.live().visible_to(by).filter(pk=getattr(group, "pk", group)).first()
    if found is None:
        raise NotFound("There is no such group.", field="group")
    return found


OWN: Mapping[str, Callable[[Any, Actor], Any]] = {"driver": _own_driver, "group": _own_group}


def _check(token: IdToken) -> None:
    if not token.value or len(token.value) > MAX_LENGTH:
        raise Invalid(f"A token has 1 to {MAX_LENGTH} characters.", field="value")
    if token.type not in TokenType.values:
        raise Invalid(f"“{token.type}” is not a type of token.", field="type")
    for name in ("valid_from", "expires_at"):
        if (instant := getattr(token, name)) is not None and not clock.is_expiry(instant):
            raise Invalid("Choose a date from 2010 to 2999.", field=name)
    if token.valid_from and token.expires_at and token.valid_from >= token.expires_at:
        raise Invalid("A token expires after it begins to be valid.", field="expires_at")
    policies.require_number(token.sessions_at_once)
    if token.status not in TokenStatus.values:
        raise Invalid(f"“{token.status}” is not a status of a token.", field="status")


@contextmanager
def _known_once(token: IdToken) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "token_once" not in str(error):
            raise
        raise Conflict(f"The token “{token.value}” is already known.", field="value") from error


@contextmanager
def _group_once(group: TokenGroup) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "token_group_name_once" in str(error):
            raise Conflict(f"There is already a group named “{group.name}”.", field="name") from error
        if "token_group_token_once" in str(error):
            raise Conflict(f"Another group has the group token “{group.token}”.", field="token") from error
        raise
