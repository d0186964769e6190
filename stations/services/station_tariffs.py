"""Tariffs that stations keep: what was set, changed, told and cleared (OCPP 2.1 block I).

A station's answer decides; a refused tariff is kept with the word of the refusal where none of that name holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from core import clock
from core.access import Actor
from core.errors import Invalid
from stations import live
from stations.domain.intents.raw import Call
from stations.domain.intents.station_tariffs import (
    ChangeTransactionTariff,
    NotifyWebPaymentStarted,
    SetDefaultTariff,
)
from stations.domain.station import StationSide
from stations.domain.station_tariffs import StationTariffStatus, TariffAssigned, TariffCleared, TariffKind
from stations.domain.words import CommandStatus, TransactionStatus
from stations.models import Alert, ChargingStation, Command, StationTariff, Transaction
from stations.services import alerts, preconditions, told_tariffs

CHANGE = "ChangeTransactionTariff"
TARIFFS_MAX = 500
EVSE_MAX = 2**31 - 1
UNUSABLE = "tariff_unusable"
TIMEOUT_MAX_S = 3600


def prepare_default(station: ChargingStation, intent: SetDefaultTariff, by: Actor) -> SetDefaultTariff:
    """Raises :class:`Invalid` for a tariff without a name and for an EVSE that is not there."""
    preconditions.require_evse(station, intent.evse_id)
    _require_name(intent.tariff)
    return intent


def prepare_change(
    station: ChargingStation, intent: ChangeTransactionTariff, by: Actor
) -> ChangeTransactionTariff:
    """Name the running session; without a tariff its station is told that of the session.

    Raises :class:`NotFound` and :class:`Invalid`; :class:`Conflict` too for a tariff by which it is not billed (T-42).
    """
    session = preconditions.running(station, intent.transaction, by)
    tariff = told_tariffs.checked(session, intent.tariff)
    _require_name(tariff)
    return replace(intent, reference=session.reference, tariff=tariff)


def prepare_call(station: ChargingStation, intent: Call, by: Actor) -> Call:
    """Whatever is said in the words of the wire, too, a running session keeps the tariff by which it is billed."""
    if intent.action == CHANGE and isinstance(intent.payload.get("tariff"), Mapping):
        running = Transaction.objects.filter(station=station, status=TransactionStatus.ACTIVE.value)
        named = running.filter(reference=str(intent.payload.get("transactionId", ""))[:64]).first()
        if named is not None:
            told_tariffs.checked(named, intent.payload["tariff"])
    return intent


def prepare_web_payment(
    station: ChargingStation, intent: NotifyWebPaymentStarted, by: Actor
) -> NotifyWebPaymentStarted:
    """Raises :class:`Invalid` for an EVSE that is not there and a time that is too long."""
    preconditions.require_evse(station, intent.evse_id)
    if not 1 <= intent.timeout_s <= TIMEOUT_MAX_S:
        raise Invalid(f"A payment may take 1 to {TIMEOUT_MAX_S} seconds.", field="timeout_s")
    return intent


def default_settled(command: Command) -> None:
    """A new default takes the place of the earlier one at its EVSEs, unless it only holds later."""
    _default_told(command, int(command.parameters["evse_id"]), command.parameters["tariff"])


def default_called(command: Command) -> None:
    """The same in the words of the wire."""
    said = command.parameters["payload"]
    evse_id, tariff = said.get("evseId"), said.get("tariff")
    if command.sent_at is not None and _has_name(tariff) and _is_evse(evse_id):
        _default_told(command, evse_id, tariff)


def _default_told(command: Command, evse_id: int, tariff: Any) -> None:
    key = {"kind": TariffKind.DEFAULT.value, "evse_id": evse_id, "transaction": None}
    if command.status == CommandStatus.ACCEPTED and _holds_now(tariff):
        earlier = _installed(command.station_id).filter(kind=TariffKind.DEFAULT.value)
        earlier = earlier.filter(evse_id=evse_id) if evse_id else earlier
        earlier.filter(Q(valid_from=None) | Q(valid_from__lte=clock.now())).update(
            status=StationTariffStatus.REPLACED.value
        )
    _note(command, tariff, key)


def change_settled(command: Command) -> None:
    """The tariff of a running session from now on."""
    pk = UUID(command.parameters["transaction"])
    session = Transaction.objects.select_related("evse").get(pk=pk)
    _change_told(command, session, command.parameters["tariff"])


def change_called(command: Command) -> None:
    """The same in the words of the wire; of a session that we know."""
    said = command.parameters["payload"]
    named = Transaction.objects.select_related("evse").filter(
        station=command.station_id, reference=str(said.get("transactionId", ""))[:64]
    )
    session = named.order_by("-started_at").first()
    if command.sent_at is not None and session is not None and _has_name(said.get("tariff")):
        _change_told(command, session, said["tariff"])


def _change_told(command: Command, session: Transaction, tariff: Any) -> None:
    if command.status == CommandStatus.ACCEPTED:
        earlier = _installed(command.station_id).filter(transaction=session)
        earlier.update(status=StationTariffStatus.REPLACED.value)
    evse_id = session.evse.evse_id if session.evse else 0
    key = {"kind": TariffKind.TRANSACTION.value, "evse_id": evse_id, "transaction": session}
    _note(command, tariff, key)


def told(station: StationSide, evse_id: int, assigned: Sequence[TariffAssigned], at: datetime) -> None:
    """The station has these at that EVSE (0: at all of them) and no others."""
    with atomic():
        present: list[UUID] = []
        for one in assigned[:TARIFFS_MAX]:
            for place in one.evse_ids or (evse_id,):
                present.append(_keep(station.station_id, one, place, at))
        rest = _installed(station.station_id).exclude(kind=TariffKind.TRANSACTION.value)
        rest = rest.filter(evse_id__in=[0, evse_id]) if evse_id else rest
        rest.exclude(pk__in=present).filter(told_at__lt=at).update(
            status=StationTariffStatus.CLEARED.value, detail="The station does not report it any more."
        )
        _tell(station.organization_id, station.site_id, station.station_id)


def cleared(
    station: StationSide, evse_id: int | None, results: Sequence[TariffCleared], at: datetime
) -> None:
    """What became of each; a tariff that the station does not know is gone as well."""
    with atomic():
        for result in results:
            rows = _installed(station.station_id).exclude(kind=TariffKind.TRANSACTION.value)
            rows = rows.filter(evse_id=evse_id) if evse_id else rows
            rows = rows.filter(tariff_id=result.tariff_id) if result.tariff_id else rows
            if result.status == "Rejected":
                rows.update(detail=f"Not cleared: {result.status} {result.detail}".strip()[:200], told_at=at)
            else:
                rows.update(status=StationTariffStatus.CLEARED.value, detail=result.status[:200], told_at=at)
        _tell(station.organization_id, station.site_id, station.station_id)


def _is_evse(number: Any) -> bool:
    return isinstance(number, int) and 0 <= number <= EVSE_MAX


def _has_name(tariff: Any) -> bool:
    name = tariff.get("tariffId") if isinstance(tariff, Mapping) else None
    return isinstance(name, str) and 1 <= len(name) <= 60


def _require_name(tariff: Any) -> None:
    if not _has_name(tariff):
        raise Invalid("The tariff needs a “tariffId” of 1 to 60 characters.", field="tariff")


def _note(command: Command, tariff: Any, key: dict[str, Any]) -> None:
    status = {
        CommandStatus.ACCEPTED: StationTariffStatus.INSTALLED,
        CommandStatus.REJECTED: StationTariffStatus.REFUSED,
    }.get(CommandStatus(command.status), StationTariffStatus.FAILED)
    answer = str((command.response or {}).get("status", "") or (command.error or {}).get("description", ""))
    values = {"tariff": tariff, "valid_from": _valid_from(tariff), "told_at": clock.now()}
    name = {"station_id": command.station_id, "tariff_id": tariff["tariffId"], **key}
    if status is not StationTariffStatus.INSTALLED and _installed(command.station_id).filter(**name).exists():
        return
    StationTariff.objects.update_or_create(
        **name, defaults={**values, "status": status.value, "detail": answer[:200]}
    )
    _tell(command.organization_id, command.station.site_id, command.station_id)


def _keep(station_id: UUID, one: TariffAssigned, evse_id: int, at: datetime) -> UUID:
    row, _ = StationTariff.objects.update_or_create(
        station_id=station_id,
        kind=one.kind.value,
        tariff_id=one.tariff_id[:60],
        evse_id=evse_id,
        transaction=None,
        defaults={
            "status": StationTariffStatus.INSTALLED.value,
            "detail": "",
            "valid_from": one.valid_from,
            "token_values": list(one.token_values),
            "told_at": at,
        },
    )
    return row.pk


def _installed(station_id: UUID) -> QuerySet[StationTariff]:
    return StationTariff.objects.filter(station_id=station_id, status=StationTariffStatus.INSTALLED.value)


def _holds_now(tariff: Any) -> bool:
    begin = _valid_from(tariff)
    return begin is None or begin <= clock.now()


def _valid_from(tariff: Any) -> datetime | None:
    try:
        begin = datetime.fromisoformat(str(tariff["validFrom"]))
    except (KeyError, ValueError):
        return None
    return begin if begin.tzinfo else None


def _tell(organization_id: UUID, site_id: UUID | None, station_id: UUID) -> None:
    live.announce_on_commit("station", organization_id, station_id, site_id=site_id, station_id=station_id)


def unusable(station: StationSide, reason: str, at: datetime) -> None:
    """The station cannot use a tariff that came with a token; its default tariff is expected from now on (I08)."""
    alerts.raise_(
        UNUSABLE,
        station_id=station.station_id,
        organization_id=station.organization_id,
        severity=Alert.Severity.WARNING,
        detail=f"The station cannot use the tariff told with a token, and shows its default tariff: {reason}",
        at=at,
    )


def try_again(station: StationSide, at: datetime) -> None:
    """A tariff is told anew; whether the station can use it is open again."""
    alerts.clear(UNUSABLE, station_id=station.station_id, at=at)
