"""Signing in and out, and what guards it, in the audit (security.md W-27).

What a person does at the door concerns every organization the person belongs to, so each gets its row;
a try that nobody stands behind is a row of the platform. Passwords and codes are never in it.
"""

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from django.contrib.auth import signals as auth
from django.db.models import Model
from django.db.transaction import atomic
from django.dispatch import Signal
from django.http import HttpRequest

from core import audit
from core.access import Actor, ActorKind
from core.models import User


def note(action: str, user: User, request: HttpRequest | None, *, reason: str = "") -> None:
    """One row for each organization of the person, or one of the platform."""
    places = list(user.memberships.values_list("organization_id", flat=True)) or [None]
    with atomic():
        for place in places:
            audit.record(action, user, by=_person(user, place, request), reason=reason)


def connect() -> None:
    """Listen to what allauth and Django say; called once, when the portal is loaded."""
    account.user_logged_in.connect(_signed_in)
    auth.user_logged_out.connect(_signed_out)
    auth.user_login_failed.connect(_refused)
    _tell(account.password_changed, "password.changed")
    _tell(account.password_set, "password.changed")
    _tell(account.password_reset, "password.reset")
    _tell(mfa.authenticator_added, "second_factor.added")
    _tell(mfa.authenticator_removed, "second_factor.removed")
    _tell(mfa.authenticator_reset, "second_factor.renewed")
    _tell(mfa.authenticator_used, "second_factor.used")
    _tell(mfa.authentication_failed, "second_factor.refused")


def _tell(signal: Signal, action: str) -> None:
    def heard(user: User, request: HttpRequest | None = None, **more: Any) -> None:
        thing = more.get("authenticator")
        note(action, user, request, reason=str(thing.type) if isinstance(thing, Model) else "")

    signal.connect(heard, weak=False)


def _signed_in(user: User, request: HttpRequest, **_: Any) -> None:
    note("sign_in.succeeded", user, request)


def _signed_out(user: User | None, request: HttpRequest, **_: Any) -> None:
    if user is not None:
        note("sign_out", user, request, reason=getattr(request, "ended_by", ""))


def _refused(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """A wrong password, or an address that nobody has; the page says the same of both."""
    email = str(credentials.get("email") or credentials.get("username") or "")
    user = User.objects.filter(email__iexact=email).first() if email else None
    if user is not None:
        note("sign_in.refused", user, request)
    elif email:
        stranger = User(email=email[:200])
        audit.record("sign_in.refused", stranger, by=_person(stranger, None, request))


def _person(user: User, organization_id: Any, request: HttpRequest | None) -> Actor:
    return Actor(
        kind=ActorKind.USER,
        label=f"user:{user.email}",
        organization_id=organization_id,
        subject_id=user.pk,
        address=request.META.get("REMOTE_ADDR", "") if request else "",
        request_id=getattr(request, "request_id", ""),
    )
