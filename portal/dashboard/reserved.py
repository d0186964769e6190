"""What is kept free at a station, read for its pages; and the form by which something is reserved."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.access import Actor, Permission
from core.errors import Invalid
from drivers.models import IdToken
from portal.dashboard.words import Word
from stations.domain import intents
from stations.domain.reservations import ReservationStatus
from stations.models import ChargingStation, Evse, Reservation

SHOWN = 50
MINUTES: Mapping[str, str | Promise] = {
    "15": gettext_lazy("15 minutes"),
    "30": gettext_lazy("30 minutes"),
    "60": gettext_lazy("1 hour"),
    "120": gettext_lazy("2 hours"),
    "240": gettext_lazy("4 hours"),
}
USUAL = "30"
LONGER = timedelta(minutes=30)

STATE: Mapping[str, Word] = {
    ReservationStatus.REQUESTED: Word(gettext_lazy("Requested"), icon="send", look="plugged_in"),
    ReservationStatus.ACTIVE: Word(gettext_lazy("Kept free"), icon="bookmark", look="reserved"),
    ReservationStatus.USED: Word(gettext_lazy("Used"), icon="bolt", look="charging"),
    ReservationStatus.CANCELLED: Word(gettext_lazy("Cancelled"), icon="circle-minus", look="unavailable"),
    ReservationStatus.EXPIRED: Word(gettext_lazy("Expired"), icon="clock-off", look="unavailable"),
    ReservationStatus.REMOVED: Word(gettext_lazy("Given up by the station"), icon="x", look="paused"),
    ReservationStatus.REFUSED: Word(gettext_lazy("Refused"), icon="x", look="faulted"),
    ReservationStatus.FAILED: Word(gettext_lazy("Failed"), icon="alert-circle", look="faulted"),
}
CANCELLED_BY = "Cancelled by "


def of_station(station: ChargingStation) -> list[Reservation]:
    """Its reservations, the newest first, with whom they are for and what became of them."""
    rows = station.reservations.select_related("evse", "token", "transaction").order_by("-id")
    return list(rows[:SHOWN])


def kept_now(station: ChargingStation) -> list[Reservation]:
    """What is asked for or kept at this moment, the first to end first."""
    rows = station.reservations.open().filter(expires_at__gt=clock.now())
    return list(rows.select_related("evse", "token").order_by("expires_at"))


def by_evse(kept: list[Reservation]) -> dict[UUID, Reservation]:
    """Each EVSE's own reservation."""
    return {one.evse_id: one for one in reversed(kept) if one.evse_id}


def connector_types(evses: list[Evse]) -> list[str]:
    """The types of plugs that the station's EVSEs have, as far as it is known."""
    return sorted({plug.type for evse in evses for plug in evse.connectors.all() if plug.type})


def holder(reservation: Reservation, actor: Actor) -> str:
    """Who it is kept for: label or value for those who may see drivers, else the last four characters."""
    if not actor.can(Permission.DRIVERS_VIEW):
        return f"…{reservation.token_value[-4:]}"
    return str(reservation.token) if reservation.token else reservation.token_value


def wish(station: ChargingStation, values: QueryDict, token: IdToken) -> intents.ReserveNow:
    """The filled-in form as an intent. ``place`` is an EVSE, a type of plug, or empty for any one."""
    kind, _sep, what = values.get("place", "").partition(":")
    return intents.ReserveNow(
        evse_id=_number(what) if kind == "evse" else None,
        connector_type=what[:20] if kind == "type" else "",
        token_value=token.value,
        token_type=token.type,
        expires_at=_until(values, ZoneInfo(station.site.time_zone)),
    )


def longer(reservation: Reservation) -> intents.ReserveNow:
    """The same reservation, half an hour longer."""
    return intents.ReserveNow(
        reservation=reservation.pk,
        evse_id=reservation.evse.evse_id if reservation.evse else None,
        connector_type=reservation.connector_type,
        token_value=reservation.token_value,
        token_type=reservation.token_type,
        expires_at=max(reservation.expires_at, clock.now()) + LONGER,
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid(_("Choose an EVSE."), field="place")
    return int(text)


def _until(values: QueryDict, zone: ZoneInfo) -> datetime:
    """The time that is written, in the time zone of the site; else so many minutes from now."""
    text = values.get("until", "").strip()
    if not text:
        return clock.now().replace(microsecond=0) + _span(values)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError as error:
        raise Invalid(_("Enter until when as a date with time."), field="until") from error


def _span(values: QueryDict) -> timedelta:
    chosen = values.get("minutes", USUAL)
    if chosen not in MINUTES:
        raise Invalid(_("Choose for how long."), field="minutes")
    return timedelta(minutes=int(chosen))
