"""What we refuse to say to a station although it could do it: a start for a token that may not charge there.

A token that is not known here goes to the station all the same, which may know it; it is refused when the
session begins, if nobody knows it.
"""

from drivers.authorization import Verdict
from stations.domain.events import TokenShown
from stations.domain.intents import Intent, RequestStartTransaction
from stations.domain.station import StationRef
from stations.domain.words import Version
from stations.models import ChargingStation, Evse
from stations.services import authorization

CODE = "not_authorized"


def refusal(station: ChargingStation, intent: Intent) -> str:
    """Why the intent is not said; empty where it is. The answer about a token is in the authorization log."""
    if not isinstance(intent, RequestStartTransaction) or not intent.token_value:
        return ""
    evse = Evse.objects.filter(station=station, evse_id=intent.evse_id).first() if intent.evse_id else None
    shown = TokenShown(value=intent.token_value, type=intent.token_type)
    answer = authorization.for_remote_start(_side(station), shown, evse=evse)
    return "" if answer.accepted or answer.verdict is Verdict.UNKNOWN else answer.reason


def _side(station: ChargingStation) -> StationRef:
    spoken = station.presence.ocpp_version
    return StationRef(
        station_id=station.pk,
        organization_id=station.organization_id,
        site_id=station.site_id,
        version=Version(spoken) if spoken else None,
    )
