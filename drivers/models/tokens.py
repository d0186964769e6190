"""Identification of drivers: tokens and their groups (OCPP 2.0.1 IdToken, 1.6 idTag)."""

from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core import clock
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models.blocks import Blockable
from drivers.models.drivers import Driver
from drivers.models.policies import at_once_field

UNTYPED = "ISO14443"


class TokenStatus(models.TextChoices):
    ACCEPTED = "accepted", _("Accepted")
    BLOCKED = "blocked", _("Blocked")
    EXPIRED = "expired", _("Expired")
    INVALID = "invalid", _("Invalid")


class TokenType(models.TextChoices):
    """The words of OCPP 2.0.1 (IdTokenEnumType) and those that 2.1 added."""

    ISO14443 = "ISO14443", "RFID (ISO 14443)"
    ISO15693 = "ISO15693", "RFID (ISO 15693)"
    KEY_CODE = "KeyCode", _("PIN code")
    LOCAL = "Local", _("Made by the station")
    MAC_ADDRESS = "MacAddress", _("Vehicle MAC address")
    EMAID = "eMAID", _("Plug & Charge contract (eMAID)")
    CENTRAL = "Central", _("App or portal")
    NO_AUTHORIZATION = "NoAuthorization", _("No authorization")
    DIRECT_PAYMENT = "DirectPayment", _("Card terminal")
    EVCCID = "EVCCID", _("Vehicle id (EVCCID)")
    VIN = "VIN", _("Vehicle identification number")


OF_21 = (TokenType.DIRECT_PAYMENT, TokenType.EVCCID, TokenType.VIN)
"""Types that stations of OCPP 2.0.1 do not know."""


class TokenGroupQuerySet(ScopedQuerySet["TokenGroup"]):
    def live(self) -> "TokenGroupQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class TokenGroup(models.Model):
    """Tokens that may stop each other's sessions (OCPP groupIdToken, 1.6 parentIdTag)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    name = models.CharField(_("name"), max_length=100)
    token = models.CharField(_("group token"), max_length=36, blank=True)
    master_pass = models.BooleanField(_("may stop every session (master pass)"), default=False)
    sessions_at_once = at_once_field()
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TokenGroupQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                "organization",
                condition=models.Q(retired_at=None),
                name="token_group_name_once",
            ),
            models.UniqueConstraint(  # stations know a group by it alone
                Lower("token"),
                "organization",
                condition=models.Q(retired_at=None) & ~models.Q(token=""),
                name="token_group_token_once",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="token_group_by_name"),
            models.Index(fields=["organization", "created_at", "id"], name="token_group_by_creation"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class IdTokenQuerySet(ScopedQuerySet["IdToken"]):
    def live(self) -> "IdTokenQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class IdToken(Blockable, models.Model):
    """What a driver shows to a station. Values compare without case (OCPP identifierString, CiString)."""

    UNBLOCKED: ClassVar[str] = TokenStatus.ACCEPTED.value

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    value = models.CharField(_("value"), max_length=255)
    type = models.CharField(_("type"), max_length=20, default=UNTYPED, choices=TokenType.choices)
    label = models.CharField(_("label"), max_length=100, blank=True)
    status = models.CharField(
        _("status"), max_length=10, default=TokenStatus.ACCEPTED, choices=TokenStatus.choices
    )
    group = models.ForeignKey(
        TokenGroup, on_delete=models.SET_NULL, null=True, blank=True, verbose_name=_("group")
    )
    driver = models.ForeignKey(
        Driver,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="tokens",
        verbose_name=_("driver"),
    )
    sessions_at_once = at_once_field()
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = IdTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("value"),
                "type",
                condition=models.Q(retired_at=None),
                name="token_once",
            ),
            models.CheckConstraint(
                condition=models.Q(valid_from=None)
                | models.Q(expires_at=None)
                | models.Q(valid_from__lt=models.F("expires_at")),
                name="token_valid_before_it_expires",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "value", "id"], name="token_by_value"),
            models.Index(fields=["organization", "created_at", "id"], name="token_by_creation"),
        ]

    def __str__(self) -> str:
        return self.label or self.value

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def audit_label(self) -> str:
        """How the audit, which nothing can be erased from, calls the token: not by value or label."""
        return f"Token …{str(self.id)[-8:]}"

    @property
    def expired(self) -> bool:
        return self.own_status == TokenStatus.EXPIRED or (
            self.expires_at is not None and self.expires_at <= clock.now()
        )

    @property
    def masked(self) -> str:
        """The last four characters, for those who may not see personal data."""
        return f"…{self.value[-4:]}"

    def effective_status(self) -> str:
        """The status with the dates and the driver's block taken into account."""
        if self.own_status != TokenStatus.ACCEPTED:
            return self.own_status
        if self.driver is not None and self.driver.blocked:
            return str(TokenStatus.BLOCKED)
        if self.valid_from is not None and self.valid_from > clock.now():
            return str(TokenStatus.INVALID)
        return str(TokenStatus.EXPIRED if self.expired else TokenStatus.ACCEPTED)

    def snapshot(self) -> dict[str, Any]:
        """What the audit keeps of a token."""
        return {
            "status": self.status,
            "group": str(self.group_id or ""),
            "expires_at": str(self.expires_at or ""),
        }
