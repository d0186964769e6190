"""Tags and filters of the pages: icons, pills, figures with their unit, times."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.forms import BoundField, CheckboxInput
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from core import clock
from core.access import Actor, Permission
from portal.dashboard import drawing, words
from portal.dashboard.messages import shown
from portal.dashboard.sentences import told
from stations.domain.secrecy import masked_address
from stations.domain.words import STATUS_OF_WORD, ConnectorStatus, TransactionStatus
from stations.models import (
    ChargingStation,
    Command,
    Evse,
    FirmwareImage,
    FirmwareJob,
    FirmwareRollout,
    LogJob,
    SigningRequest,
    Transaction,
)

register = template.Library()

UNKNOWN = "–"
CONTROL = {"checkbox": "form-check-input", "select": "form-select"}


register.simple_tag(drawing.icon, name="icon")


@register.simple_tag(takes_context=True)
def at(context: dict[str, Any], name: str, *args: Any, **values: Any) -> str:
    """The address of a page inside the present organization."""
    return _address(name, context["organization"].slug, *args, **values)


@lru_cache(maxsize=20_000)
def _address(name: str, *args: Any, **values: Any) -> str:
    """Looked up once, since a list asks for two or three in each row."""
    return reverse(f"dashboard:{name}", args=args, kwargs=values or None)


@register.simple_tag(takes_context=True)
def can(context: dict[str, Any], permission: str) -> bool:
    """Whether the person holds the permission; what is never allowed is not drawn."""
    return bool(context["actor"].can(Permission(permission)))


@register.simple_tag(takes_context=True)
def can_everywhere(context: dict[str, Any], permission: str) -> bool:
    """For what holds at all sites."""
    return bool(context["actor"].can_everywhere(Permission(permission)))


@register.simple_tag
def pill(status: str, raw: str = "", prefix: str = "") -> SafeString:
    """Status of an EVSE or connector: icon, word, the station's own word in the tooltip."""
    word = words.STATUS.get(status, words.STATUS["unknown"])
    text = words.PAUSED_BY.get(raw, word.text) if status == ConnectorStatus.PAUSED else word.text
    return drawing.pill(str(status), word.icon, str(text), raw, prefix)


@register.simple_tag
def state(word: words.Word, raw: str = "") -> SafeString:
    """A word of any other table as a pill."""
    return drawing.pill(word.look, word.icon, str(word.text), raw)


@register.simple_tag
def power_bar(power_w: Decimal | None, rated_w: int | None) -> SafeString:
    """Power as a part of what is possible; the numbers stand beside it as text."""
    if not rated_w:
        return drawing.bar(kw(power_w) if power_w is None else f"{kw(power_w)} kW", None)
    share = min(100, max(0, round(float(power_w or 0) / rated_w * 100)))
    return drawing.bar(f"{kw(power_w)} / {kw(rated_w, 0)} kW", share)


@register.simple_tag
def age(instant: datetime | None, stale_after: int = 0) -> SafeString:
    """Relative time, the exact one with its zone on hover; ``page.js`` keeps it going."""
    if instant is None:
        return format_html("<span>{}</span>", UNKNOWN)
    local = timezone.localtime(instant)
    old = stale_after and clock.now() - instant > timedelta(seconds=stale_after)
    return format_html(
        '<time datetime="{}" title="{}" data-age{}>{}</time>',
        instant.isoformat(),
        f"{moment(instant)} {local:%Z}",
        SafeString(' class="stale"') if old else "",
        ago(instant),
    )


