"""Agreements with hosts: who gets what of the sessions at a site or a station, from when to when (billing B-53).

What is scarce: the hundred percent of a place on a day. Who changes what holds there holds the organization's lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from billing.models import BillingAccount, HostAgreement, Share
from billing.services import agreement_days, suppliers
from billing.services.suppliers import Supply
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.models import Organization
from core.money import minor_units
from stations.models import ChargingStation, Site

OVERLAP = "The account has an agreement for this place on some of these days already."
_MOST = Decimal(10) ** 6
_HUNDRED = Decimal(100)
_PLACES = {"percent": 4, "per_kwh": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a host gets of each session, without VAT: the first three together, at least ``minimum``."""

    currency: str
    valid_from: date
    valid_to: date | None = None
    percent: Decimal = Decimal(0)
    per_kwh: Decimal = Decimal(0)
    per_session: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)


@atomic
def agree(
    account: BillingAccount,
    place: Site | ChargingStation,
    terms: Terms,
    *,
    supply: Supply | None = None,
    by: Actor,
) -> HostAgreement:
    """Let the account get a share of each session there that begins on these days. ``supply`` says how that is taxed,
    where it was not said before.

    Raises :class:`Invalid` naming the field, :class:`Conflict` where another of its agreements holds on one of the
    days, where more than everything would be shared, or where a statement says already who gets what.
    """
    by.require_everywhere(Permission.INVOICES_MANAGE, account)
    organization = Organization.objects.select_for_update(no_key=True).get(pk=account.organization_id)
    if place.organization_id != organization.pk or place.retired_at is not None:
        raise Invalid("There is no such place.", field="site" if isinstance(place, Site) else "station")
    if account.driver is not None and account.driver.retired_at is not None:
        raise Invalid("There is no such driver.", field="account")
    _check(terms)
    suppliers.require(account, supply, by=by)
    _require_open(place, terms.valid_from)
    where = {"site": place} if isinstance(place, Site) else {"station": place}
    _require_room(HostAgreement.objects.filter(**where), terms)
    values: dict[str, Any] = {name: getattr(terms, name) for name in Terms.__slots__}
    try:
        with atomic():
            made = HostAgreement.objects.create(
                organization=organization, account=account, made_at=clock.now(), made_by=by.label[:200],
                **where, **values,
            )  # fmt: skip
    except IntegrityError:
        raise Conflict(OVERLAP, field="valid_from") from None
    audit.record("host_agreement.made", made, by=by, changes=_told(made))
    return made


@atomic
def end(agreement: HostAgreement, last_day: date, *, by: Actor) -> HostAgreement:
    """Let it hold to that day and no longer; earlier sessions are shared as agreed.

    Raises :class:`Invalid` for a day that is over, :class:`Conflict` where it ends earlier already.
    """
    by.require_everywhere(Permission.INVOICES_MANAGE, agreement)
    Organization.objects.select_for_update(no_key=True).get(pk=agreement.organization_id)
    rows = HostAgreement.objects.select_for_update(of=("self",)).select_related("site", "station__site")
    locked = rows.get(pk=agreement.pk)
    agreement_days.check_day(last_day, "valid_to")
    if last_day < max(locked.valid_from, _today(locked)):
        raise Invalid("An agreement ends today or later, and not before it begins.", field="valid_to")
    if locked.valid_to is not None and locked.valid_to <= last_day:
        raise Conflict("This agreement ends by then already.", field="valid_to")
    return _cut(locked, last_day, by)


def stop_all(account: BillingAccount, *, by: Actor) -> None:
    """Let an account whose data go get nothing any more: what began ends yesterday, or today where something of today
    is shared already, and what never gave anything goes."""
    rows = HostAgreement.objects.select_for_update(of=("self",)).filter(account=account)
    for one in rows.select_related("site", "station__site"):
        _stop(one, _today(one), by)


