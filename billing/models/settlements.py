"""What became of each ended session: one row, so that it becomes exactly one thing (billing B-01)."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import ScopedQuerySet
from stations.models import Reservation, Transaction


class Outcome(models.TextChoices):
    WAITING = "waiting", _("Settling")
    SEALED = "sealed", _("Sealed")
    EXCEPTION = "exception", _("Needs a decision")
    WAIVED = "waived", _("Waived")
    NOT_BILLABLE = "not_billable", _("Not billable")


class SettlementQuerySet(ScopedQuerySet["Settlement"]):
    organization_path = "transaction__organization_id"
    limit_path = "transaction__site_id"


class Settlement(models.Model):
    """The way of one ended session to its record. Whoever decides its outcome holds this row's lock.

    ``due_at`` is when its readings have had time to arrive (B-03); ``tries`` counts how often it stumbled;
    ``reason`` says why there is nothing to bill
    (B-13): ``not_priced``, ``staff``, ``free_site``, ``test``, ``waived``, ``merged``. ``merged_into``: it is the later
    half of that session, whose record counts both (B-06). ``person_removed_at``: since then nothing of the session
    tells who charged (B-66).
    """

    transaction = models.OneToOneField(
        Transaction, on_delete=models.PROTECT, primary_key=True, related_name="settlement"
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.WAITING)
    reason = models.CharField(max_length=20, blank=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="halves", db_index=False
    )
    due_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0, db_default=0)
    person_removed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SettlementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=["waived", "not_billable"], reason__gt="")
                | models.Q(outcome__in=["waiting", "sealed", "exception"], reason=""),
                name="settlement_says_why_not",
            ),
            models.CheckConstraint(
                condition=models.Q(merged_into=None) & ~models.Q(reason="merged")
                | models.Q(merged_into__isnull=False, outcome="not_billable", reason="merged"),
                name="settlement_merged_says_into_what",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(outcome="waiting"), name="settlement_waiting"),
            models.Index(
                fields=["due_at"],
                condition=models.Q(person_removed_at=None),
                name="settlement_with_person",
            ),
            models.Index(
                fields=["merged_into"],
                condition=models.Q(merged_into__isnull=False),
                name="settlement_halves",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction} · {self.outcome}"

    @property
    def organization_id(self) -> UUID:
        return self.transaction.organization_id

    @property
    def limit_id(self) -> UUID | None:
        return self.transaction.site_id


class ReservationSettlementQuerySet(ScopedQuerySet["ReservationSettlement"]):
    organization_path = "reservation__station__organization_id"
    limit_path = "reservation__station__site_id"


class ReservationSettlement(models.Model):
    """What became of a reservation that costs something and that no session used; made with its record, or instead.

    The row is the proof that it was billed: its key lets that happen once. ``reason`` as of :class:`Settlement`, or
    ``before_billing``: it had its price when reservations were not billed yet.
    """

    reservation = models.OneToOneField(
        Reservation, on_delete=models.PROTECT, primary_key=True, related_name="settlement"
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    reason = models.CharField(max_length=20, blank=True)
    settled_at = models.DateTimeField()

    objects = ReservationSettlementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=["waived", "not_billable"], reason__gt="")
                | models.Q(outcome="sealed", reason=""),
                name="reservation_settlement_says_why_not",
            )
        ]

    def __str__(self) -> str:
        return f"{self.reservation} · {self.outcome}"

    @property
    def organization_id(self) -> UUID:
        return self.reservation.organization_id

    @property
    def limit_id(self) -> UUID | None:
        return self.reservation.limit_id


class SessionOriginQuerySet(ScopedQuerySet["SessionOrigin"]):
    organization_path = "transaction__organization_id"
    limit_path = "transaction__site_id"


class SessionOrigin(models.Model):
    """Who charged where, by the names of when the session began (B-04); records are made with them.

    ``content`` has ``driver`` and ``place`` as a record has them.
    """

    transaction = models.OneToOneField(
        Transaction, on_delete=models.CASCADE, primary_key=True, related_name="origin"
    )
    content = models.JSONField()
    kept_at = models.DateTimeField()

    objects = SessionOriginQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.transaction)

    @property
    def organization_id(self) -> UUID:
        return self.transaction.organization_id

    @property
    def limit_id(self) -> UUID | None:
        return self.transaction.site_id


class EventCursor(models.Model):
    """Up to which event a reader has read; moved in the transaction of what it made of them."""

    name = models.CharField(max_length=40, primary_key=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.position}"