@register.filter
def ago(instant: datetime) -> str:
    """“3 min ago” in the reader's language."""
    seconds = (clock.now() - instant).total_seconds()
    if seconds < 60:
        return _("now") if seconds < 5 else _("%d s ago") % seconds
    if seconds < 3600:
        return _("%d min ago") % (seconds // 60)
    if seconds < 86_400:
        return _("%d h ago") % (seconds // 3600)
    return _("%s ago") % timesince(instant, depth=1)


@register.filter
def moment(instant: datetime | None, zone: str = "") -> str:
    """Date and time to the second, in the given time zone, else the person's."""
    if instant is None:
        return UNKNOWN
    local = timezone.localtime(instant, ZoneInfo(zone) if zone else None)
    return formats.date_format(local, _("j M Y, H:i:s"))


@register.filter
def span(delta: timedelta | float | None) -> str:
    """A duration such as “1 h 04 min”."""
    if delta is None:
        return UNKNOWN
    seconds = int(delta.total_seconds() if isinstance(delta, timedelta) else delta)
    hours, rest = divmod(max(seconds, 0), 3600)
    if hours:
        return _("%(hours)d h %(minutes)02d min") % {"hours": hours, "minutes": rest // 60}
    if rest >= 60:
        return _("%(minutes)d min") % {"minutes": rest // 60}
    return _("%(seconds)d s") % {"seconds": rest}


@register.filter
def kw(watts: Decimal | float | None, places: int = 1) -> str:
    """Watts as kilowatts, by locale; unknown is a dash, zero is 0."""
    if watts is None:
        return UNKNOWN
    return formats.number_format(Decimal(watts) / 1000, places, force_grouping=True)


@register.filter
def kwh(watt_hours: Decimal | float | None, places: int = 3) -> str:
    """Watt hours as kilowatt hours, by locale, to the Wh."""
    return (
        UNKNOWN
        if watt_hours is None
        else formats.number_format(Decimal(watt_hours) / 1000, places, force_grouping=True)
    )


@register.filter
def kwh_about(watt_hours: Decimal) -> str:
    """Kilowatt hours for a tile: a decimal only while it matters."""
    return kwh(watt_hours, 1 if watt_hours < 1_000_000 else 0)


@register.filter
def percent(value: Decimal | None) -> str:
    return UNKNOWN if value is None else formats.number_format(value, 0)


@register.filter
def short_id(value: Any) -> str:
    """Ids are shown by their last eight characters."""
    return f"…{str(value)[-8:]}"


@register.filter
def monitor_severity(level: int | None) -> words.Text:
    """The severity of a monitor in words, with its number."""
    return UNKNOWN if level is None else f"{level} · {words.MONITOR_SEVERITY.get(level, UNKNOWN)}"


@register.filter
def milliseconds(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return _("%d ms") % value if value < 10_000 else span(value / 1000)


@register.filter
def pretty(value: Any) -> str:
    """JSON, indented; escaped by the template like any text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def command_name(name: str) -> Any:
    return words.COMMAND.get(name, name)


@register.filter
def plan_state(name: str) -> words.Word:
    return words.PLAN_STATE[name]


@register.filter
def run_state(name: str) -> words.Word:
    return words.RUN_STATE[name]


@register.filter
def availability(name: str) -> Any:
    return words.AVAILABILITY.get(name, name)


@register.filter
def stop_reason(raw: str) -> Any:
    return words.STOP_REASON.get(raw, raw)


@register.filter
def who(label: str) -> str:
    """The actor behind ``user:…``, ``key:…`` or ``system:…``."""
    kind, _sep, name = label.partition(":")
    names = {"key": _("API key %s"), "system": _("System (%s)"), "station": _("Station %s")}
    return names[kind] % name if kind in names else name or label


@register.filter
def styled(field: BoundField) -> SafeString:
    """A form field with the look of its kind."""
    kind = getattr(field.field.widget, "input_type", "textarea")
    marks = {"class": CONTROL.get(kind, "form-control")}
    if field.errors:
        marks["aria-invalid"] = "true"
    return field.as_widget(attrs=marks)


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, CheckboxInput)


@register.filter
def lookup(table: Any, key: Any) -> Any:
    return table.get(key)


@register.filter
def clock_time(instant: datetime | None, zone: str = "") -> str:
    """Time of day to the second, in the given time zone, else the person's."""
    if instant is None:
        return UNKNOWN
    return f"{timezone.localtime(instant, ZoneInfo(zone) if zone else None):%H:%M:%S}"


register.filter("clock", clock_time)
register.filter("command_state", words.command_word)


@register.filter
def awaits_effect(command: Command) -> bool:
    return words.command_word(command) is words.AWAITED


@register.filter
def awaited_effect(command: Command) -> Any:
    return words.AWAITED_EFFECT.get(command.command, "")


@register.filter
def effect_after(command: Command) -> str:
    """From sending to the proof."""
    if command.sent_at is None or command.effect_at is None:
        return UNKNOWN
    seconds = (command.effect_at - command.sent_at).total_seconds()
    return f"{formats.number_format(seconds, 1)} s"


@register.filter
def steps(command: Command) -> list[dict[str, Any]]:
    """The command's timeline: each step with its time and the seconds since it was issued."""
    answer = words.COMMAND_STATE[command.status]
    found: list[tuple[Any, str, str, datetime | None]] = [
        (_("Queued"), "clock", "off", command.issued_at),
        (_("Sent"), "send", "run", command.sent_at),
        (answer.text, answer.icon, answer.look, command.settled_at),
    ]
    if command.effect:
        word = words.EFFECT[command.effect]
        found.append((word.text, word.icon, word.look, command.effect_at))
    return [
        {"text": text, "icon": drawing, "look": look, "at": at, "after": _seconds(at, command.issued_at)}
        for text, drawing, look, at in found
        if at is not None or text == words.EFFECT["not_seen"].text
    ]


def _seconds(at: datetime | None, start: datetime) -> str | None:
    return None if at is None else formats.number_format((at - start).total_seconds(), 2)


@register.simple_tag
def session_pill(session: Transaction) -> SafeString:
    """While it runs the state of charging, later how it stands."""
    if session.status == TransactionStatus.ACTIVE:
        now = STATUS_OF_WORD.get(session.charging_state, ConnectorStatus.CHARGING)
        return pill(now, session.charging_state)
    return state(words.SESSION_STATE[session.status])


@register.filter
def session_span(session: Transaction) -> str:
    return span((session.ended_at or clock.now()) - session.started_at)


@register.filter
def token_of(session: Transaction, actor: Actor) -> str:
    """Label or value for those who may see drivers, the last four characters for the others."""
    if not session.token_value:
        return UNKNOWN
    if not actor.can(Permission.DRIVERS_VIEW):
        return f"…{session.token_value[-4:]}"
    return str(session.token) if session.token else session.token_value


@register.filter
def severity(name: str) -> words.Word:
    return words.SEVERITY[name]


@register.filter
def authorization(name: str) -> Any:
    return words.AUTHORIZATION.get(name, name) or UNKNOWN


@register.filter
def asked_for(name: str) -> Any:
    return words.ASKED.get(name, name)


@register.filter
def report_state(name: str) -> words.Word:
    return words.REPORT_STATE[name]


@register.filter
def change_state(name: str) -> words.Word:
    return words.CHANGE_STATE[name]


@register.filter
def flag_name(flag: str) -> Any:
    return words.FLAG.get(flag, flag.replace("_", " "))


@register.filter
def raw_status(evse: Evse) -> str:
    """The station's own words for the connectors of an EVSE."""
    if evse.active and evse.active.status == TransactionStatus.ACTIVE and evse.active.charging_state:
        return evse.active.charging_state
    return ", ".join(connector.status for connector in evse.connectors.all() if connector.status)


@register.filter
def station_state(station: ChargingStation) -> str:
    """Of a station that has told no EVSE yet."""
    if station.presence.connected or station.presence.last_seen_at is None:
        return ConnectorStatus.UNKNOWN
    return ConnectorStatus.OFFLINE


@register.simple_tag
def station_power(station: ChargingStation) -> SafeString:
    """The sum over the EVSEs that charge, against the rated power."""
    if not station.presence.connected:
        return power_bar(None, None)
    known = [evse.power_w for evse in station.shown_evses if evse.power_w is not None and evse.active]
    return power_bar(sum(known, Decimal(0)), station.max_power_w)


@register.simple_tag
def job_pill(job: FirmwareJob | LogJob) -> SafeString:
    """Where a firmware or log job stands; an installation that no boot has shown says so."""
    unconfirmed = isinstance(job, FirmwareJob) and job.unconfirmed
    return state(words.UNCONFIRMED if unconfirmed else words.JOB_STATE[job.status], job.word)


@register.simple_tag
def image_pill(image: FirmwareImage) -> SafeString:
    """Whether the image can be given to stations."""
    return state(words.IMAGE_STATE["retired" if image.retired_at else image.state])


@register.simple_tag
def rollout_pill(rollout: FirmwareRollout) -> SafeString:
    """Where a rollout stands; one that the stop rule paused looks like the fault it is."""
    return state(words.ROLLOUT_STATE["paused_by_rule" if rollout.paused_by == "rule" else rollout.status])


@register.simple_tag
def progress_pill(status: str) -> SafeString:
    """Where one station of a rollout stands."""
    return state(words.ROLLOUT_PROGRESS[status])


@register.simple_tag
def signing_pill(request: SigningRequest) -> SafeString:
    return state(words.SIGNING_STATE[request.status])


@register.filter
def what_to_try(job: FirmwareJob | LogJob) -> Any:
    """What helps with the station's own word for a failure; empty where it did not fail."""
    failed = job.ended and not job.succeeded
    return words.WHAT_TO_TRY.get(job.word, words.WHAT_TO_TRY.get(job.detail, "")) if failed else ""


@register.filter
def certificate_use(use: str) -> Any:
    return words.CERTIFICATE_USE.get(use, use)


@register.filter
def log_kind(kind: str) -> Any:
    return words.LOG_KIND.get(kind, kind)


register.filter("without_secrets", masked_address)
register.filter("frame", shown)
register.filter("told", told)
