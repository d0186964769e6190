"""Types of connectors, learned from the device model (2.0.1 ``ConnectorType``); tariffs may depend on them."""

import re
from collections.abc import Collection, Sequence
from uuid import UUID

from stations.domain.events import VariableReported
from stations.models import Connector, Variable

COMPONENT, VARIABLE = "Connector", "ConnectorType"
_WORD = re.compile(r"[A-Za-z0-9-]{1,20}")
_SAYS_NOTHING = frozenset({"Unknown", "Undetermined"})


def from_variables(station_id: UUID, told: Sequence[VariableReported]) -> None:
    """Let the connectors that are there have the types that the station reports."""
    places = {
        (item.evse_id, item.connector_id): item.value or ""
        for item in told
        if (item.component, item.variable, item.attribute) == (COMPONENT, VARIABLE, "Actual")
    }
    for (evse_id, connector_id), word in sorted(
        places.items(), key=lambda one: (one[0][0] or 0, one[0][1] or 0)
    ):
        if evse_id is not None and _is_type(word):
            rows = Connector.objects.filter(evse__station_id=station_id, evse__evse_id=evse_id)
            rows.filter(connector_id=connector_id or 1).exclude(type=word).update(type=word)


def known(station_ids: Collection[UUID]) -> dict[tuple[UUID, int, int], str]:
    """What the stations reported of connectors before these were first heard of, by station, EVSE and connector."""
    rows = Variable.objects.filter(
        station_id__in=station_ids, component=COMPONENT, variable=VARIABLE, attribute="Actual"
    )
    told = rows.values_list("station_id", "evse_id", "connector_id", "value")
    return {(pk, evse or 0, number or 1): word for pk, evse, number, word in told if word and _is_type(word)}


def _is_type(word: str) -> bool:
    return word not in _SAYS_NOTHING and _WORD.fullmatch(word) is not None
