"""What was answered about tokens, and why: the authorization log."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Upper

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.authorization import Rule, Verdict
from drivers.models import Driver, IdToken
from stations.domain.words import Asked
from stations.models.sites import Site
from stations.models.stations import ChargingStation


class AuthorizationAnswerQuerySet(ScopedQuerySet["AuthorizationAnswer"]):
    limit_path = "site_id"


class AuthorizationAnswer(models.Model):
    """One answer about a token to a station or to who started from afar, with the rule that decided.

    Written with each Authorize, so it has no constraints that the database would look up elsewhere. ``id``
    grows with ``at``; rows are dropped after their time (`stations.services.authorization_log`). ``reason`` is
    the sentence of its moment. ``evse_id`` and ``transaction`` are known of starts.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    site = models.ForeignKey(
        Site, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False
    )
    station = models.ForeignKey(
        ChargingStation,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="authorization_answers",
    )
    evse_id = models.IntegerField(null=True)
    transaction_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    ocpp_version = models.CharField(max_length=5, blank=True)
    asked = models.CharField(max_length=12, choices=[(word.value, word.value) for word in Asked])
    token_value = models.CharField(max_length=255)
    token_type = models.CharField(max_length=20, blank=True)
    token = models.ForeignKey(
        IdToken, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False
    )
    driver = models.ForeignKey(
        Driver, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False
    )
    verdict = models.CharField(max_length=20, choices=[(word.value, word.value) for word in Verdict])
    rule = models.CharField(max_length=20, choices=[(word.value, word.value) for word in Rule])
    reason = models.CharField(max_length=300, blank=True)

    objects = AuthorizationAnswerQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["organization", "-id"], name="authorization_by_org"),
            models.Index(
                fields=["organization", "-id"],
                condition=~models.Q(verdict=Verdict.ACCEPTED.value),
                name="authorization_refused",
            ),
            models.Index(fields=["station", "-id"], name="authorization_by_station"),
            models.Index(Upper("token_value"), "organization", name="authorization_by_value"),
            models.Index(
                fields=["token", "-id"], condition=~models.Q(token=None), name="authorization_by_token"
            ),
            models.Index(
                fields=["driver", "-id"], condition=~models.Q(driver=None), name="authorization_by_driver"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.asked} {self.verdict}"

    @property
    def limit_id(self) -> UUID | None:
        return self.site_id

    @property
    def accepted(self) -> bool:
        return self.verdict == Verdict.ACCEPTED
