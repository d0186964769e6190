"""Taking an import of tokens back: what nothing was built upon goes, the rest stays, with the reason."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from billing.models import BillingAccount, CompanyMember
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict
from drivers.models import (
    Budget,
    Driver,
    DriverInvitation,
    IdToken,
    ImportedRow,
    TokenGroup,
    TokenImport,
)
from drivers.services import imports
from stations.models import AuthorizationAnswer, Reservation, SitePermission, TariffAssignment, Transaction

USED = "It was used since."
CHANGED = "It was changed since."
ENDED = "It was ended since."
GRANTED = "Something was granted to it since."
HOLDS = "The driver has other tokens."
BEFORE = "Whose or in which group it was before is no more."
REASON = "import taken back"
TIMES = ("blocked_until", "valid_from", "expires_at")


@dataclass(frozen=True, slots=True)
class Judged:
    """A token or driver of the import, and why it stays (empty: it is taken back)."""

    row: ImportedRow
    thing: IdToken | Driver
    because: str


def look(batch: TokenImport) -> list[Judged]:
    """What taking it back would do now."""
    rows = list(batch.rows.select_related("token", "driver"))
    tokens = _judged_tokens([row for row in rows if row.token_id], batch.made_at)
    return [*tokens, *_judged_drivers([row for row in rows if row.driver_id], tokens)]


def undo(batch: TokenImport, *, by: Actor) -> TokenImport:
    """Take the import back; again changes nothing. Raises :class:`Conflict` when it is too long ago."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, batch)
    with atomic():
        row = TokenImport.objects.select_for_update().get(pk=batch.pk)
        if row.undone_at is not None:
            return row
        now = clock.now()
        if now >= row.undo_until:
            raise Conflict("This import is too long ago to be taken back.")
        _lock(row)
        _carry_out(row, look(row), now, by)
    return row


def _carry_out(batch: TokenImport, judged: list[Judged], now: datetime, by: Actor) -> None:
    kept = [one for one in judged if one.because]
    for one in kept:
        one.row.kept_because = one.because
    ImportedRow.objects.bulk_update([one.row for one in kept], ["kept_because"], batch_size=imports.BATCH)
    going = [one for one in judged if not one.because]
    _restore([one for one in going if one.row.before is not None], by)
    _end([one.thing for one in going if one.row.before is None], now, by)
    batch.undone_at, batch.undone_by, batch.kept = now, by.label[:200], len(kept)
    batch.save(update_fields=["undone_at", "undone_by", "kept"])
    audit.record("tokens.import_undone", batch, by=by, changes={"taken_back": len(going), "kept": len(kept)})


def _lock(batch: TokenImport) -> None:
    """Nothing of it changes meanwhile, and what was written of its tokens before is seen.

    A session that was allowed before and begins now waits for the end; its token is ended then, as after ending
    one by hand, and the session is billed all the same.
    """
    tokens = IdToken.objects.filter(pk__in=batch.rows.values("token"))
    list(tokens.order_by("pk").select_for_update().values_list("pk"))
    drivers = Driver.objects.filter(pk__in=batch.rows.values("driver"))
    list(drivers.order_by("pk").select_for_update().values_list("pk"))


def _judged_tokens(rows: list[ImportedRow], since: datetime) -> list[Judged]:
    keys = [row.token_id for row in rows if row.token_id]
    used, granted = _used(keys, since), _granted(IdToken, "token", keys)
    known = _known_before(rows)
    found = []
    for row in rows:
        token = row.token
        assert token is not None
        because = _because(row, token, used) or (
            (GRANTED if token.pk in granted else "")
            if row.before is None
            else ("" if known >= _named(row) else BEFORE)
        )
        found.append(Judged(row, token, because))
    return found


def _judged_drivers(rows: list[ImportedRow], tokens: list[Judged]) -> list[Judged]:
    """A driver goes where no token is left to them."""
    keys = [row.driver_id for row in rows if row.driver_id]
    charged = set(Transaction.objects.filter(driver__in=keys).values_list("driver_id", flat=True).distinct())
    granted = _granted(Driver, "driver", keys) | _known_otherwise(keys)
    leaving = [one.thing.pk for one in tokens if not one.because and _leaves(one)]
    held = IdToken.objects.live().filter(driver__in=keys).exclude(pk__in=leaving)
    holders = set(held.values_list("driver_id", flat=True))
    found = []
    for row in rows:
        driver = row.driver
        assert driver is not None
        because = _because(row, driver, charged)
        if not because and driver.pk in granted | holders:
            because = GRANTED if driver.pk in granted else HOLDS
        found.append(Judged(row, driver, because))
    return found


