"""Inviting a driver to an account: a link by mail that works once and for a week, kept as its hash alone."""

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.transaction import atomic
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop, override

from core import audit, clock, keys
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound, Passing
from core.models import User
from core.services import mails
from drivers.models import Driver, DriverInvitation

VALID_FOR = timedelta(days=7)
AGAIN_AFTER = timedelta(minutes=1)
MAIL = "driver.invitation"
PAGE = "invitation"
LETTER = gettext_noop(
    "Hello %(name)s,\n\n"
    "%(operator)s invites you to an account. With it you see prices, start and stop with your phone, and find "
    "your sessions and invoices.\n\n"
    "Open this link and choose a password:\n%(link)s\n\n"
    "It works once, for %(days)s days. If you do not know %(operator)s, do nothing.\n"
)
OVER = "This invitation is not valid any more. Ask the operator for a new one."


def invite(driver: Driver, *, by: Actor) -> DriverInvitation:
    """Mail the driver a link to make an account; the link before works no more.

    Raises :class:`Invalid` without an address, :class:`Conflict` where the driver has an account or was invited
    within the last minute.
    """
    by.require_everywhere(Permission.DRIVERS_MANAGE, driver)
    with atomic():
        driver = (
            Driver.objects.select_for_update(of=("self",)).select_related("organization").get(pk=driver.pk)
        )
        _require_invitable(driver)
        withdraw_open(driver, by=by)
        secret, now = secrets.token_urlsafe(32), clock.now()
        invitation = DriverInvitation.objects.create(
            organization_id=driver.organization_id,
            driver=driver,
            email=driver.email,
            digest=keys.digest(secret),
            created_at=now,
            expires_at=now + VALID_FOR,
        )
        mails.write(
            MAIL,
            organization_id=driver.organization_id,
            about=invitation.pk,
            to=driver.email,
            **_words(driver, secret),
        )
        audit.record("driver.invited", driver, by=by)
    return invitation


def withdraw(driver: Driver, *, by: Actor) -> None:
    """Make the link that is on its way worthless; nothing happens where there is none."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, driver)
    withdraw_open(driver, by=by)


@atomic
def withdraw_open(driver: Driver, *, by: Actor) -> None:
    """The same for what calls for it: another address, the end of the driver, another invitation."""
    for invitation in DriverInvitation.objects.filter(driver=driver, accepted_at=None, withdrawn_at=None):
        invitation.withdrawn_at = clock.now()
        invitation.save(update_fields=["withdrawn_at"])
        mails.take_back(MAIL, invitation.pk)
        audit.record("driver.invitation_withdrawn", driver, by=by)


def attach(driver: Driver, user: User, *, by: Actor, action: str) -> Driver:
    """Let the person sign in as this driver. Raises :class:`Conflict` where the person is another driver here."""
    others = Driver.objects.live().filter(organization_id=driver.organization_id, user=user)
    if others.exclude(pk=driver.pk).exists():
        raise Conflict("This account belongs to another driver already.", field="user")
    with atomic():
        driver.user = user
        driver.save(update_fields=["user"])
        withdraw_open(driver, by=by)
        audit.record(action, driver, by=by)
    return driver


def find(secret: str) -> DriverInvitation:
    """The invitation behind the link. Raises :class:`NotFound`, whatever it is that makes it worthless."""
    open_ = DriverInvitation.objects.open(clock.now()).select_related("driver__organization")
    found = open_.filter(digest=keys.digest(secret)).first()
    if found is None:
        raise NotFound(OVER)
    return found


def known(invitation: DriverInvitation) -> bool:
    """Whether there is an account of that address already, which then has to sign in to accept."""
    return User.objects.filter(email__iexact=invitation.email).exists()


def accept_anew(invitation: DriverInvitation, *, password: str, by: Actor) -> User:
    """Make the account and give it to the driver. Raises :class:`Invalid` for a bad password, :class:`NotFound`."""
    user = User(email=invitation.email, name=invitation.driver.name, language=invitation.driver.language)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from error
    details = {"name": user.name, "language": user.language}
    try:
        with atomic():
            taken = _take(invitation)
            made = User.objects.create_user(invitation.email, password, **details)
            _give(taken, made, by)
    except IntegrityError as error:
        if "user_email_once" not in str(error):
            raise
        raise Conflict(
            "There is an account with this address already. Sign in, then open the link again."
        ) from error
    return made


def accept_as(invitation: DriverInvitation, user: User, *, by: Actor) -> None:
    """Give the driver to who is signed in. Raises :class:`Conflict` for somebody else, :class:`NotFound`."""
    if user.email.lower() != invitation.email.lower():
        raise Conflict("This invitation is for another e-mail address. Sign out, then open the link again.")
    with atomic():
        _give(_take(invitation), user, by)


def _take(invitation: DriverInvitation) -> DriverInvitation:
    """Use it up, or raise :class:`NotFound` where somebody was faster."""
    now = clock.now()
    open_ = DriverInvitation.objects.select_for_update(of=("self",)).open(now).select_related("driver")
    taken = open_.filter(pk=invitation.pk).first()
    if taken is None:
        raise NotFound(OVER)
    taken.accepted_at = now
    taken.save(update_fields=["accepted_at"])
    return taken


def _give(invitation: DriverInvitation, user: User, by: Actor) -> None:
    if invitation.driver.user_id not in (None, user.pk):
        raise NotFound(OVER)
    attach(invitation.driver, user, by=by, action="driver.invitation_accepted")


def _require_invitable(driver: Driver) -> None:
    if driver.retired_at is not None:
        raise Conflict("The driver is no more.")
    if driver.user_id is not None:
        raise Conflict("The driver has an account already.")
    if not driver.email:
        raise Invalid("Give the driver an e-mail address first.", field="email")
    since = clock.now() - AGAIN_AFTER
    if DriverInvitation.objects.filter(driver=driver, email=driver.email, created_at__gt=since).exists():
        raise Passing("The driver was invited just now. Wait a minute before the next invitation.")


def _words(driver: Driver, secret: str) -> dict[str, Any]:
    link = f"{settings.PUBLIC_URL}{reverse(PAGE, args=[secret])}"
    names = {"operator": driver.organization.name, "name": driver.name, "link": link, "days": VALID_FOR.days}
    with override(driver.language or settings.LANGUAGE_CODE):
        subject = gettext("%(operator)s: your account for charging") % names
        text = gettext(LETTER) % names
    return {"subject": subject, "text": text}
