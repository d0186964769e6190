"""Payments that stations settle by a terminal of their own, and VAT numbers that drivers give there (OCPP 2.1)."""

from collections.abc import Callable
from datetime import datetime

from django.db.transaction import atomic

from stations import live
from stations.domain.payments import PaymentSettled, SettlementStatus, VatAnswer
from stations.domain.station import StationSide
from stations.models import Alert, Settlement, Transaction
from stations.services import alerts

NOT_SETTLED = "payment_not_settled"
BAD = frozenset({SettlementStatus.FAILED, SettlementStatus.REJECTED})

VatCheck = Callable[[str], VatAnswer]


def nothing_checks(vat_number: str) -> VatAnswer:
    """No check of VAT numbers is installed, so none is confirmed: a receipt must not claim what nobody looked at."""
    return VatAnswer(valid=False, reason="NotChecked", detail="VAT numbers are not checked here.")


def settle(station: StationSide, event: PaymentSettled, received_at: datetime) -> None:
    """Keep how the payment ended: once for each reference, the latest word of the payment service wins."""
    reference = event.transaction_reference
    session = Transaction.objects.filter(station_id=station.station_id, reference=reference)
    values = {
        "transaction": session.first() if reference else None,
        "transaction_reference": reference,
        "status": event.status.value,
        "detail": event.detail[:500],
        "amount": event.amount,
        "receipt_id": event.receipt_id[:50],
        "receipt_url": event.receipt_url[:2000],
        "vat_number": event.vat_number[:20],
        "vat_company": dict(event.vat_company),
        "settled_at": event.settled_at,
        "received_at": received_at,
    }
    with atomic():
        row, is_new = Settlement.objects.select_for_update().get_or_create(
            station_id=station.station_id, psp_ref=event.psp_ref, defaults=values
        )
        if not is_new and row.settled_at >= event.settled_at:
            return
        if not is_new:
            Settlement.objects.filter(pk=row.pk).update(**values)
        _settle_alert(station, event, received_at)
        live.announce_on_commit(
            "station",
            station.organization_id,
            station.station_id,
            site_id=station.site_id,
            station_id=station.station_id,
        )


def _settle_alert(station: StationSide, event: PaymentSettled, received_at: datetime) -> None:
    """Money that did not come needs a person."""
    if event.status not in BAD:
        alerts.clear(NOT_SETTLED, station_id=station.station_id, at=received_at, subject=event.psp_ref)
        return
    alerts.raise_(
        NOT_SETTLED,
        station_id=station.station_id,
        organization_id=station.organization_id,
        severity=Alert.Severity.WARNING,
        subject=event.psp_ref,
        detail=f"{event.amount} was {event.status.value}: {event.detail or 'no reason given'}",
        at=received_at,
    )
