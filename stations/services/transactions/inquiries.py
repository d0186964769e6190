"""Asking stations how their sessions stand, and what they answer (2.0.1 E14, P161).

An answer ends nothing: a session that the station denies while messages are queued gets its end from the
queue; one that it denies with an empty queue is for a person to look at (``repairing``).
"""

from dataclasses import replace
from datetime import datetime

from django.db.transaction import atomic

from core.access import Actor
from core.errors import Invalid, NotFound
from stations.domain.intents import GetTransactionStatus
from stations.domain.station import StationSide
from stations.models import ChargingStation, StatusAnswer, Transaction
from stations.services.transactions import standing


def prepare(station: ChargingStation, intent: GetTransactionStatus, by: Actor) -> GetTransactionStatus:
    """Name the session as the station does. Raises :class:`NotFound`, and :class:`Invalid` for a 1.6 one."""
    if intent.transaction is None:
        return replace(intent, reference="")
    found = Transaction.objects.visible_to(by).filter(pk=intent.transaction, station=station).first()
    if found is None:
        raise NotFound("There is no such session at this station.", field="transaction")
    if found.number is not None:
        raise Invalid("This session was begun by OCPP 1.6, which has no such question.", field="transaction")
    return replace(intent, reference=found.reference)


def answered(
    station: StationSide, reference: str, *, ongoing: bool | None, messages_in_queue: bool, at: datetime
) -> None:
    """Keep the answer; one about a session that we do not know tells of the queue alone."""
    transaction = None
    if reference:
        known = Transaction.objects.filter(station_id=station.station_id, reference=reference)
        transaction = known.first()
    values = {"ongoing": ongoing, "messages_in_queue": messages_in_queue, "answered_at": at}
    queue_only = {**values, "ongoing": None}
    with atomic():
        StatusAnswer.objects.update_or_create(
            station_id=station.station_id, transaction=None, defaults=queue_only
        )
        if transaction is not None:
            StatusAnswer.objects.update_or_create(
                transaction=transaction, defaults={**values, "station_id": station.station_id}
            )
            standing.announce(transaction)
