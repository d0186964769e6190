"""What hosts get of each record: the shares and what the operator keeps are the amount exactly (billing B-53)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform

from billing import amounts
from billing.models import Cdr, HostAgreement
from core.errors import Invalid
from core.models import Organization
from core.money import minor_units

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Book:
    """All agreements of an organization by their places, read once for many records."""

    of_sites: Mapping[UUID, Sequence[HostAgreement]]
    of_stations: Mapping[UUID, Sequence[HostAgreement]]

    def shares(self, record: Cdr) -> dict[UUID, Decimal]:
        """What each agreement gets of a record, one of :func:`readable`, without VAT.

        Raises :class:`Invalid` where its amount without VAT is not known.
        """
        rules = self.in_force(record)
        if not rules:
            return {}
        if record.payable_excl_vat is None:
            raise Invalid(f"The VAT of the record {record.reference} is not known.")
        parts = split(record.payable_excl_vat, record.energy_kwh, rules, minor_units(record.currency))
        return {rule.pk: part for rule, part in zip(rules, parts, strict=True)}

    def in_force(self, record: Cdr) -> list[HostAgreement]:
        """Those that hold where and when it began, in their fixed order: the station's own, else the site's."""
        day = record.started_at.astimezone(ZoneInfo(_zone(record))).date()
        station = _station(record)
        own = _on(day, record.currency, self.of_stations.get(station, ()) if station else ())
        if own or record.site_id is None:
            return own
        return _on(day, record.currency, self.of_sites.get(record.site_id, ()))


def book_of(organization: Organization) -> Book:
    """The agreements as they are now."""
    sites: dict[UUID, list[HostAgreement]] = defaultdict(list)
    stations: dict[UUID, list[HostAgreement]] = defaultdict(list)
    for one in HostAgreement.objects.filter(organization=organization).order_by("id"):
        if one.site_id is not None:
            sites[one.site_id].append(one)
        elif one.station_id is not None:
            stations[one.station_id].append(one)
    return Book(sites, stations)


def readable(records: QuerySet[Cdr]) -> QuerySet[Cdr]:
    """With what a book looks at, and without the bulk of them."""
    rows = records.select_related("transaction", "reservation").defer("content")
    return rows.annotate(zone=KeyTextTransform("time_zone", "content"))


def split(net: Decimal, energy_kwh: Decimal, rules: Sequence[HostAgreement], digits: int) -> list[Decimal]:
    """The share of each rule, whole minor units; of less than nothing none (B-53).

    What is wanted is cut to the floor, and the largest remainders get what is left, ties by order. Wanted more than
    there is, all get less alike.
    """
    if net <= 0:
        return [NOTHING for _ in rules]
    wanted = [_wanted(net, energy_kwh, rule) for rule in rules]
    rest = max(Fraction(net) - sum(wanted), Fraction(0))
    return amounts.split(net, [*wanted, rest], digits)[:-1]


def _wanted(net: Decimal, energy_kwh: Decimal, rule: HostAgreement) -> Fraction:
    told = (
        Fraction(net) * Fraction(rule.percent) / 100
        + Fraction(energy_kwh) * Fraction(rule.per_kwh)
        + Fraction(rule.per_session)
    )
    return max(told, Fraction(rule.minimum))


def _on(day: date, currency: str, rules: Iterable[HostAgreement]) -> list[HostAgreement]:
    return [
        one
        for one in rules
        if one.currency == currency
        and one.valid_from <= day
        and (one.valid_to is None or one.valid_to >= day)
    ]


def _station(record: Cdr) -> UUID | None:
    if record.transaction is not None:
        found: UUID = record.transaction.station_id
        return found
    return None if record.reservation is None else record.reservation.station_id


def _zone(record: Cdr) -> str:
    """Of its place as it was when the record was sealed, whatever is said of the site since."""
    found: str = vars(record).get("zone") or record.content["time_zone"]
    return found
