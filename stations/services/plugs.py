"""Types of connectors, learned from the device model (2.0.1 ``ConnectorType``); tariffs may depend on them."""

import re
from collections.abc import Sequence
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


def known(station_id: UUID, evse_id: int, connector_id: int) -> str:
    """What the station reported of a connector before it was first heard of; empty where it did not."""
    rows = Variable.objects.filter(
        station_id=station_id, component=COMPONENT, variable=VARIABLE, attribute="Actual", evse_id=evse_id
    )
    for told_of, word in rows.values_list("connector_id", "value"):
        if (told_of or 1) == connector_id and _is_type(word or ""):
            return str(word)
    return ""


def _is_type(word: str) -> bool:
    return word not in _SAYS_NOTHING and _WORD.fullmatch(word) is not None
