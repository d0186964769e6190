"""Where tariffs hold, as people wish it: assigning one, and ending that (tariffs T-43)."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Case, Max, Q, QuerySet, When
from django.db.models.functions import Coalesce
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound
from drivers.models import Driver, DriverGroup
from stations.models import ChargingStation, Connector, Evse, Site, TariffAssignment
from stations.models.tariff_assignments import PLACES
from stations.models.tariff_assignments import Place as Somewhere
from tariffs import publishing
from tariffs.linter import Context
from tariffs.models import Tariff, VersionState
from tariffs.rounding import Basis
from tariffs.structure import TariffType

Place = Somewhere | None
CONTRACTS = (Driver, DriverGroup)
CONNECTOR_TYPE = re.compile(r"[A-Za-z0-9-]{0,20}")
LANGUAGES = tuple(code for code, _name in settings.LANGUAGES)
_PATHS = (
    ("evse__", "evse__station__"),
    ("station__evses__", "station__"),
    ("site__stations__evses__", "site__stations__"),
)
"""From an assignment to EVSE and station, for each kind of place."""
ROLES = frozenset({"", *(kind.value for kind in TariffType)})


def assign(
    tariff: Tariff,
    *,
    place: Place,
    by: Actor,
    role: str | None = None,
    connector_type: str = "",
    basis: str = "",
) -> TariffAssignment:
    """Let the tariff hold at a place, or with ``None`` in the whole organization, instead of the one before.

    A driver or a group of them as the place makes it their contract. ``role`` says for whom it is; without it
    the tariff's own type counts. ``connector_type`` limits it to one kind of connector, ``basis``
    says of a contract which side of the price is rounded (``net``: for a company, T-36). Sessions that began
    keep theirs. Raises :class:`tariffs.pointers.InvalidDocument` where the law forbids it there (T-50),
    :class:`Conflict` for a tariff, driver or group that is no more.
    """
    _require(tariff, place, by)
    chosen = _role(tariff, role)
    _require_sense(tariff, place, connector_type)
    _require_basis(place, basis)
    _require_lawful(tariff, place, chosen)
    with atomic():
        _lock(tariff)
        same_place = _current(tariff, place).filter(role=chosen, connector_type=connector_type)
        same_place = same_place.select_for_update(of=("self",))
        before = same_place.select_related("tariff").first()
        if before is not None and (before.tariff_id, before.basis) == (tariff.pk, basis):
            return before
        now = clock.now()
        if before is not None:
            before.ended_at, before.ended_by = now, by.label[:200]
            before.save(update_fields=["ended_at", "ended_by"])
        made = TariffAssignment(
            organization_id=tariff.organization_id,
            tariff=tariff,
            role=chosen,
            connector_type=connector_type,
            basis=basis,
            assigned_at=now,
            assigned_by=by.label[:200],
            **{name: value for name, value in _columns(place).items() if value is not None},
        )
        _save(made)
        changes = {"tariff": [str(before.tariff) if before else None, str(tariff)]}
        audit.record("tariff.assigned", made, by=by, changes=changes)
    return made


def end(assignment: TariffAssignment, *, by: Actor) -> None:
    """Let the tariff no longer hold there; sessions that began keep it. Raises :class:`Conflict` if it has ended."""
    _require(assignment.tariff, assignment.place, by)
    with atomic():
        now = clock.now()
        open_ = TariffAssignment.objects.filter(pk=assignment.pk, ended_at=None)
        if not open_.update(ended_at=now, ended_by=by.label[:200]):
            raise Conflict("This assignment has ended already.")
        audit.record("tariff.unassigned", assignment, by=by)
    assignment.ended_at = now


def retire(tariff: Tariff, *, by: Actor) -> None:
    """Retire a tariff and end it wherever it holds."""
    by.require_everywhere(Permission.TARIFFS_MANAGE, tariff)
    with atomic():
        for assignment in TariffAssignment.objects.current().filter(tariff=tariff):
            end(assignment, by=by)
        publishing.retire(tariff, by=by)


def at_place(place: Place, organization_id: UUID) -> TariffAssignment | None:
    """What holds at exactly that place for every session and connector."""
    rows = TariffAssignment.objects.current().filter(
        organization_id=organization_id, role="", connector_type=""
    )
    return rows.filter(**_columns(place)).select_related("tariff").first()


def at_exactly(places: Sequence[Place], organization_id: UUID) -> QuerySet[TariffAssignment]:
    """All that holds at exactly these places, also what is for some roles or connectors only."""
    wanted = reduce(or_, (Q(**_columns(place)) for place in places), Q(pk__in=[]))
    rows = TariffAssignment.objects.current().filter(wanted, organization_id=organization_id)
    return rows.select_related("tariff").order_by("role", "connector_type")


def context_of(tariff: Tariff) -> Context:
    """What the linter has to know: the power of the strongest EVSE where it holds, and people's languages."""
    holding = TariffAssignment.objects.current().filter(tariff=tariff)
    held = [(one.place, one.role) for one in holding.select_related(*PLACES)]
    ad_hoc = [place for place, role in held if _for_ad_hoc(place, role)]
    return _context(tariff, ad_hoc or [place for place, _role_of in held], ad_hoc=bool(ad_hoc))