def _today(agreement: HostAgreement) -> date:
    place = agreement.site or agreement.station
    assert place is not None
    return agreement_days.today_at(place)


def _stop(agreement: HostAgreement, today: date, by: Actor) -> None:
    if agreement.valid_to is not None and agreement.valid_to < today:
        return
    since = datetime.combine(today - timedelta(days=1), time.min, tzinfo=UTC)
    shared = agreement.shares.filter(cdr__started_at__gte=since).exists()
    if shared or agreement.valid_from < today:
        last = today if shared else today - timedelta(days=1)
        _cut(agreement, max(last, agreement.valid_from), by)
        return
    changes = {"valid_from": audit.change(agreement.valid_from, None)}
    audit.record("host_agreement.ended", agreement, by=by, changes=changes)
    agreement.delete()


def _cut(agreement: HostAgreement, last_day: date, by: Actor) -> HostAgreement:
    changes = {"valid_to": audit.change(agreement.valid_to, last_day)}
    agreement.valid_to = last_day
    agreement.save(update_fields=["valid_to"])
    audit.record("host_agreement.ended", agreement, by=by, changes=changes)
    return agreement


def _check(terms: Terms) -> None:
    digits = minor_units(terms.currency)
    for name in ("percent", "per_kwh", "per_session", "minimum"):
        amount = getattr(terms, name)
        if not amount.is_finite() or not 0 <= amount < _MOST:
            raise Invalid("An amount is not below nothing, and within reason.", field=name)
        if amount != round(amount, _PLACES.get(name, digits)):
            raise Invalid("This has too many decimal places.", field=name)
    if terms.percent > _HUNDRED:
        raise Invalid("More than everything cannot be shared.", field="percent")
    if not any((terms.percent, terms.per_kwh, terms.per_session, terms.minimum)):
        raise Invalid("Say what the host gets.", field="percent")
    agreement_days.check(terms.valid_from, terms.valid_to)


def _require_open(place: Site | ChargingStation, since: date) -> None:
    """What a statement says stands: an agreement begins after the last day of which one said who gets what."""
    after = datetime.combine(since - timedelta(days=2), time.min, tzinfo=UTC)
    paid = Share.objects.filter(_of(place), host_agreement__isnull=False, cdr__started_at__gte=after)
    told = paid.order_by("-cdr__started_at").values_list("cdr__started_at", "cdr__content__time_zone")
    if any(began.astimezone(ZoneInfo(zone)).date() >= since for began, zone in told.iterator()):
        raise Conflict("A statement says already who gets what of that day. Begin later.", field="valid_from")


def _of(place: Site | ChargingStation) -> Q:
    """Shares of its records; of a station also those from where it stood before."""
    if isinstance(place, Site):
        return Q(cdr__site=place)
    own = Q(cdr__transaction__station=place) | Q(cdr__reservation__station=place)
    return own | Q(cdr__site=place.site)


def _require_room(rows: QuerySet[HostAgreement], terms: Terms) -> None:
    """On no day more than a hundred percent; the sum only rises where an agreement begins."""
    open_ = rows.filter(Q(valid_to=None) | Q(valid_to__gte=terms.valid_from), currency=terms.currency)
    others = [one for one in open_ if terms.valid_to is None or one.valid_from <= terms.valid_to]
    days = {terms.valid_from, *(one.valid_from for one in others if one.valid_from > terms.valid_from)}
    for day in days:
        held = [one.percent for one in others if one.valid_from <= day and (one.valid_to or date.max) >= day]
        if sum(held, terms.percent) > _HUNDRED:
            raise Conflict("More than everything cannot be shared.", field="percent")


def _told(made: HostAgreement) -> Mapping[str, Any]:
    names = (
        "account", "site", "station", "percent", "per_kwh", "per_session", "minimum", "currency", "valid_from",
        "valid_to",
    )  # fmt: skip
    return {
        name: audit.change(None, getattr(made, name)) for name in names if getattr(made, name) is not None
    }
