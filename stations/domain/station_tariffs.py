"""Tariffs that stations keep and price with (OCPP 2.1 block I)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TariffKind(StrEnum):
    DEFAULT = "default"
    DRIVER = "driver"
    TRANSACTION = "transaction"


class StationTariffStatus(StrEnum):
    REQUESTED = "requested"
    INSTALLED = "installed"
    REPLACED = "replaced"
    REFUSED = "refused"
    FAILED = "failed"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffAssigned:
    """A tariff as the station tells of it: for which EVSEs (0: all) or for which tokens."""

    tariff_id: str
    kind: TariffKind
    evse_ids: tuple[int, ...] = ()
    valid_from: datetime | None = None
    token_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffCleared:
    """What became of clearing one tariff; ``tariff_id`` is empty where none was found."""

    tariff_id: str
    status: str
    detail: str = ""
