"""When something recurs: the part of RFC 5545 that opening hours need, in a place's own time.

The rule is walked in local time, so 06:00 stays 06:00 when the clocks change. A time that does not exist on the
day the clocks go forward comes as much later as they were moved; of one that comes twice, the first counts.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from core.errors import Invalid

FIELD = "repeat"
LONGEST = 200
FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
PARTS = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYHOUR", "BYMINUTE"}
)
DAYS_PARTS = frozenset({"BYDAY", "BYMONTHDAY", "BYMONTH"})
MOST_A_DAY = 24
MOST_INTERVAL = 366
EXAMPLE = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=6;BYMINUTE=0"


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule, the instant from which it counts, and the zone in which it is told."""

    rule: rrule
    zone: ZoneInfo

    @staticmethod
    def read(text: str, *, start: datetime, zone: str) -> "Recurrence":
        """Raises :class:`Invalid` for a rule that is not understood, too dense, or never comes."""
        place = ZoneInfo(zone)
        parts = _parts(text)
        _check(parts)
        begin = start.astimezone(place).replace(tzinfo=None, second=0, microsecond=0)
        if "UNTIL" in parts:
            parts = {**parts, "UNTIL": _until(parts["UNTIL"], place)}
        plain = ";".join(f"{name}={value}" for name, value in parts.items())
        try:
            rule = rrulestr(plain, dtstart=begin)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise _not_understood() from error
        return Recurrence(rule, place)

    def first(self, at_or_after: datetime) -> datetime | None:
        """The first time at or after the instant, in UTC; ``None`` where there is none."""
        return self._instant(self.rule.after(self._local(at_or_after), inc=True))

    def after(self, instant: datetime) -> datetime | None:
        """The first time after the instant, in UTC; ``None`` where there is none."""
        local: datetime | None = self._local(instant)
        # What was moved out of a gap lies later than the rule has it, so that the rule may give it once more.
        while local is not None:
            local = self.rule.after(local, inc=False)
            found = self._instant(local)
            if found is not None and found > instant:
                return found
        return None

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def _instant(self, local: datetime | None) -> datetime | None:
        return None if local is None else local.replace(tzinfo=self.zone, fold=0).astimezone(UTC)


def _parts(text: str) -> dict[str, str]:
    plain = text.strip().upper().removeprefix("RRULE:")
    pairs = [part.partition("=") for part in plain.split(";") if part]
    parts = {name: value for name, _, value in pairs}
    if len(text) > LONGEST or len(parts) != len(pairs) or not all(parts.values()) or "FREQ" not in parts:
        raise _not_understood()
    return parts


def _check(parts: dict[str, str]) -> None:
    unknown = sorted(parts.keys() - PARTS)
    if unknown or parts["FREQ"] not in FREQUENCIES:
        raise Invalid(
            "A rule is daily, weekly, monthly or yearly and is made of FREQ, INTERVAL, COUNT, UNTIL, WKST, "
            "BYDAY, BYMONTHDAY, BYMONTH, BYHOUR and BYMINUTE.",
            field=FIELD,
        )
    interval = parts.get("INTERVAL", "1")
    if not (interval.isascii() and interval.isdigit() and 1 <= int(interval) <= MOST_INTERVAL):
        raise Invalid(f"INTERVAL is a whole number from 1 to {MOST_INTERVAL}.", field=FIELD)
    if parts["FREQ"] == "DAILY" and int(interval) > 1 and DAYS_PARTS & parts.keys():
        raise Invalid("Every so many days goes with BYHOUR and BYMINUTE only.", field=FIELD)
    times = len(parts.get("BYHOUR", "0").split(",")) * len(parts.get("BYMINUTE", "0").split(","))
    if times > MOST_A_DAY:
        raise Invalid(f"A rule comes at most {MOST_A_DAY} times a day.", field=FIELD)
    _check_month_days(parts)


def _check_month_days(parts: dict[str, str]) -> None:
    """The 30th of February never comes, and to look for it takes until the year 9999."""
    months = parts.get("BYMONTH", "")
    days = parts.get("BYMONTHDAY", "")
    if not (months and days):
        return
    try:
        longest = max(_days_of(int(month)) for month in months.split(","))
        shortest_day = min(abs(int(day)) for day in days.split(","))
    except (ValueError, KeyError) as error:
        raise _not_understood() from error
    if shortest_day > longest:
        raise Invalid("The rule never comes.", field=FIELD)


def _days_of(month: int) -> int:
    if not 1 <= month <= 12:
        raise KeyError(month)
    return 29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31


def _until(text: str, zone: ZoneInfo) -> str:
    """The end in local time; a day alone means to its end."""
    try:
        if "T" not in text:
            day = datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007  a local day
            return (day + timedelta(days=1, seconds=-1)).strftime("%Y%m%dT%H%M%S")
        moment = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007  made aware below
        if text.endswith("Z"):
            moment = moment.replace(tzinfo=UTC).astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise _not_understood() from error
    return moment.strftime("%Y%m%dT%H%M%S")


def _not_understood() -> Invalid:
    return Invalid(f"This is no rule of RFC 5545. One is, for example: {EXAMPLE}.", field=FIELD)
