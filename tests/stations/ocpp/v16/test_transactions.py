"""StartTransaction and StopTransaction of 1.6 (ocpp.md P120 to P153): by the wire, then the facts."""

from decimal import Decimal

from stations.models import MeterReading, SignedMeterData, Transaction
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation
from tests.wire.golden import wire


def begin(station: WireStation, **changes: object) -> int:
    number: int = station.call("StartTransaction", wire("v16/StartTransaction.plain", **changes))["transactionId"]
    return number


def test_a_whole_session_becomes_one_transaction(station: WireStation, charger: Charger) -> None:
    started = station.call("StartTransaction", wire("v16/StartTransaction.plain"))
    number = started["transactionId"]
    station.call("MeterValues", wire("v16/MeterValues.three_phases", transactionId=number))
    stopped = station.call("StopTransaction", wire("v16/StopTransaction.with_data", transactionId=number))

    assert started["idTagInfo"] == {"status": "Accepted"}
    assert stopped == {}
    transaction = Transaction.objects.get(station=charger.station)
    assert (transaction.number, transaction.reference, transaction.status) == (number, str(number), "ended")
    assert transaction.energy_wh == Decimal(4000)
    assert transaction.power_max_w == Decimal(11040)
    assert (transaction.soc_start_percent, transaction.stopped_reason) == (Decimal(55), "EVDisconnected")
    assert transaction.flags == []
    readings = MeterReading.objects.filter(transaction=transaction).order_by("occurred_at")
    assert [row.energy_wh for row in readings] == [Decimal(1000), Decimal(3500), Decimal(5000)]
    assert SignedMeterData.objects.get(transaction=transaction).data == "T0NNRnx7fXx7fQ=="
