"""What stations say of their sessions when asked, and what operators decide on those that cannot end by themselves."""

from django.db import models

from core.ids import uuid7
from stations.domain.repairs import DecisionKind
from stations.models.stations import ChargingStation
from stations.models.transactions import Transaction


class StatusAnswer(models.Model):
    """The last answer to GetTransactionStatus: of one session, or of the whole station (2.0.1 E14).

    ``ongoing`` is ``None`` where the station was asked about no session, or did not tell.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="status_answers")
    transaction = models.OneToOneField(
        Transaction, on_delete=models.CASCADE, null=True, related_name="status_answer"
    )
    ongoing = models.BooleanField(null=True)
    messages_in_queue = models.BooleanField()
    answered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["station"],
                condition=models.Q(transaction=None),
                name="status_answer_of_station_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.station} · status of {self.transaction or 'all sessions'}"

    @property
    def nothing_follows(self) -> bool:
        """The station says that the session is over and that it has nothing more to tell."""
        return self.ongoing is False and not self.messages_in_queue


class SessionDecision(models.Model):
    """What an operator decided on a session without an end; the audit tells the same."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction = models.ForeignKey(Transaction, on_delete=models.CASCADE, related_name="decisions")
    kind = models.CharField(max_length=20, choices=[(word.value, word.value) for word in DecisionKind])
    meter_stop_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    waits_until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500)
    decided_by = models.CharField(max_length=200)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=[word.value for word in DecisionKind]),
                name="session_decision_known",
            ),
            models.CheckConstraint(
                condition=models.Q(kind=DecisionKind.WAIT.value) ^ models.Q(waits_until=None),
                name="session_decision_wait_has_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction} · {self.kind}"
