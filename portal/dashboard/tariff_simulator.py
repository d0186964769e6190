"""What sessions would cost by a tariff that is only written yet: samples, a person's own figures, past sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import clock
from core.access import Actor
from portal.dashboard.tariff_fields import figure, whole
from stations.services import price_trials
from stations.services.price_trials import Trial
from tariffs import pricing, text
from tariffs.steady import steady
from tariffs.structure import Tariff
from tariffs.usage import CannotPrice, Metered

PAST = timedelta(days=30)
MOST_SESSIONS = 100
LONGEST = timedelta(seconds=2)
"""The past sessions of a draft are priced while somebody types: so many, and so long, at most."""
YEARS = range(2010, 3000)
_WEEK_MINUTES = 7 * 24 * 60


class Charge(NamedTuple):
    """A session in a person's words. ``begins`` is the local time on a Monday to come where no day is named."""

    kwh: Decimal
    minutes: int
    parked: int
    begins: time | datetime


SAMPLES: Sequence[tuple[str | Promise, Charge]] = (
    (_("22 kWh in 2 hours from 10:00, then an hour parked"), Charge(Decimal(22), 120, 60, time(10))),
    (_("40 kWh in 25 minutes from 13:00"), Charge(Decimal(40), 25, 0, time(13))),
    (_("30 kWh in 4 hours from 22:00, then parked until 07:00"), Charge(Decimal(30), 240, 300, time(22))),
)


class OwnForm(forms.Form):
    """A session of the person's own figures; without kWh and minutes there is none."""

    kwh = figure(_("kWh"), min_value=0, max_value=1000)
    minutes = whole(_("Minutes of charging"), min_value=1, max_value=_WEEK_MINUTES)
    parked = whole(_("Minutes parked after"), min_value=0, max_value=_WEEK_MINUTES)
    begins = forms.DateTimeField(
        label=_("Begins"),
        required=False,
        help_text=_("Empty: next Monday at 10:00"),
        widget=forms.DateTimeInput({"type": "datetime-local"}, "%Y-%m-%dT%H:%M"),
    )

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, prefix="own")

    def clean_begins(self) -> datetime | None:
        begins: datetime | None = self.cleaned_data["begins"]
        if begins is not None and begins.year not in YEARS:
            raise forms.ValidationError(_("Choose a date from 2010 to 2999."))
        return begins

    @property
    def charge(self) -> Charge | None:
        values = self.cleaned_data if self.is_valid() else {}
        if values.get("kwh") is None or values.get("minutes") is None:
            return None
        return Charge(values["kwh"], values["minutes"], values["parked"] or 0, values["begins"] or time(10))


@dataclass(frozen=True, slots=True)
class Simulated:
    """A session and its price, taxes included; ``plus_tax`` where these are not known, ``cause`` where no price is."""

    words: str | Promise
    total: Decimal | None = None
    plus_tax: bool = False
    lines: Sequence[str] = ()
    cause: str = ""


def samples(tariff: Tariff, zone: ZoneInfo) -> list[Simulated]:
    """The sample sessions by the tariff."""
    return [simulated(words, charge, tariff, zone) for words, charge in SAMPLES]


def simulated(words: str | Promise, charge: Charge, tariff: Tariff, zone: ZoneInfo) -> Simulated:
    """One session by the tariff, with a sentence for each line of its price."""
    try:
        price = pricing.price(tariff, _metered(charge, zone), zone=zone)
    except CannotPrice as why:
        return Simulated(words, cause=why.code)
    lines = [
        text.sentence(tariff, line, for_persons=True)
        for line in price.lines
        if line.billed or line.amount.excl
    ]
    incl, excl = price.payable.incl, price.payable.excl
    due = incl or excl
    return Simulated(words, None if due is None else due.amount, incl is None, lines)


def repriced(tariff: Tariff, *, by: Actor) -> Trial:
    """The newest sessions of the last 30 days by the tariff, as many as the time allows."""
    sessions = price_trials.between(*past(), by=by)
    return price_trials.run(tariff, sessions, by=by, at_most=MOST_SESSIONS, within=LONGEST)


def past() -> tuple[datetime, datetime]:
    """From when to when past sessions are priced."""
    now = clock.now()
    return now - PAST, now


def told(charge: Charge, zone: ZoneInfo) -> dict[str, Any]:
    """The charge in the words of the API."""
    return {
        "started_at": clock.to_wire(_start(charge.begins, zone)),
        "energy_kwh": charge.kwh,
        "charging_minutes": charge.minutes,
        "parked_minutes": charge.parked,
    }


def _metered(charge: Charge, zone: ZoneInfo) -> Metered:
    return steady(_start(charge.begins, zone), charge.kwh, charge.minutes, charge.parked)


def _start(begins: time | datetime, zone: ZoneInfo) -> datetime:
    if isinstance(begins, datetime):
        return begins
    today = clock.now().astimezone(zone).date()
    monday = today + timedelta(days=7 - today.weekday())
    return datetime.combine(monday, begins, tzinfo=zone).astimezone(UTC)
