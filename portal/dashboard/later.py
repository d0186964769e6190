"""When a command of the page is sent: at once, later, or again and again in the time of the site."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Invalid
from portal.dashboard.words import Text
from stations.models import ChargingStation
from stations.services.scheduled_commands import When

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
OWN = "rule"
REPEATS: dict[str, Text] = {
    "": gettext_lazy("Once"),
    "daily": gettext_lazy("Every day"),
    "weekdays": gettext_lazy("Monday to Friday"),
    "weekly": gettext_lazy("Every week on that day"),
    OWN: gettext_lazy("By the rule below"),
}


def when_of(values: QueryDict, station: ChargingStation) -> When | None:
    """``None``: at once. Raises :class:`Invalid` for what is no time, and for a repetition without one."""
    first = _first(values.get("run_at", "").strip(), ZoneInfo(station.site.time_zone))
    repeat, rule = values.get("repeat", ""), values.get("rule", "").strip()
    if repeat not in REPEATS:
        raise Invalid(_("Choose how often."), field="repeat")
    if repeat == OWN:
        if not rule:
            raise Invalid(_("Enter the rule by which it is repeated."), field="rule")
        return When(first, rule)
    if first is None:
        if repeat:
            raise Invalid(_("Enter when it is sent for the first time."), field="run_at")
        return None
    local = first.astimezone(ZoneInfo(station.site.time_zone))
    return When(first, _rule(repeat, local))


def _first(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=zone)
    except ValueError as error:
        raise Invalid(_("Enter the time as a date with hours and minutes."), field="run_at") from error


def _rule(repeat: str, local: datetime) -> str:
    days = {"daily": "", "weekdays": "MO,TU,WE,TH,FR", "weekly": DAYS[local.weekday()]}.get(repeat)
    if days is None:
        return ""
    every = f"FREQ=WEEKLY;BYDAY={days}" if days else "FREQ=DAILY"
    return f"{every};BYHOUR={local.hour};BYMINUTE={local.minute}"
