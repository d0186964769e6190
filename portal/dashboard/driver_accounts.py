"""A driver's account: none, invited, or there; with the mail that carries the invitation."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core import clock
from core.access import Permission
from core.models import Mail
from drivers.models import Driver, DriverInvitation
from drivers.services import invitations
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address


@require_POST
@operator(Permission.DRIVERS_MANAGE)
def invite(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Mail the driver a link to an account, or take the last one back."""
    driver: Driver = load(Driver.objects.visible_to(request.actor).live(), pk)
    if request.POST.get("act") == "withdraw":
        invitations.withdraw(driver, by=request.actor)
        messages.success(request, _("The link works no more."))
    else:
        invitations.invite(driver, by=request.actor)
        messages.success(request, _("The invitation is on its way by mail."))
    return go(request, address(request, "driver", pk))


def context(driver: Driver) -> dict[str, Any]:
    """What the card says: the open invitation, or the last one that ran out, and how its mail fares."""
    last = None if driver.user_id else DriverInvitation.objects.filter(driver=driver).first()
    shown = last if last is not None and last.withdrawn_at is None else None
    return {
        "invitation": shown,
        "invitation_over": shown is not None and shown.expires_at <= clock.now(),
        "invitation_mail": Mail.objects.filter(kind=invitations.MAIL, about=shown.pk).first()
        if shown
        else None,
    }
