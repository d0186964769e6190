"""What stations told of customers (2.0.1 N09, N10): sealed, for those who may see drivers, forgotten in time."""

from datetime import datetime

from django.db.models import Q
from django.db.transaction import atomic

from core import audit, keys
from core.access import Actor, Permission
from stations.domain.monitoring import PartReceived
from stations.domain.station import StationSide
from stations.models import Command, CustomerData, Report
from stations.services import reports

SEALED_FOR = "customer-information"
MAX_PARTS = 500

About = Report.About


def store_part(station: StationSide, part: PartReceived, data: str, received_at: datetime) -> bool:
    """Keep one part; ``False`` for what nobody asked for, of which nothing is kept."""
    if not _was_asked_for(station, part.request_id):
        return False
    with atomic():
        report = reports.take_part(station, About.CUSTOMER, part, 1, received_at)
        if part.seq_no < MAX_PARTS:
            row = CustomerData(
                report=report,
                seq_no=part.seq_no,
                sealed=keys.seal(data, purpose=SEALED_FOR),
                received_at=received_at,
            )
            CustomerData.objects.bulk_create([row], ignore_conflicts=True)
    return True


def text_of(report: Report, *, by: Actor) -> str:
    """All that was told, in the order of the parts. Leaves an audit row, since it is personal data."""
    by.require(Permission.DRIVERS_VIEW, report.station)
    parts = CustomerData.objects.visible_to(by).filter(report=report).order_by("seq_no")
    text = "".join(keys.unseal(part.sealed, purpose=SEALED_FOR) for part in parts)
    if text:
        audit.record("customer_information.read", report.station, by=by)
    return text


def forget(report: Report, *, by: Actor) -> None:
    """Drop what was told before its time."""
    by.require(Permission.DRIVERS_MANAGE, report.station)
    with atomic():
        if CustomerData.objects.filter(report=report).delete()[0]:
            audit.record("customer_information.forgotten", report.station, by=by)


def _was_asked_for(station: StationSide, request_id: int) -> bool:
    ours = Q(command="customer_information", parameters__request_id=request_id)
    by_expert = Q(
        command="call", parameters__action="CustomerInformation", parameters__payload__requestId=request_id
    )
    return Command.objects.filter(ours | by_expert, station_id=station.station_id).exists()