def _because(row: ImportedRow, thing: IdToken | Driver, used: Collection[UUID]) -> str:
    if thing.retired_at is not None:
        return ENDED
    if imports.digest_of(thing) != row.digest:
        return CHANGED
    return USED if thing.pk in used else ""


def _leaves(one: Judged) -> bool:
    """Whether the token is not its driver's any more when it is taken back."""
    before = one.row.before
    return before is None or before["driver_id"] != imports.state_of(one.thing)["driver_id"]


def _used(tokens: list[UUID], since: datetime) -> set[UUID]:
    """Those that were shown to a station, charged, or were reserved for."""
    mine = {"token": OuterRef("pk")}
    traces: tuple[QuerySet[Any], ...] = (
        Transaction.objects.filter(**mine, started_at__gte=since),
        AuthorizationAnswer.objects.filter(**mine, at__gte=since),
        Reservation.objects.filter(**mine, created_at__gte=since),
    )
    return _with(IdToken, tokens, traces)


def _granted(kind: type[IdToken | Driver], name: str, keys: list[UUID]) -> set[UUID]:
    mine = {name: OuterRef("pk")}
    return _with(kind, keys, (Budget.objects.filter(**mine), SitePermission.objects.filter(**mine)))


def _known_otherwise(drivers: list[UUID]) -> set[UUID]:
    mine = {"driver": OuterRef("pk")}
    traces = (
        DriverInvitation.objects.filter(**mine),
        TariffAssignment.objects.filter(**mine),
        BillingAccount.objects.filter(**mine),
        CompanyMember.objects.filter(**mine),
    )
    return _with(Driver, drivers, traces)


def _with(kind: type[IdToken | Driver], keys: list[UUID], traces: Iterable[QuerySet[Any]]) -> set[UUID]:
    condition = Q()
    for rows in traces:
        condition |= Q(Exists(rows))
    return set(kind.objects.filter(condition, pk__in=keys).values_list("pk", flat=True))


def _named(row: ImportedRow) -> set[str]:
    before = row.before or {}
    return {before[name] for name in ("driver_id", "group_id") if before[name]}


def _known_before(rows: list[ImportedRow]) -> set[str]:
    """Of the drivers and groups that tokens had before, those that there still are."""
    keys = {key for row in rows if row.before is not None for key in _named(row)}
    kinds = (Driver, TokenGroup)
    return {
        str(key)
        for kind in kinds
        for key in kind.objects.live().filter(pk__in=keys).values_list("pk", flat=True)
    }


def _restore(changed: list[Judged], by: Actor) -> None:
    told = []
    for one in changed:
        assert isinstance(one.thing, IdToken)
        before = one.row.before or {}
        now = imports.state_of(one.thing)
        differs = {name for name in before if before[name] != now[name]}
        for name in differs:
            setattr(one.thing, name, _read(name, before[name]))
        told.append((one.thing, {name: _told(name, now[name], before[name]) for name in differs}))
    tokens = [token for token, _ in told]
    IdToken.objects.bulk_update(tokens, imports.RESTORED, batch_size=imports.BATCH)
    audit.record_each("token.changed", told, by=by, reason=REASON)


def _end(made: list[IdToken | Driver], now: datetime, by: Actor) -> None:
    for kind, action in ((IdToken, "token.retired"), (Driver, "driver.retired")):
        things = [one for one in made if isinstance(one, kind)]
        kind.objects.filter(pk__in=[one.pk for one in things]).update(retired_at=now)
        audit.record_each(action, ((one, {}) for one in things), by=by, reason=REASON)


def _told(name: str, now: object, before: object) -> list[str | None]:
    return audit.change(now, before, hidden=name == "label")


def _read(name: str, value: object) -> object:
    if value is None:
        return None
    if name in TIMES:
        return datetime.fromisoformat(str(value))
    return UUID(str(value)) if name.endswith("_id") else value
