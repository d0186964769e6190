"""SendLocalList and GetLocalListVersion (1.6 sections 5.15 and 5.10)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from drivers.authorization import Verdict
from stations.domain import intents, timestamps
from stations.domain.events import TokenShown
from stations.domain.local_lists import Entry, Shape
from stations.ocpp import local_lists
from stations.ocpp.context import Json, Socket
from stations.ocpp.portions import Portion
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v16.authorization import TOKEN_MAX, token_info
from stations.services.authorization import Authorization
from stations.services.local_lists import holding, limits

CAPACITY = "LocalAuthListMaxLength"
PER_MESSAGE = "SendLocalListMaxLength"
STATUS: Mapping[str, str] = {
    "Accepted": Verdict.ACCEPTED.value,
    "Blocked": Verdict.BLOCKED.value,
    "Expired": Verdict.EXPIRED.value,
    "Invalid": Verdict.INVALID.value,
}
"""Other words are never said by us, but in raw messages; each of them refuses the token, as Invalid does."""


def send(socket: Socket, intent: intents.SendLocalList) -> OutboundCall:
    """In parts of what the station takes at once, the first one ``Full`` where it is the whole list (P217)."""
    shape = Shape(longest=TOKEN_MAX, typed=False, capacity=limits.key(socket.station_id, CAPACITY))
    limit = Portion(limits.key(socket.station_id, PER_MESSAGE) or limits.USUAL_ITEMS)
    return local_lists.send(socket, intent, shape, limit, _encode, _compose)


def get_version(socket: Socket, intent: intents.GetLocalListVersion) -> OutboundCall:
    return OutboundCall("GetLocalListVersion", {})


def absorb_sent(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    told = [_decode(item) for item in request.get("localAuthorizationList", ())]
    local_lists.absorb(
        socket, request["listVersion"], request["updateType"], told, str(response.get("status", "")), at
    )


def absorb_version(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """-1: the station keeps no list; 0: its list is empty (P217)."""
    holding.version_told(socket.station_id, _bounded(response["listVersion"]), at)


def _encode(entry: Entry, placed: bool) -> Json:
    if not placed:
        return {"idTag": entry.value}
    decision = Authorization(
        verdict=Verdict(entry.status), group_value=entry.group_value, expires_at=entry.expires_at
    )
    return {"idTag": entry.value, "idTagInfo": token_info(decision)}


def _compose(number: int, update_type: str, items: Sequence[Json]) -> Json:
    return {"listVersion": number, "updateType": update_type, "localAuthorizationList": list(items)}


def _decode(item: Json) -> tuple[TokenShown, Entry | None]:
    token, info = TokenShown(value=item["idTag"]), item.get("idTagInfo")
    if info is None:
        return token, None
    return token, Entry(
        value=token.value,
        type="",
        status=STATUS.get(info["status"], Verdict.INVALID.value),
        group_value=info.get("parentIdTag", ""),
        expires_at=timestamps.instant(info.get("expiryDate")),
    )


def _bounded(number: int) -> int:
    return max(-(2**31), min(int(number), 2**53))
