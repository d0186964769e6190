"""Drivers and their groups, as operators keep them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound
from core.models import User
from core.services import accounts
from drivers.models import Driver, DriverGroup, DriverStatus, IdToken
from drivers.services import blocks, invitations
from drivers.services.blocks import line as _line

EDITABLE = frozenset({"name", "email", "language", "reference", "group", *blocks.FIELDS})
AS_THEY_ARE = frozenset({"group", "blocked_until"})
PERSONAL = frozenset({"name", "email"})
LANGUAGES = tuple(code for code, _ in settings.LANGUAGES)
MAX = {"name": 100, "reference": 64, "email": 254}


def create(*, name: str, by: Actor, **details: Any) -> Driver:
    """Keep a new driver. Raises :class:`Invalid`, :class:`NotFound` and, for a taken reference, :class:`Conflict`."""
    by.require(Permission.DRIVERS_MANAGE)
    driver = draft(name=name, by=by, **details)
    with _reference_once(driver), atomic():
        driver.save(force_insert=True)
        audit.record("driver.created", driver, by=by, changes={"status": [None, driver.status]})
    return driver


def draft(*, name: str, by: Actor, **details: Any) -> Driver:
    """A driver that is not stored yet. Raises :class:`Invalid` and :class:`NotFound` naming the field."""
    driver = Driver(organization_id=by.home)
    assign(driver, {"name": name, **details}, by)
    return driver


def update(driver: Driver, values: Mapping[str, Any], *, by: Actor) -> Driver:
    """Change what may be changed (``EDITABLE``). Raises as :func:`create` does."""
    by.require(Permission.DRIVERS_MANAGE, driver)
    before = {name: getattr(driver, name, None) for name in values}
    if values.get("email", driver.email) != driver.email:  # who reads it can become the driver
        by.require_everywhere(Permission.DRIVERS_MANAGE, driver)
    assign(driver, values, by)
    changes = {
        name: audit.change(old, getattr(driver, name), hidden=name in PERSONAL)
        for name, old in before.items()
        if old != getattr(driver, name)
    }
    with _reference_once(driver), atomic():
        driver.save(update_fields=blocks.columns(values))
        if "email" in changes:
            invitations.withdraw_open(driver, by=by)
        audit.record("driver.changed", driver, by=by, changes=changes)
    return driver


def block(driver: Driver, *, reason: str, until: datetime | None = None, by: Actor) -> Driver:
    """Refuse all tokens of the driver from now on, until that instant where one is named; a session goes on.

    Raises :class:`Invalid` for an end that does not lie ahead.
    """
    by.require(Permission.DRIVERS_MANAGE, driver)
    changes = blocks.put(driver, reason=reason, until=until)
    with atomic():
        driver.save(update_fields=blocks.FIELDS)
        audit.record("driver.blocked", driver, by=by, changes=changes, reason=reason)
    return driver


def give_account(driver: Driver, user: User, *, by: Actor) -> Driver:
    """Let the person sign in as this driver. Raises :class:`Conflict` where the person is another driver here."""
    by.require(Permission.DRIVERS_MANAGE, driver)
    return invitations.attach(driver, user, by=by, action="driver.account_given")


def open_account(driver: Driver, email: str, *, by: Actor) -> tuple[User, str | None]:
    """An account for the driver; answers with the password only where it was made here.

    Raises :class:`Invalid` for a bad address, and as :func:`give_account` does.
    """
    with atomic():
        user, made = accounts.person(email)
        give_account(driver, user, by=by)
    return user, made


def unblock(driver: Driver, *, by: Actor) -> Driver:
    """Accept the driver's tokens again, as far as each of them is valid."""
    by.require(Permission.DRIVERS_MANAGE, driver)
    blocks.lift(driver)
    with atomic():
        driver.save(update_fields=blocks.FIELDS)
        audit.record("driver.unblocked", driver, by=by)
    return driver