def contexts_of(tariffs: Sequence[Tariff]) -> dict[UUID, Context]:
    """As :func:`context_of`, of many tariffs of one organization at once."""
    groups: dict[UUID, list[_Held]] = {}
    for held in _held(tariffs):
        groups.setdefault(held.tariff_id, []).append(held)
    everywhere = any(one.everywhere for rows in groups.values() for one in rows)
    whole = _context(tariffs[0], [None], ad_hoc=False).power_kw if everywhere else None
    found = {}
    for tariff in tariffs:
        rows = groups.get(tariff.pk, [])
        ad_hoc = [one for one in rows if one.ad_hoc]
        looked_at = ad_hoc or rows
        known = [one.power_kw for one in looked_at if one.power_kw is not None]
        power = whole if any(one.everywhere for one in looked_at) else max(known, default=None)
        found[tariff.pk] = Context(power_kw=power, ad_hoc=bool(ad_hoc), languages=LANGUAGES)
    return found


def time_zone_of(tariff: Tariff) -> str | None:
    """The time zone of the sites where it holds; ``None`` where it holds at none, or at sites of several."""
    holding = TariffAssignment.objects.current().filter(tariff=tariff)
    zone = Coalesce("site__time_zone", "station__site__time_zone", "evse__station__site__time_zone")
    zones = set(holding.order_by().values_list(zone, flat=True).distinct()[:2])
    return zones.pop() if len(zones) == 1 else None


def _require(tariff: Tariff, place: Place, by: Actor) -> None:
    by.require(Permission.TARIFFS_MANAGE, tariff)
    if place is None or isinstance(place, CONTRACTS):
        by.require_everywhere(Permission.TARIFFS_MANAGE, tariff)
    if place is None:
        return
    by.require(Permission.TARIFFS_MANAGE, place)
    if place.organization_id != tariff.organization_id:
        raise NotFound("There is no such object here.")


def _role(tariff: Tariff, role: str | None) -> str:
    if role is None:
        newest = tariff.versions.first()
        kind = newest.content.get("type") if newest is not None else ""
        role = kind if isinstance(kind, str) else ""
    if role not in ROLES:
        raise Invalid("This is no type of a tariff.", field="role")
    return role


def _require_sense(tariff: Tariff, place: Place, connector_type: str) -> None:
    if not CONNECTOR_TYPE.fullmatch(connector_type):
        raise Invalid("A type of connector is a word of OCPP, such as cCCS2.", field="connector_type")
    if not isinstance(place, CONTRACTS):
        return
    if _role(tariff, None) == TariffType.AD_HOC_PAYMENT:
        raise Invalid("Who pays ad hoc has no contract. Choose a place, or another tariff.", field="role")
    if place.retired_at is not None:
        raise Conflict("The driver or the group is no more.")


def _require_basis(place: Place, basis: str) -> None:
    if basis not in ("", *Basis):
        raise Invalid("A basis is gross or net.", field="basis")
    if basis and not isinstance(place, CONTRACTS):
        raise Invalid("Only a contract says for whom prices are net.", field="basis")


