"""Which sessions drivers are paid for, told by the database for many at once (billing B-52)."""

from django.db.models import Case, DateField, Exists, F, Func, OuterRef, Q, QuerySet, When
from django.db.models.functions import Cast, Coalesce

from billing.models import Cdr, HomeAgreement
from billing.services import companies
from stations.models import Transaction

_ZONE = Coalesce("site__time_zone", "organization__time_zone")
_DAY = Cast(Func(_ZONE, F("started_at"), function="timezone"), DateField())
_OF_SESSION = Cdr.objects.filter(transaction=OuterRef("pk"), credit=False, credited_by=None)
_AGREED = HomeAgreement.objects.filter(
    Q(valid_to=None) | Q(valid_to__gte=OuterRef("local_day")),
    driver=Coalesce(OuterRef("driver__merged_into"), OuterRef("driver")),
    station=OuterRef("station"),
    valid_from__lte=OuterRef("local_day"),
)
_AT_HOME = Case(
    When(Exists(_OF_SESSION), then=Exists(_OF_SESSION.filter(home_agreement__isnull=False))),
    default=Exists(_AGREED),
)


def marked(sessions: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """With ``at_home``: as its record says, or before there is one an agreement of the day on which it began."""
    return sessions.alias(local_day=_DAY).annotate(at_home=_AT_HOME)


def consumed(sessions: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """Those that are consumption: without the ones that their drivers are paid for, and without halves that count in
    the cost of another one (B-06)."""
    sessions = sessions.filter(settlement__merged_into=None)
    return sessions.alias(local_day=_DAY, at_home=_AT_HOME).filter(at_home=False)


def charged(sessions: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """Those that their drivers pay for: consumption that no company pays for (B-18)."""
    return companies.paid_by_drivers(consumed(sessions))
