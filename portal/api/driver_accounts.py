"""``/drivers/{id}/invitation/``: how a driver comes to an account."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.models import Mail, MailState
from drivers.models import Driver, DriverInvitation
from drivers.services import invitations
from portal.api.resource import Resource, found, with_etag

STATES = ["none", "open", "expired", "withdrawn", "accepted", "account"]


class InvitationView(serializers.Serializer):
    driver = serializers.UUIDField()
    state = serializers.ChoiceField(
        STATES, help_text="Of the last invitation; `account`: the driver signs in without one"
    )
    email = serializers.CharField(help_text="Where the link was sent")
    invited_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    mail = serializers.ChoiceField(MailState.choices, allow_null=True, help_text="How the mail fares")


class DriverInvite(Resource):
    """A link by mail that works once."""

    scopes = {"read": "drivers:read", "write": "drivers:write"}
    serializer_class = InvitationView

    def _driver(self, pk: UUID) -> Driver:
        driver: Driver = found(Driver.objects.live().visible_to(self.actor), pk)
        return driver

    @extend_schema(operation_id="get_driver_invitation")
    def get(self, request: Request, pk: UUID) -> Response:
        """Read how the driver's last invitation stands."""
        return with_etag(request, self.represent(_shown(self._driver(pk))))

    @extend_schema(operation_id="invite_driver", request=None, responses={201: InvitationView})
    def post(self, request: Request, pk: UUID) -> Response:
        """Mail the driver a link to an account; the link before works no more.

        400 without an e-mail address, 409 where the driver has an account or was invited within the last minute.
        """
        return self.once(lambda: self._invite(pk))

    def _invite(self, pk: UUID) -> Response:
        driver = self._driver(pk)
        invitations.invite(driver, by=self.actor)
        return Response(self.represent(_shown(driver)), status=201)

    @extend_schema(operation_id="withdraw_driver_invitation", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Make the link that is on its way worthless; nothing happens where there is none."""
        invitations.withdraw(self._driver(pk), by=self.actor)
        return Response(status=204)


def _shown(driver: Driver) -> dict[str, Any]:
    last = DriverInvitation.objects.filter(driver=driver).first()
    mail = Mail.objects.filter(kind=invitations.MAIL, about=last.pk).first() if last else None
    return {
        "driver": driver.pk,
        "state": _state(driver, last),
        "email": last.email if last else "",
        "invited_at": last and last.created_at,
        "expires_at": last and last.expires_at,
        "accepted_at": last and last.accepted_at,
        "mail": mail and mail.state,
    }


def _state(driver: Driver, last: DriverInvitation | None) -> str:
    if last is None or (driver.user_id is not None and last.accepted_at is None):
        return "account" if driver.user_id else "none"
    if last.accepted_at is not None:
        return "accepted"
    if last.withdrawn_at is not None:
        return "withdrawn"
    return "expired" if last.expires_at <= clock.now() else "open"
