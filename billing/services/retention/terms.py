"""For how many years documents must be kept, by the seller's country (billing B-65).

A working reading, to be confirmed per country: the longer term where books and vouchers have different ones, since
both go together. A term counts from the end of the year in which the document was issued.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.conf import settings

from billing.models import Seller
from core.models import Organization

LONGEST = 10
"""Where nothing is known of a country."""
SHORTEST = 5
"""Nobody deletes earlier by mistake; the database refuses that too."""


@dataclass(frozen=True, slots=True)
class Term:
    """What holds in a country from a day on, for documents of whatever age."""

    country: str
    since: date
    years: int


TABLE: Sequence[Term] = (
    Term("AT", date(2007, 1, 1), 7),
    Term("BE", date(2023, 1, 1), 10),
    Term("BE", date(2007, 1, 1), 7),
    Term("CH", date(2007, 1, 1), 10),
    Term("DE", date(2007, 1, 1), 10),
    Term("DK", date(2007, 1, 1), 5),
    Term("ES", date(2007, 1, 1), 6),
    Term("FR", date(2007, 1, 1), 10),
    Term("GB", date(2007, 1, 1), 6),
    Term("IT", date(2007, 1, 1), 10),
    Term("LU", date(2007, 1, 1), 10),
    Term("NL", date(2007, 1, 1), 7),
    Term("SE", date(2007, 1, 1), 7),
)
"""The first row that fits decides."""


def years(country: str, on: date) -> int:
    """By the settings (``RETENTION_YEARS``), else by the table, else the longest."""
    told: int | None = settings.RETENTION_YEARS.get(country)
    found = next((row.years for row in TABLE if row.country == country and row.since <= on), LONGEST)
    return max(found if told is None else told, SHORTEST)


def before(organization: Organization, today: date) -> date:
    """What was issued before that day need not be kept any more."""
    seller = Seller.objects.filter(pk=organization.pk).first()
    return date(today.year - years(seller.country if seller else "", today), 1, 1)
