"""SendLocalList and GetLocalListVersion (2.0.1 block D)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from drivers.authorization import Verdict
from stations.domain import intents, timestamps
from stations.domain.events import TokenShown
from stations.domain.local_lists import Entry, Shape
from stations.ocpp import local_lists
from stations.ocpp.context import Json, Socket
from stations.ocpp.portions import Portion
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.ocpp.v201.authorization import token_info
from stations.ocpp.v201.outbound import TOKEN_TYPES
from stations.services.authorization import Authorization
from stations.services.local_lists import holding, limits

LONGEST = 36
GROUP_LONGEST = 36
"""Of a group that is kept; 2.1 has longer ones, which are none of ours."""

STATUS: Mapping[str, str] = {
    "Accepted": Verdict.ACCEPTED.value,
    "Blocked": Verdict.BLOCKED.value,
    "Expired": Verdict.EXPIRED.value,
    "Invalid": Verdict.INVALID.value,
}
"""Other words are never said by us, but in raw messages; each of them refuses the token, as Invalid does."""


def send(socket: Socket, intent: intents.SendLocalList) -> OutboundCall:
    return send_of(socket, intent, longest=LONGEST, types=tuple(sorted(TOKEN_TYPES)))


def send_of(
    socket: Socket, intent: intents.SendLocalList, *, longest: int, types: tuple[str, ...]
) -> OutboundCall:
    """In parts of what the station takes at once, whatever tokens the version knows."""
    shape = Shape(longest=longest, types=types, capacity=limits.capacity(socket.station_id))
    limit = Portion(limits.items_per_message(socket.station_id), limits.bytes_per_message(socket.station_id))
    return local_lists.send(socket, intent, shape, limit, _encode, _compose)


def get_version(socket: Socket, intent: intents.GetLocalListVersion) -> OutboundCall:
    return OutboundCall("GetLocalListVersion", {})


def absorb_sent(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    told = [_decode(item) for item in request.get("localAuthorizationList", ())]
    local_lists.absorb(
        socket, request["versionNumber"], request["updateType"], told, str(response.get("status", "")), at
    )


def absorb_version(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """0 means that there is no list, or an empty one (D02.FR.02)."""
    holding.version_told(socket.station_id, max(-1, min(int(response["versionNumber"]), 2**53)), at)


def _encode(entry: Entry, placed: bool) -> Json:
    item: dict[str, Any] = {"idToken": {"idToken": entry.value, "type": entry.type}}
    if placed:
        item["idTokenInfo"] = token_info(
            Authorization(
                verdict=Verdict(entry.status), group_value=entry.group_value, expires_at=entry.expires_at
            )
        )
    return item


def _compose(number: int, update_type: str, items: Sequence[Json]) -> Json:
    """An empty list is told by leaving it out (D01.FR.18)."""
    payload: dict[str, Any] = {"versionNumber": number, "updateType": update_type}
    if items:
        payload["localAuthorizationList"] = list(items)
    return payload


def _decode(item: Json) -> tuple[TokenShown, Entry | None]:
    token = TokenShown(value=item["idToken"]["idToken"], type=item["idToken"]["type"])
    info = item.get("idTokenInfo")
    if info is None:
        return token, None
    return token, Entry(
        value=token.value,
        type=token.type,
        status=STATUS.get(info["status"], Verdict.INVALID.value),
        group_value=fields.text(info.get("groupIdToken", {}), "idToken", GROUP_LONGEST),
        expires_at=timestamps.instant(info.get("cacheExpiryDateTime")),
    )
