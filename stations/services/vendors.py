"""What is understood of vendors' messages: one line for each vendor and message.

Vendors are known by their id in lower case. A handler gets the station and what it sent, and answers;
it may be called again with the same, so it must be safe to repeat.
"""

from collections.abc import Callable, Mapping

from stations.domain.data_transfers import DataTransferred, TransferAnswer, TransferStatus
from stations.domain.station import StationSide
from stations.domain.vendor_data import parsed
from stations.models import Transaction

Handler = Callable[[StationSide, DataTransferred], TransferAnswer]
Handlers = Mapping[tuple[str, str], Handler]

PLUG_AND_CHARGE = "org.openchargealliance.iso15118pnc"
COSTS = "org.openchargealliance.costmsg"


def not_offered(station: StationSide, event: DataTransferred) -> TransferAnswer:
    """Known, and not offered here: the station goes on without it."""
    return TransferAnswer(status=TransferStatus.REJECTED)


def unplugged(station: StationSide, event: DataTransferred) -> TransferAnswer:
    """The car of a session left; kept with the message. A session ends by its stop alone (T-45)."""
    number = parsed(event.data)["transactionId"]
    known = Transaction.objects.filter(station_id=station.station_id, reference=str(number)).exists()
    return TransferAnswer(status=TransferStatus.ACCEPTED if known else TransferStatus.REJECTED)


HANDLERS: Handlers = {
    (COSTS, "ConnectorUnplugged"): unplugged,
    (PLUG_AND_CHARGE, "Authorize"): not_offered,
    (PLUG_AND_CHARGE, "Get15118EVCertificate"): not_offered,
    (PLUG_AND_CHARGE, "GetCertificateStatus"): not_offered,
    (PLUG_AND_CHARGE, "SignCertificate"): not_offered,
}
