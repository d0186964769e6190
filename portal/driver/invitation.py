"""The page behind the link of an invitation: choose a password, or accept with the account that there is."""

from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.access import Actor
from core.errors import Invalid
from drivers.models import DriverInvitation
from drivers.services import invitations
from portal.driver.entry import public
from stations.services.driving import actor_of_driver

AFTER = "/me/"


@require_http_methods(["GET", "HEAD", "POST"])
@public
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    """Looking at it changes nothing, so that what reads mails ahead uses nothing up."""
    response = _answer(request, invitations.find(secret))
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _answer(request: HttpRequest, invitation: DriverInvitation) -> HttpResponse:
    known, signed_in = invitations.known(invitation), request.user.is_authenticated
    if request.method == "POST" and signed_in:
        invitations.accept_as(invitation, request.user, by=_actor(request, invitation))  # type: ignore[arg-type]
        return redirect(AFTER)
    if request.method == "POST" and known:
        return redirect(_sign_in(request))
    if request.method == "POST":
        return _made(request, invitation)
    return _page(request, invitation, known=known, sign_in=_sign_in(request))


def _made(request: HttpRequest, invitation: DriverInvitation) -> HttpResponse:
    password = request.POST.get("password", "")
    try:
        if password != request.POST.get("again", ""):
            raise Invalid(_("The two passwords are not the same."), field="again")
        user = invitations.accept_anew(invitation, password=password, by=_actor(request, invitation))
    except Invalid as error:
        return _page(request, invitation, error=error, status=422)
    record_authentication(request, user, "password", email=user.email)
    answer: HttpResponse = perform_login(request, user, email_verification="none", redirect_url=AFTER)
    return answer


def _page(
    request: HttpRequest, invitation: DriverInvitation, *, status: int = 200, **more: Any
) -> HttpResponse:
    mine = request.user.is_authenticated and request.user.email.lower() == invitation.email.lower()
    context = {"invitation": invitation, "mine": mine, **more}
    return render(request, "driver/invitation.html", context, status=status)


def _sign_in(request: HttpRequest) -> str:
    return f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': request.path})}"


def _actor(request: HttpRequest, invitation: DriverInvitation) -> Actor:
    address, number = request.META.get("REMOTE_ADDR", ""), getattr(request, "request_id", "")
    return actor_of_driver(invitation.driver, address=address, request_id=number)