def _for_ad_hoc(place: Place, role: str) -> bool:
    """Whether it is the price of persons without a contract as well."""
    return role in ("", TariffType.AD_HOC_PAYMENT) and not isinstance(place, CONTRACTS)


def _require_lawful(tariff: Tariff, place: Place, role: str) -> None:
    context = _context(tariff, [place], ad_hoc=_for_ad_hoc(place, role))
    for version in tariff.versions.filter(state=VersionState.PUBLISHED):
        if version.valid_to is None or version.valid_to > clock.now():
            publishing.require_no_errors(version.content, context)


def _lock(tariff: Tariff) -> None:
    if Tariff.objects.select_for_update(no_key=True).get(pk=tariff.pk).retired_at is not None:
        raise Conflict("The tariff is retired. Choose another one.")


def _columns(place: Place) -> dict[str, Place]:
    """The column of the place, and ``None`` in the others."""
    kinds = {
        Driver: "driver",
        DriverGroup: "driver_group",
        Evse: "evse",
        ChargingStation: "station",
        Site: "site",
    }
    return {name: place if place is not None and kinds[type(place)] == name else None for name in PLACES}


def _current(tariff: Tariff, place: Place) -> QuerySet[TariffAssignment]:
    rows = TariffAssignment.objects.current().filter(organization_id=tariff.organization_id)
    return rows.filter(**_columns(place))


def _save(made: TariffAssignment) -> None:
    try:
        with atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("Somebody else has just assigned a tariff here. Look at it again.") from error


class _Held(NamedTuple):
    """Where a tariff holds: for whom, whether in the whole organization, and the power of the strongest EVSE there."""

    tariff_id: UUID
    ad_hoc: bool
    everywhere: bool
    power_kw: Decimal | None


def _held(tariffs: Sequence[Tariff]) -> Iterator[_Held]:
    rows = TariffAssignment.objects.current().filter(tariff__in=tariffs).order_by()
    no_contract = Q(driver=None, driver_group=None)
    grouped = rows.annotate(
        ad_hoc=Case(
            When(no_contract & Q(role__in=("", TariffType.AD_HOC_PAYMENT)), then=True), default=False
        ),
        everywhere=Case(When(no_contract & Q(evse=None, station=None, site=None), then=True), default=False),
    ).values_list("tariff_id", "ad_hoc", "everywhere")
    strongest = {f"most_{number}": _strongest(*path) for number, path in enumerate(_PATHS)}
    for tariff_id, ad_hoc, everywhere, *watts in grouped.annotate(**strongest):
        known = [Decimal(most) for most in watts if most is not None]
        yield _Held(tariff_id, ad_hoc, everywhere, max(known) / 1000 if known else None)


def _strongest(evse: str, station: str) -> Max:
    watts = Coalesce(f"{evse}connectors__max_power_w", f"{station}max_power_w")
    return Max(watts, filter=Q(**{f"{evse}connectors__isnull": False, f"{station}retired_at": None}))


def _context(tariff: Tariff, places: Sequence[Place], *, ad_hoc: bool) -> Context:
    connectors = Connector.objects.filter(
        _at_any(places), evse__station__organization_id=tariff.organization_id, evse__station__retired_at=None
    )
    own = connectors.aggregate(most=Max("max_power_w"))["most"]
    whole = connectors.filter(max_power_w=None).aggregate(most=Max("evse__station__max_power_w"))["most"]
    known = [Decimal(watts) for watts in (own, whole) if watts is not None]
    power_kw = max(known) / 1000 if known else None
    return Context(power_kw=power_kw, ad_hoc=ad_hoc, languages=LANGUAGES)


def _at_any(places: Sequence[Place]) -> Q:
    if any(place is None for place in places):
        return Q()
    paths = {Evse: "evse", ChargingStation: "evse__station", Site: "evse__station__site"}
    wanted = Q(pk__in=[])
    for place in places:
        if place is not None and type(place) in paths:
            wanted |= Q(**{paths[type(place)]: place})
    return wanted
