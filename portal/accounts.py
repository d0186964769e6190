"""Signing in: no open sign-up, a second factor for everybody who operates, sessions that end when idle."""

from datetime import timedelta
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, logout
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from core import clock, keys
from core.models import Membership, User
from stations.models import SiteLimit

IDLE_LIMIT = timedelta(minutes=30)
LONGEST_SESSION = timedelta(hours=12)
REMEMBER_EVERY = timedelta(minutes=1)
SEEN = "seen_at"
BEGAN = "began_at"
SEED = "second factor"
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class AccountAdapter(DefaultAccountAdapter):
    """People are invited, or made by a command; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """At the configured address, whatever host the request named (security.md W-12)."""
        url = super().get_reset_password_from_key_url(key)
        return f"{settings.PUBLIC_URL}{urlsplit(url).path}"

    def reauthenticate(self, user: User, password: str) -> bool:
        """By the address the person signs in with, which need not be confirmed."""
        proven = self.authenticate(self.request, email=user.email, password=password)
        return proven is not None and proven.pk == user.pk

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Not within the minutes after a sign-in, which has just proven the same."""
        return not recently_proven(self.request)


class FactorAdapter(DefaultMFAAdapter):
    """Seeds of authenticator apps and recovery codes are sealed with a key outside the database."""

    def encrypt(self, text: str) -> str:
        return keys.seal(text, purpose=SEED)

    def decrypt(self, encrypted_text: str) -> str:
        """Seeds from before they were sealed hold no colon."""
        return keys.unseal(encrypted_text, purpose=SEED) if ":" in encrypted_text else encrypted_text


def second_factors() -> QuerySet[Authenticator]:
    """Authenticator apps and passkeys; recovery codes alone are none."""
    return Authenticator.objects.filter(type__in=FACTORS)


def memberships_of(user_id: object) -> QuerySet[Membership]:
    """A person's memberships with ``limited_sites`` and whether the person ``has_second_factor``: one query."""
    factors = second_factors().filter(user_id=OuterRef("user_id"))
    limits = SiteLimit.objects.filter(membership=OuterRef("pk")).values("site_id")
    return (
        Membership.objects.filter(user_id=user_id)
        .select_related("organization", "user")
        .annotate(has_second_factor=Exists(factors), limited_sites=ArraySubquery(limits))
        .order_by("organization__name")
    )


def signed_in(request: HttpRequest) -> list[Membership] | None:
    """The memberships of whoever is signed in; ``None`` for nobody. Sets ``request.user``.

    Person and grants come in one query, checked as Django's own sign-in checks: the session's hash must
    be that of the password. A person without any membership is looked up by Django.
    """
    user_id = request.session.get(SESSION_KEY)
    found = list(memberships_of(user_id)) if user_id else []
    if not found or not _vouched_for(found[0].user, request):
        return found if request.user.is_authenticated else None
    request.user = found[0].user
    return found


def _vouched_for(user: User, request: HttpRequest) -> bool:
    said = request.session.get(HASH_SESSION_KEY, "")
    return user.is_active and constant_time_compare(said, user.get_session_auth_hash())


def lacks_second_factor(membership: Membership) -> bool:
    """Whether the member must set up a second factor before working here (security.md W-11)."""
    return not membership.has_second_factor and not membership.organization.demo


def may_enter_admin(request: HttpRequest) -> bool:
    """Platform staff with a second factor; where the only organizations are demos, without (W-33)."""
    user = request.user
    if not (user.is_active and user.is_staff):
        return False
    if second_factors().filter(user=user).exists():
        return True
    return user.memberships.exists() and not user.memberships.filter(organization__demo=False).exists()


def recently_proven(request: HttpRequest) -> bool:
    """Whether password or passkey was given in the last minutes (``ACCOUNT_REAUTHENTICATION_TIMEOUT``)."""
    records = request.session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    last = max((record.get("at", 0) for record in records), default=0)
    return clock.now().timestamp() - last < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


def keep_alive(request: HttpRequest) -> bool:
    """Note the activity; ``False``, with the session ended, after 30 idle minutes or 12 hours in all (W-10).

    What pages fetch by themselves (header ``X-Live``, or the stream) is no activity.
    """
    now = clock.now().timestamp()
    session = request.session
    last, began = session.get(SEEN), session.get(BEGAN, now)
    if last is not None and now - last > IDLE_LIMIT.total_seconds():
        return _end(request, "idle")
    if now - began > LONGEST_SESSION.total_seconds():
        return _end(request, "12 h")
    passive = "X-Live" in request.headers or getattr(request, "passive", False)
    if last is None or (not passive and now - last > REMEMBER_EVERY.total_seconds()):
        session[SEEN], session[BEGAN] = now, began
    return True


def _end(request: HttpRequest, why: str) -> bool:
    request.ended_by = why  # type: ignore[attr-defined]  # the audit tells it
    logout(request)
    return False
