"""API keys: shown once, stored hashed."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from core import clock
from core.ids import uuid7
from core.models.people import Organization
from core.models.scoped import ScopedQuerySet


class ApiKeyQuerySet(ScopedQuerySet["ApiKey"]):
    pass


class ApiKey(models.Model):
    """A program's way in: one organization, scopes, optional expiry and networks (security.md W-14).

    A ``key`` is sent with each request; the secret of a ``client`` only buys access tokens (OAuth2). After a
    rotation the former secret works until ``former_until``. ``owner_id`` is the person who holds it: who made it or
    rotated it last; of a key that the installation made there is none. ``former_owner_id`` held the former secret.
    """

    class Kind(models.TextChoices):
        KEY = "key", _("API key")
        CLIENT = "client", _("OAuth2 client")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=6, default=Kind.KEY, choices=Kind.choices)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.BinaryField(max_length=32)
    former_digest = models.BinaryField(max_length=32, null=True)
    former_until = models.DateTimeField(null=True)
    rotated_at = models.DateTimeField(null=True)
    scopes = ArrayField(models.CharField(max_length=50), verbose_name=_("scopes"))
    networks = ArrayField(
        models.CharField(max_length=50), default=list, blank=True, verbose_name=_("allowed networks")
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    owner_id = models.UUIDField(null=True)
    former_owner_id = models.UUIDField(null=True)

    by_former = False  # whether it was found by its former secret

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=["key", "client"]), name="api_key_kind_known"),
            models.CheckConstraint(
                condition=models.Q(former_digest=None, former_until=None)
                | models.Q(former_digest__isnull=False, former_until__isnull=False),
                name="api_key_former_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def limit_id(self) -> None:
        return None

    @property
    def usable(self) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > clock.now())

    @property
    def client_id(self) -> str:
        """The name by which an OAuth2 client asks; it stays when the secret is rotated."""
        return f"cy_{self.prefix}"

    @property
    def holder_id(self) -> UUID | None:
        """Whose word it is (W-21): of the person who knows the secret that was sent."""
        return self.former_owner_id if self.by_former else self.owner_id

    @property
    def in_overlap(self) -> bool:
        """Whether the secret before the last rotation still works."""
        return self.former_until is not None and self.former_until > clock.now()


class AccessToken(models.Model):
    """What an OAuth2 client bought for its secret: the way in for an hour, with all or some of its scopes.

    ``owner_id`` is the person who held the secret that it was bought with.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="access_tokens")
    digest = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=50))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    owner_id = models.UUIDField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.key} until {self.expires_at:%Y-%m-%d %H:%M}"

    @property
    def organization_id(self) -> UUID:
        return self.key.organization_id

    @property
    def limit_id(self) -> None:
        return None
