"""Tariffs that stations keep, and payments that begin on the web (OCPP 2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from stations.domain.intents.base import Intent
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultTariff(Intent):
    """SetDefaultTariff (I07). ``tariff`` is a TariffType of OCPP; EVSE 0 stands for all."""

    name: ClassVar[str] = "set_default_tariff"
    permission: ClassVar[str] = "tariffs.manage"
    needs: ClassVar[Capability | None] = Capability.TARIFF

    tariff: Mapping[str, Any]
    evse_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTransactionTariff(Intent):
    """ChangeTransactionTariff (I11). ``reference`` is the station's name for the session; services give it.

    An empty ``tariff`` stands for the one by which the session is billed.
    """

    name: ClassVar[str] = "change_transaction_tariff"
    permission: ClassVar[str] = "tariffs.manage"
    needs: ClassVar[Capability | None] = Capability.TARIFF
    may_wait: ClassVar[bool] = False

    transaction: UUID
    tariff: Mapping[str, Any]
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTariffs(Intent):
    """GetTariffs (I09). EVSE 0 stands for all."""

    name: ClassVar[str] = "get_tariffs"
    permission: ClassVar[str] = "tariffs.manage"
    needs: ClassVar[Capability | None] = Capability.TARIFF
    safe_to_repeat: ClassVar[bool] = True

    evse_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearTariffs(Intent):
    """ClearTariffs (I10): the named ones, those of the EVSE, or all."""

    name: ClassVar[str] = "clear_tariffs"
    permission: ClassVar[str] = "tariffs.manage"
    needs: ClassVar[Capability | None] = Capability.TARIFF

    tariff_ids: tuple[str, ...] = ()
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyWebPaymentStarted(Intent):
    """NotifyWebPaymentStarted (C25): somebody pays for the EVSE on the web, for at most ``timeout_s``."""

    name: ClassVar[str] = "notify_web_payment_started"
    permission: ClassVar[str] = "commands.session"
    needs: ClassVar[Capability | None] = Capability.WEB_PAYMENT
    may_wait: ClassVar[bool] = False

    evse_id: int
    timeout_s: int
