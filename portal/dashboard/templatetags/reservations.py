"""Reservations in words: state, for whom, what the station said."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from core import clock
from core.access import Actor
from portal import plugs
from portal.dashboard import reserved
from portal.dashboard.sentences import told
from portal.dashboard.templatetags.chargeyard import who
from portal.dashboard.words import Word
from stations.models import Reservation

register = template.Library()


@register.filter
def reservation_state(reservation: Reservation) -> Word:
    return reserved.STATE[reservation.status]


@register.filter
def kept_for(reservation: Reservation, actor: Actor) -> str:
    return reserved.holder(reservation, actor)


@register.filter
def plug(connector_type: str) -> str:
    """A type of connector by the name that people use, else the station's own word."""
    return plugs.name(connector_type)


@register.filter
def till(instant: datetime, zone: str) -> str:
    """The time of day in that zone, with the date where it is not today."""
    there = timezone.localtime(instant, ZoneInfo(zone))
    today = timezone.localtime(clock.now(), ZoneInfo(zone)).date()
    return f"{there:%H:%M}" if there.date() == today else formats.date_format(there, _("j M, H:i"))


@register.filter
def kept_what(reservation: Reservation) -> str:
    """What a reservation without an EVSE keeps."""
    kind = reservation.connector_type
    return _("Any one with %s") % plug(kind) if kind else _("Any one")


@register.filter
def explained(reservation: Reservation) -> str:
    """What the station answered or reported, or who cancelled it; empty where the state says it all."""
    if reservation.detail.startswith(reserved.CANCELLED_BY):
        return who(reservation.detail.removeprefix(reserved.CANCELLED_BY).removesuffix("."))
    return "" if reservation.detail == "Accepted" else told(reservation.detail)
