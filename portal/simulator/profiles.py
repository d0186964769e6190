"""Charging profiles: which limit holds for an outlet at an instant. 1.6 and 2.x name their fields alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.simulator.outlet import Outlet, Transaction

Json = Mapping[str, Any]

STATION_MAX = frozenset(
    {"ChargePointMaxProfile", "ChargingStationMaxProfile", "ChargingStationExternalConstraints"}
)
RECURRENCE = {"Daily": timedelta(days=1), "Weekly": timedelta(days=7)}
VOLTS = 230


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it was sent, for one outlet or (0) for the station."""

    number: int
    outlet: int
    purpose: str
    stack_level: int
    kind: str
    recurrence: timedelta | None
    transaction_id: str | None
    schedule: Json
    valid_from: datetime | None
    valid_to: datetime | None
    sent: Json

    @classmethod
    def parse(cls, outlet: int, sent: Json) -> "Profile":
        schedule = sent["chargingSchedule"]
        transaction = sent.get("transactionId")
        return cls(
            number=sent.get("chargingProfileId", sent.get("id", 0)),
            outlet=outlet,
            purpose=sent["chargingProfilePurpose"],
            stack_level=sent["stackLevel"],
            kind=sent["chargingProfileKind"],
            recurrence=RECURRENCE.get(sent.get("recurrencyKind", "")),
            transaction_id=None if transaction is None else str(transaction),
            schedule=schedule[0] if isinstance(schedule, list) else schedule,
            valid_from=_instant(sent.get("validFrom")),
            valid_to=_instant(sent.get("validTo")),
            sent=sent,
        )

    def limit_w(self, outlet: Outlet, now: datetime) -> int | None:
        """The limit now, in watts; None where the profile does not speak."""
        period = self._period(outlet, now)
        if period is None or period.get("limit") is None:
            return None
        limit = float(period["limit"])
        if self.schedule.get("chargingRateUnit") == "A":
            return round(limit * VOLTS * _phases(outlet, period))
        return round(limit)

    def _period(self, outlet: Outlet, now: datetime) -> Json | None:
        if (self.valid_from and now < self.valid_from) or (self.valid_to and now >= self.valid_to):
            return None
        offset = self._offset_seconds(outlet, now)
        duration = self.schedule.get("duration")
        if offset < 0 or (duration is not None and offset >= duration):
            return None
        begun = [one for one in self.schedule["chargingSchedulePeriod"] if one["startPeriod"] <= offset]
        return begun[-1] if begun else None

    def _offset_seconds(self, outlet: Outlet, now: datetime) -> float:
        start = _instant(self.schedule.get("startSchedule"))
        if self.kind == "Relative" or start is None:
            start = outlet.transaction.started_at if outlet.transaction else now
        offset = now - start
        if self.kind == "Recurring" and self.recurrence and offset > timedelta(0):
            offset %= self.recurrence
        return offset.total_seconds()


class ProfileStore:
    """The profiles of one station."""

    def __init__(self) -> None:
        self._profiles: list[Profile] = []

    def add(self, profile: Profile) -> None:
        """A profile replaces one of the same id, or of the same outlet, purpose and level."""
        self._profiles = [one for one in self._profiles if not _clashes(one, profile)]
        self._profiles.append(profile)

    def all(self) -> list[Profile]:
        """Every profile that was set and not cleared."""
        return list(self._profiles)

    def clear(self, *, number: int | None, outlet: int | None, purpose: str | None, level: int | None) -> int:
        kept = [
            one
            for one in self._profiles
            if not (
                number in {None, one.number}
                and outlet in {None, one.outlet}
                and purpose in {None, one.purpose}
                and level in {None, one.stack_level}
            )
        ]
        removed = len(self._profiles) - len(kept)
        self._profiles = kept
        return removed

    def forget_transaction(self, transaction: Transaction) -> None:
        self._profiles = [
            one
            for one in self._profiles
            if one.purpose != "TxProfile" or one.outlet != transaction.outlet.number
        ]

    def limit_w(self, outlet: Outlet, now: datetime) -> int | None:
        """The lowest of the station's maximum and of the transaction's (or default) profile."""
        if not self._profiles:
            return None
        ceiling = self._highest(STATION_MAX, outlet, now)
        wanted = self._highest({"TxProfile"}, outlet, now) if outlet.transaction else None
        if wanted is None:
            wanted = self._highest({"TxDefaultProfile"}, outlet, now)
        limits = [limit for limit in (ceiling, wanted) if limit is not None]
        return min(limits) if limits else None

    def _highest(self, purposes: Iterable[str], outlet: Outlet, now: datetime) -> int | None:
        ranked = sorted(
            (one for one in self._profiles if one.purpose in purposes and one.outlet in {0, outlet.number}),
            key=lambda one: (one.stack_level, one.outlet),
            reverse=True,
        )
        limits = (one.limit_w(outlet, now) for one in ranked)
        return next((limit for limit in limits if limit is not None), None)


def composite(
    store: ProfileStore, outlet: Outlet, start: datetime, duration: int, unit: str
) -> list[dict[str, Any]]:
    """The periods in which the limit stays the same, looked at minute by minute."""
    periods: list[dict[str, Any]] = []
    for offset in range(0, max(duration, 1), 60):
        limit_w = store.limit_w(outlet, start + timedelta(seconds=offset))
        watts = outlet.rated_w if limit_w is None else min(limit_w, outlet.rated_w)
        limit = round(watts / (VOLTS * outlet.phases), 1) if unit == "A" else float(watts)
        if not periods or periods[-1]["limit"] != limit:
            periods.append({"startPeriod": offset, "limit": limit})
    return periods


def _clashes(old: Profile, new: Profile) -> bool:
    place = (old.outlet, old.purpose, old.stack_level)
    return old.number == new.number or place == (new.outlet, new.purpose, new.stack_level)


def _phases(outlet: Outlet, period: Json) -> int:
    return int(period.get("numberPhases") or outlet.phases)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
