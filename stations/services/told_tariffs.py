"""What a station may be told of the price of a running session: what its frozen copy says (tariffs T-42, T-47).

We bill by that copy. A station that was told anything else would show, and with its own terminal take, another price.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from core import clock
from core.errors import Conflict
from stations.models import FrozenTariff, Transaction
from stations.services import dynamic_tariffs
from tariffs import ocpp21_told
from tariffs.pointers import InvalidDocument

_NAMES = frozenset({"tariffId", "description", "validFrom", "customData"})
"""What a tariff of OCPP says beside its prices."""
Told = dict[str, Any]


def of_session(frozen: FrozenTariff, session: Transaction, at: datetime) -> Told | None:
    """The prices that the copy has at that instant, in OCPP's words; ``None`` where these cannot be said exactly.

    A fee for the session is charged at its start, so a later price of a dynamic tariff is told without one.
    """
    held = dynamic_tariffs.holding(frozen, session, at)
    try:
        told = ocpp21_told.convert(held.tariff, tariff_id=str(held.version_id))
    except InvalidDocument:
        return None
    later = {"fixedFee"} if held.version_id != frozen.version_id else set()
    return {name: value for name, value in told.items() if name not in {"validFrom"} | later}


def checked(session: Transaction, tariff: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tariff, or that of the session in place of an empty one. Raises :class:`Conflict` where they differ.

    A session without a tariff of ours is billed by none, so its station may be told any.
    """
    frozen = FrozenTariff.objects.filter(pk=session.pk).select_related("version").first()
    if frozen is None:
        return tariff
    own = of_session(frozen, session, clock.now())
    if own is None:
        raise Conflict(
            "The tariff of the session cannot be said exactly in OCPP 2.1; the station can be told none.",
            field="tariff",
        )
    if tariff and _prices(tariff) != _prices(own):
        raise Conflict(
            "The session is billed by the tariff of its start; the station can be told no other.",
            field="tariff",
        )
    return tariff or own


def _prices(tariff: Mapping[str, Any]) -> Any:
    return _plain({name: value for name, value in tariff.items() if name not in _NAMES})


def _plain(value: Any) -> Any:
    """Numbers by their digits, however they came."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return Decimal(str(value))
    return value
