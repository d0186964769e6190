"""What this room forgets of a driver: name, address, account and the values of tokens; rows stay under a pseudonym."""

import secrets
from collections.abc import Mapping

from django.conf import settings
from django.db.models import Q
from django.db.transaction import atomic
from django.utils.translation import gettext, gettext_noop, override

from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, NotFound
from core.models import User
from core.services import mails
from drivers.models import (
    Budget,
    CardRegistration,
    Driver,
    DriverInvitation,
    Erasure,
    ErasureState,
    IdToken,
    ImportedRow,
)
from drivers.services import invitations

ASKED_MAIL, DONE_MAIL = "erasure.asked", "erasure.done"
ASKED = gettext_noop(
    "Hello %(name)s,\n\n"
    "you asked %(operator)s to delete your data. It is done within 30 days; open amounts are settled first. Invoices "
    "and the records behind them are kept as long as the law asks.\n\n"
    "If it was not you, or if you changed your mind, sign in and withdraw it:\n%(link)s\n"
)
DONE = gettext_noop(
    "Hello %(name)s,\n\n"
    "%(operator)s has deleted your data: your details, your account, your cards, and what connected you with your "
    "sessions. Logs of chargers are cleaned within a day, backups run out by themselves.\n\n"
    "By law are kept: %(invoices)s invoices and the records of %(sessions)s sessions that they are made of. Only the "
    "accounts department sees them.\n"
)


def ask(driver: Driver, *, by: Actor, by_driver: bool = False) -> Erasure:
    """Note that the person wants to be forgotten; asking again is the same request.

    An operator needs ``drivers.manage`` at all sites, the driver itself nothing.
    """
    if not by_driver:
        by.require_everywhere(Permission.DRIVERS_MANAGE, driver)
    elif driver.user_id is None or by.subject_id != driver.user_id:
        raise NotFound("There is no such driver.")
    with atomic():
        Driver.objects.select_for_update().get(pk=driver.pk)
        row, made = Erasure.objects.exclude(state=ErasureState.WITHDRAWN).get_or_create(
            driver=driver,
            defaults={
                "organization_id": driver.organization_id,
                "by_driver": by_driver,
                "asked_at": clock.now(),
            },
        )
        if made:
            audit.record("driver.erasure_asked", driver, by=by)
        if made and by_driver:
            _write(ASKED_MAIL, row, driver, ASKED, {"link": f"{settings.PUBLIC_URL}/me/details/"})
    return row


@atomic
def withdraw(erasure: Erasure, *, driver: Driver, by: Actor) -> None:
    """Take it back while nothing was done. Raises :class:`Conflict` once it was, :class:`NotFound` for another's."""
    if erasure.driver_id != driver.pk:
        raise NotFound("There is no such driver.")
    row = Erasure.objects.select_for_update().get(pk=erasure.pk)
    if row.state == ErasureState.WITHDRAWN:
        return
    if row.state != ErasureState.ASKED:
        raise Conflict("Your data are being deleted already.")
    row.state, row.done_at = ErasureState.WITHDRAWN, clock.now()
    row.save(update_fields=["state", "done_at"])
    audit.record("driver.erasure_withdrawn", driver, by=by)


def tell_done(erasure: Erasure, driver: Driver) -> None:
    """Write to the address that is about to be forgotten."""
    _write(DONE_MAIL, erasure, driver, DONE, erasure.kept)


@atomic
def pseudonymise(driver: Driver, *, by: Actor) -> Mapping[str, str]:
    """End the driver and take the person out of it; answers with the pseudonym of each token's value."""
    tokens = list(IdToken.objects.select_for_update().filter(driver=driver))
    names = {token.value: f"erased-{secrets.token_hex(8)}" for token in tokens}
    now = clock.now()
    for token in tokens:
        token.value, token.label, token.retired_at = names[token.value], "", token.retired_at or now
        token.blocked_reason = ""
        token.save(update_fields=["value", "label", "blocked_reason", "retired_at"])
    invitations.withdraw_open(driver, by=by)
    DriverInvitation.objects.filter(driver=driver).delete()
    CardRegistration.objects.filter(driver=driver).delete()
    ImportedRow.objects.filter(Q(driver=driver) | Q(token__in=tokens)).delete()
    Budget.objects.filter(driver=driver).delete()
    Budget.objects.filter(token__in=tokens).delete()
    _forget_account(driver)
    Driver.objects.filter(pk=driver.pk).update(
        name=f"Erased …{str(driver.pk)[-8:]}",
        email="",
        language="",
        reference="",
        blocked_reason="",
        user=None,
        group=None,
        retired_at=driver.retired_at or now,
    )
    return names


def _forget_account(driver: Driver) -> None:
    """The account goes too, unless the person has other business here: another operator's driver, or a member."""
    user = User.objects.filter(pk=driver.user_id).first() if driver.user_id else None
    if user is None or user.is_staff or user.memberships.exists():
        return
    if not Driver.objects.filter(user=user).exclude(pk=driver.pk).exists():
        user.delete()


def _write(kind: str, erasure: Erasure, driver: Driver, letter: str, more: Mapping[str, object]) -> None:
    to = driver.email or (driver.user.email if driver.user else "")
    if not to:
        return
    names = {"name": driver.name, "operator": driver.organization.name, **more}
    with override(driver.language or settings.LANGUAGE_CODE):
        subject = gettext("%(operator)s: deleting your data") % names
        text = gettext(letter) % names
    mails.write(
        kind, organization_id=driver.organization_id, about=erasure.pk, to=to, subject=subject, text=text
    )