def retire(driver: Driver, *, by: Actor) -> None:
    """End the driver and all tokens of theirs, so that none goes on charging; sessions keep what they say."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, driver)
    with atomic():
        driver.retired_at = clock.now()
        driver.save(update_fields=["retired_at"])
        invitations.withdraw_open(driver, by=by)
        tokens = list(IdToken.objects.select_for_update().live().filter(driver=driver))
        IdToken.objects.filter(pk__in=[token.pk for token in tokens]).update(retired_at=driver.retired_at)
        audit.record("driver.retired", driver, by=by, changes={"tokens": [len(tokens), 0]})
        audit.record_each("token.retired", ((token, {}) for token in tokens), by=by, reason="driver retired")


def create_group(*, name: str, by: Actor) -> DriverGroup:
    """A group of drivers. Raises :class:`Invalid` and, for a taken name, :class:`Conflict`."""
    by.require_everywhere(Permission.DRIVERS_MANAGE)
    group = DriverGroup(organization_id=by.home, name=_group_name(name))
    with _group_once(group), atomic():
        group.save(force_insert=True)
        audit.record("driver_group.created", group, by=by)
    return group


def rename_group(group: DriverGroup, *, name: str, by: Actor) -> DriverGroup:
    """Give the group another name. Raises as :func:`create_group` does."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, group)
    before, group.name = group.name, _group_name(name)
    with _group_once(group), atomic():
        group.save(update_fields=["name"])
        changes = {"name": [before, group.name]} if before != group.name else {}
        audit.record("driver_group.changed", group, by=by, changes=changes)
    return group


def retire_group(group: DriverGroup, *, by: Actor) -> None:
    """End the group; its drivers stay and are in no group, its name is free again."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, group)
    with atomic():
        members = Driver.objects.live().filter(group=group).update(group=None)
        group.retired_at = clock.now()
        group.save(update_fields=["retired_at"])
        audit.record("driver_group.retired", group, by=by, changes={"members": [members, 0]})


def assign(driver: Driver, values: Mapping[str, Any], by: Actor) -> None:
    """Set the values on the object alone. Raises :class:`Invalid` and :class:`NotFound` naming the field."""
    if values.get("group") is not None or (driver.group_id and "group" in values):
        by.require_everywhere(Permission.DRIVERS_MANAGE)  # what a group is granted holds at all sites
    blocks.lift_if_over(driver)
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        given = _own_group(value, by) if name == "group" else value
        setattr(driver, name, given if name in AS_THEY_ARE else _line(value))
    _check(driver)
    blocks.keep_with_status(driver, values)


def _own_group(group: DriverGroup | UUID | None, by: Actor) -> DriverGroup | None:
    if group is None:
        return None
    found = DriverGroup.objects.live().visible_to(by).filter(pk=getattr(group, "pk", group)).first()
    if found is None:
        raise NotFound("There is no such group.", field="group")
    return found


def _check(driver: Driver) -> None:
    if not driver.name:
        raise Invalid("A driver has a name.", field="name")
    for name, length in MAX.items():
        if len(getattr(driver, name)) > length:
            raise Invalid(f"Give at most {length} characters.", field=name)
    if driver.language and driver.language not in LANGUAGES:
        raise Invalid(f"Choose a language: {', '.join(LANGUAGES)}.", field="language")
    if driver.status not in DriverStatus.values:
        raise Invalid(f"“{driver.status}” is not a status of a driver.", field="status")
    try:
        if driver.email:
            validate_email(driver.email)
    except ValidationError as error:
        raise Invalid("This is not an e-mail address.", field="email") from error


def _group_name(name: str) -> str:
    plain = _line(name)
    if not 0 < len(plain) <= MAX["name"]:
        raise Invalid(f"A group's name has 1 to {MAX['name']} characters.", field="name")
    return plain


@contextmanager
def _reference_once(driver: Driver) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "driver_reference_once" not in str(error):
            raise
        raise Conflict(
            f"Another driver has the reference “{driver.reference}”.", field="reference"
        ) from error


@contextmanager
def _group_once(group: DriverGroup) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "driver_group_name_once" not in str(error):
            raise
        raise Conflict(f"There is already a group named “{group.name}”.", field="name") from error
