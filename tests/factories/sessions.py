"""Sessions that were charged and priced, for tests of what is shown of them."""

from datetime import timedelta
from decimal import Decimal

from django.db.transaction import atomic

from core import clock
from stations.domain import metering
from stations.domain.events import Stamp, TokenShown, TransactionStarted, TransactionStopped
from stations.domain.station import StationRef
from stations.models import ChargingStation, ConnectorState, Transaction
from stations.services import readings, session_costs, transactions
from stations.services.transactions import figures


def side_of(station: ChargingStation) -> StationRef:
    return StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)


def begin(
    station: ChargingStation, *, token: str = "04A2B6C8DA", evse_id: int = 1, minutes: int = 60, wh: int = 0
) -> Transaction:
    """A session that began so many minutes ago at that register."""
    at = clock.now() - timedelta(minutes=minutes)
    event = TransactionStarted(
        evse_id=evse_id,
        connector_id=1,
        token=TokenShown(value=token, type=""),
        meter_start_wh=Decimal(wh),
        stamp=Stamp(occurred_at=at, received_at=clock.now()),
    )
    return transactions.start(side_of(station), event).transaction


def read(session: Transaction, wh: str, *, minutes_ago: int = 1, evse_id: int = 1) -> None:
    """A reading of the outlet's register, taken into the session, and the cost so far."""
    at = clock.now() - timedelta(minutes=minutes_ago)
    sampled = [{"value": wh, "measurand": metering.REGISTER, "unit": "Wh"}]
    sample = metering.from_v16(sampled, occurred_at=at)
    readings.store(session.station_id, evse_id, [sample], received_at=at, transaction_id=session.pk)
    with atomic():
        figures.merge([(session.pk, figures.Candidates([sample], contexts_count=True), None)])
    session.refresh_from_db()
    session_costs.price(session.pk, now=clock.now())


def say(session: Transaction, status: str, *, minutes_ago: int = 0) -> None:
    """What a station of 1.6 said of its connector then."""
    at = clock.now() - timedelta(minutes=minutes_ago)
    ConnectorState.objects.create(
        evse=session.evse, connector_id=session.connector_id or 1, status=status, at=at
    )


def end(session: Transaction, wh: int, *, minutes_ago: int = 0) -> Transaction:
    """Its end now or so long ago, with its final cost."""
    now = clock.now() - timedelta(minutes=minutes_ago)
    assert session.number is not None
    event = TransactionStopped(
        number=session.number, meter_stop_wh=Decimal(wh), stamp=Stamp(occurred_at=now, received_at=now)
    )
    transactions.stop(side_of(session.station), event)
    session_costs.settle(session)
    return Transaction.objects.get(pk=session.pk)
