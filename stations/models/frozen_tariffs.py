"""What a session costs: the tariff as it was at its start, and the price so far (tariffs T-42, T-44)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import ScopedQuerySet
from stations.models.evses import Evse
from stations.models.transactions import Transaction
from tariffs.models import TariffVersion


class Level(models.TextChoices):
    """Where the tariff of a session was found, the first that has one."""

    CONTRACT = "contract", _("Contract")
    EVSE = "evse", _("EVSE")
    STATION = "station", _("Station")
    SITE = "site", _("Site")
    ORGANIZATION = "organization", _("Organization")
    HAND = "hand", _("Chosen by hand")


class CostState(models.TextChoices):
    RUNNING = "running", _("Running")
    FINAL = "final", _("Final")
    REVIEW = "review", _("Needs review")


class CostDecision(models.TextChoices):
    """How a person settled what could not be priced."""

    TARIFF = "tariff", _("Priced again")
    AMOUNT = "amount", _("Amount set by hand")
    WAIVED = "waived", _("Waived")


class FrozenTariff(models.Model):
    """A full copy of the version that held at a session's start, with all else that its price depends on.

    ``at_receipt``: none held at the station's time of the start, so that of the time of its receipt was taken.
    ``reserved_from`` and ``reserved_until``: the session uses a reservation, whose tariff this is, accepted and
    ending then; its price begins with the reservation (T-25). ``tariff_changes``: since when later versions of a
    dynamic tariff count, by which steps are left out (T-19); empty where its prices were taken in before that was kept.
    """

    transaction = models.OneToOneField(
        Transaction, on_delete=models.CASCADE, primary_key=True, related_name="frozen_tariff"
    )
    version = models.ForeignKey(TariffVersion, on_delete=models.PROTECT, related_name="+")
    level = models.CharField(max_length=12, choices=Level.choices)
    document = models.TextField()
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=64)
    policy = models.CharField(max_length=40)
    basis = models.CharField(max_length=5)
    at_receipt = models.BooleanField(default=False)
    reserved_from = models.DateTimeField(null=True)
    reserved_until = models.DateTimeField(null=True)
    tariff_changes = ArrayField(models.DateTimeField(), default=list)
    frozen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.transaction} · {self.version}"


class Figures(models.Model):
    """What something costs. Amounts are payable: whole minor units, ``None`` where a tax is not known.

    ``answer`` is the whole price as JSON (tariffs section 14), ``texts`` its lines in each language. With a
    ``decision`` of a person it stays as it is; who and why stand beside it.
    """

    currency = models.CharField(max_length=3, blank=True)
    excl_vat = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    vat = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    incl_vat = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    answer = models.JSONField(default=dict)
    texts = models.JSONField(default=dict)
    computed_at = models.DateTimeField()
    decision = models.CharField(max_length=6, choices=CostDecision.choices, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_known(self) -> bool:
        return self.currency != "" and (self.incl_vat is not None or self.excl_vat is not None)

    @property
    def shown(self) -> Decimal | None:
        """What a person pays, taxes included."""
        return self.incl_vat

    @property
    def lines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.answer.get("lines", [])
        return found


DECIDED_BY_SOMEONE = models.Q(decision="", decided_at=None) | (
    ~models.Q(decision="") & models.Q(decided_by__gt="", decided_at__isnull=False, reason__gt="")
)


class SessionCostQuerySet(ScopedQuerySet["SessionCost"]):
    organization_path = "transaction__organization_id"
    limit_path = "transaction__site_id"


class SessionCost(Figures):
    """What a session costs so far or in the end; ``review`` where it cannot be priced, with the cause.

    ``priced_until`` is the end of what was priced, ``measured_at`` the latest message that was looked at.
    ``is_free``: the tariff has no price but 0. ``told_*`` says what the station was told last. ``prices`` are those
    of the moment up to which it was priced, where they can change; ``price_changed_at``: since when they are so,
    ``price_changes_at``: when the clock changes them next.
    """

    transaction = models.OneToOneField(
        Transaction, on_delete=models.CASCADE, primary_key=True, related_name="cost"
    )
    state = models.CharField(max_length=7, choices=CostState.choices)
    cause = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField()
    is_free = models.BooleanField(default=False)
    priced_until = models.DateTimeField(null=True)
    measured_at = models.DateTimeField(null=True)
    told_incl_vat = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    told_at = models.DateTimeField(null=True)
    prices = models.JSONField(null=True)
    price_changed_at = models.DateTimeField(null=True)
    price_changes_at = models.DateTimeField(null=True)

    objects = SessionCostQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="review", cause__gt="")
                | models.Q(state__in=["running", "final"], cause=""),
                name="session_cost_review_has_cause",
            ),
            models.CheckConstraint(condition=DECIDED_BY_SOMEONE, name="session_cost_decided_by_someone"),
        ]
        indexes = [
            models.Index(
                fields=["computed_at"], condition=models.Q(state="running"), name="session_cost_running"
            ),
            models.Index(
                fields=["computed_at"], condition=models.Q(state="final"), name="session_cost_final"
            ),
            models.Index(fields=["since"], condition=models.Q(state="review"), name="session_cost_review"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction} · {self.state}"

    @property
    def organization_id(self) -> UUID:
        return self.transaction.organization_id

    @property
    def limit_id(self) -> UUID | None:
        return self.transaction.site_id

    @property
    def is_final(self) -> bool:
        return self.state == CostState.FINAL


class ConnectorState(models.Model):
    """What a connector of OCPP 1.6 said it does, and since when; 2.x sessions say so themselves.

    Written by a trigger of migration 0016, since connectors are written by statements for many stations.
    """

    id = models.BigAutoField(primary_key=True)
    evse = models.ForeignKey(Evse, on_delete=models.CASCADE, db_index=False, related_name="+")
    connector_id = models.PositiveIntegerField()
    status = models.CharField(max_length=40)
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["evse", "at"], name="connector_state_by_evse")]

    def __str__(self) -> str:
        return f"{self.evse_id} · {self.status}"
