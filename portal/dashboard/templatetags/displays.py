"""States of messages on displays, of tariffs at stations and of payments, in words."""

from collections.abc import Mapping

from django import template
from django.utils.translation import gettext_lazy as _

from portal.dashboard.words import Word
from stations.domain.displays import DisplayStatus
from stations.domain.payments import SettlementStatus
from stations.domain.station_tariffs import StationTariffStatus
from stations.models import DisplayMessage, Settlement, StationTariff

register = template.Library()

OVER = Word(_("Time is over"), icon="clock-off", look="off")
DISPLAY: Mapping[str, Word] = {
    DisplayStatus.REQUESTED: Word(_("Requested"), icon="clock", look="off"),
    DisplayStatus.INSTALLED: Word(_("Installed"), icon="check", look="ok"),
    DisplayStatus.REFUSED: Word(_("Refused"), icon="x", look="bad"),
    DisplayStatus.FAILED: Word(_("Failed"), icon="alert-circle", look="bad"),
    DisplayStatus.CLEARED: Word(_("Cleared"), icon="circle-minus", look="off"),
}
TARIFF: Mapping[str, Word] = {
    **{StationTariffStatus(word.value): DISPLAY[word] for word in DisplayStatus},
    StationTariffStatus.REPLACED: Word(_("Replaced"), icon="circle-minus", look="off"),
}
PAYMENT: Mapping[str, Word] = {
    SettlementStatus.SETTLED: Word(_("Settled"), icon="check", look="ok"),
    SettlementStatus.CANCELED: Word(_("Cancelled"), icon="circle-minus", look="off"),
    SettlementStatus.REJECTED: Word(_("Rejected"), icon="x", look="bad"),
    SettlementStatus.FAILED: Word(_("Failed"), icon="alert-circle", look="bad"),
}


@register.filter
def display_state(message: DisplayMessage) -> Word:
    return OVER if message.over and message.status == DisplayStatus.INSTALLED else DISPLAY[message.status]


@register.filter
def tariff_state(tariff: StationTariff) -> Word:
    return TARIFF[tariff.status]


@register.filter
def payment_state(payment: Settlement) -> Word:
    return PAYMENT[payment.status]
