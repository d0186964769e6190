"""Agreements on home charging: who is paid how much for each kWh at which charger, from when to when (billing B-52).

What is scarce: the days of a driver at a station. A constraint of the table keeps two agreements apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError
from django.db.models import Q
from django.db.transaction import atomic

from billing.models import AccountKind, BillingAccount, HomeAgreement, HomeChargingPolicy
from billing.services import accounts, agreement_days, suppliers
from billing.services.suppliers import Supply
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.models import Organization
from core.money import minor_units
from drivers.models import Driver
from stations.models import ChargingStation, Transaction

OVERLAP = "The driver has an agreement for this charger on some of these days already."
_MOST = Decimal(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is agreed; amounts are without VAT, days those of the station's site. ``vat_rate`` is what the employer is
    charged on top, in percent."""

    rate_per_kwh: Decimal
    currency: str
    valid_from: date
    valid_to: date | None = None
    employer: BillingAccount | None = None
    vat_rate: Decimal | None = None
    meter_serial: str = ""


@atomic
def agree(
    driver: Driver, station: ChargingStation, terms: Terms, *, supply: Supply | None = None, by: Actor
) -> HomeAgreement:
    """Pay the driver for what an own token charges there. ``supply`` says how that is taxed, where it was not said
    before.

    Raises :class:`Invalid` naming the field, :class:`Conflict` where another agreement holds on one of the days.
    """
    by.require_everywhere(Permission.INVOICES_MANAGE, driver)
    driver = Driver.objects.select_for_update(of=("self",)).get(pk=driver.pk)
    _check_sides(driver, station, terms.employer)
    _check_terms(driver.organization_id, terms)
    suppliers.require(accounts.of_driver(driver), supply, by=by)
    values: dict[str, Any] = {name: getattr(terms, name) for name in Terms.__slots__}
    try:
        with atomic():
            made = HomeAgreement.objects.create(
                organization_id=driver.organization_id, driver=driver, station=station, made_at=clock.now(),
                made_by=by.label[:200], **{**values, "meter_serial": terms.meter_serial.strip()},
            )  # fmt: skip
    except IntegrityError:
        raise Conflict(OVERLAP, field="valid_from") from None
    audit.record("home_agreement.made", made, by=by, changes=_told(made))
    return made


@atomic
def end(agreement: HomeAgreement, last_day: date, *, by: Actor) -> HomeAgreement:
    """Let it hold to that day and no longer; earlier sessions are paid as agreed.

    Raises :class:`Invalid` for a day that is over, :class:`Conflict` where it ends earlier already.
    """
    by.require_everywhere(Permission.INVOICES_MANAGE, agreement)
    rows = HomeAgreement.objects.select_for_update(of=("self",)).select_related("station__site")
    locked = rows.get(pk=agreement.pk)
    agreement_days.check_day(last_day, "valid_to")
    if last_day < max(locked.valid_from, agreement_days.today_at(locked.station)):
        raise Invalid("An agreement ends today or later, and not before it begins.", field="valid_to")
    if locked.valid_to is not None and locked.valid_to <= last_day:
        raise Conflict("This agreement ends by then already.", field="valid_to")
    return _cut(locked, last_day, by)


def stop_all(driver: Driver, *, by: Actor) -> None:
    """Let nothing be agreed beyond today with a driver whose data go; what is to begin holds on its first day."""
    rows = HomeAgreement.objects.select_for_update(of=("self",)).filter(driver=driver)
    for one in rows.select_related("station__site"):
        last = max(one.valid_from, agreement_days.today_at(one.station))
        if one.valid_to is None or one.valid_to > last:
            _cut(one, last, by)


def of_session(session: Transaction) -> HomeAgreement | None:
    """The agreement by which the session is paid for to its driver: it held there on the day on which it began."""
    driver = session.driver
    if driver is None:
        return None
    day = local_day(session.started_at, session)
    rows = HomeAgreement.objects.filter(driver=driver.merged_into_id or driver.pk, station=session.station_id)
    return rows.filter(Q(valid_to=None) | Q(valid_to__gte=day), valid_from__lte=day).first()


def local_day(at: datetime, session: Transaction) -> date:
    """The day of that instant where the station is."""
    return at.astimezone(ZoneInfo(zone_of(session))).date()


def zone_of(session: Transaction) -> str:
    """The IANA zone of the station's site; of a station without one the organization's."""
    zone: str = session.organization.time_zone if session.site is None else session.site.time_zone
    return zone


def mid_required(organization_id: Any) -> bool:
    """Whether a home charger needs a meter that MID approves; it does where nobody said otherwise."""
    row = HomeChargingPolicy.objects.filter(pk=organization_id).first()
    return row is None or row.mid_required


@atomic
def require_mid(organization: Organization, required: bool, *, by: Actor) -> HomeChargingPolicy:
    """Ask for meters that MID approves, or do not, for agreements and sessions from now on."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    row = HomeChargingPolicy.objects.filter(pk=organization.pk).first() or HomeChargingPolicy(
        organization=organization
    )
    changes = {"mid_required": audit.change(mid_required(organization.pk), required)}
    row.mid_required = required
    row.save()
    audit.record("home_charging_policy.changed", row, by=by, changes=changes)
    return row


def _check_sides(driver: Driver, station: ChargingStation, employer: BillingAccount | None) -> None:
    if driver.retired_at is not None:
        raise Invalid("There is no such driver.", field="driver")
    if station.organization_id != driver.organization_id or station.retired_at is not None:
        raise Invalid("There is no such station.", field="station")
    if employer is None:
        return
    ours = employer.organization_id == driver.organization_id
    if not ours or employer.kind != AccountKind.COMPANY or employer.driver_id is not None:
        raise Invalid("An employer is a company's account.", field="employer")


def _check_terms(organization_id: Any, terms: Terms) -> None:
    if not terms.rate_per_kwh.is_finite() or not 0 < terms.rate_per_kwh < _MOST:
        raise Invalid("A rate is above nothing and within reason.", field="rate_per_kwh")
    if terms.rate_per_kwh != round(terms.rate_per_kwh, 6):
        raise Invalid("A rate has at most six decimal places.", field="rate_per_kwh")
    minor_units(terms.currency)
    agreement_days.check(terms.valid_from, terms.valid_to)
    if (terms.employer is None) != (terms.vat_rate is None):
        raise Invalid("Say which VAT an employer is charged, and only with one.", field="employer_vat_rate")
    if terms.vat_rate is not None and not 0 <= terms.vat_rate <= 100:
        raise Invalid("A rate of VAT is from 0 to 100 percent.", field="employer_vat_rate")
    serial = terms.meter_serial.strip()
    if len(serial) > 50 or not serial.isprintable():
        raise Invalid("The number of a meter has at most 50 characters.", field="meter_serial")
    if not serial and mid_required(organization_id):
        raise Invalid("Give the number of the charger's MID meter.", field="meter_serial")


def _cut(agreement: HomeAgreement, last_day: date, by: Actor) -> HomeAgreement:
    changes = {"valid_to": audit.change(agreement.valid_to, last_day)}
    agreement.valid_to = last_day
    agreement.save(update_fields=["valid_to"])
    audit.record("home_agreement.ended", agreement, by=by, changes=changes)
    return agreement


def _told(made: HomeAgreement) -> Mapping[str, Any]:
    names = (
        "driver",
        "station",
        "employer",
        "rate_per_kwh",
        "currency",
        "vat_rate",
        "valid_from",
        "valid_to",
    )
    return {
        name: audit.change(None, getattr(made, name)) for name in names if getattr(made, name) is not None
    }
