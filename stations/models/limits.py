"""What a member or an API key is limited to."""

from django.db import models

from core.ids import uuid7
from core.models import ApiKey, Membership
from stations.models.sites import Site


class SiteLimit(models.Model):
    """One site that a member or key may see. Without any row it sees all sites of the organization."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE)
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, null=True, related_name="site_limits"
    )
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, related_name="site_limits")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(membership=None) ^ models.Q(api_key=None), name="site_limit_of_one"
            ),
            models.UniqueConstraint(fields=["membership", "site"], name="site_limit_member_once"),
            models.UniqueConstraint(fields=["api_key", "site"], name="site_limit_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.membership or self.api_key} · {self.site}"
