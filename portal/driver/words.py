"""States and failures in a driver's words: a sentence, what to do next, a look and a small code."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.models import PaymentState
from stations.domain.words import CommandStatus, ConnectorStatus
from stations.models import Command, Evse, Transaction
from stations.services import permitting

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on the page; ``look`` names icon and colour: ``ok``, ``busy``, ``wait`` or ``bad``."""

    code: str
    look: str
    sentence: Text
    step: Text = ""


NEXT_ONE = _("Take another charger nearby.")
READY = Told("S1", "ok", _("Ready."))
PLUGGED = Told("S2", "wait", _("A cable is plugged in, charging has not begun."),
               _("If it is your car: sign in and start."))  # fmt: skip
IN_USE = Told("S3", "busy", _("In use."), NEXT_ONE)
FINISHING = Told("S6", "wait", _("Charging is over. Please unplug."))
OFFLINE = Told("S10", "bad", _("We cannot reach this charger now, so it cannot be started from the phone."),
               _("Hold your card to the charger, or take another one."))  # fmt: skip
STATE: Mapping[ConnectorStatus, Told] = {
    ConnectorStatus.AVAILABLE: READY,
    ConnectorStatus.PLUGGED_IN: PLUGGED,
    ConnectorStatus.CHARGING: IN_USE,
    ConnectorStatus.PAUSED: IN_USE,
    ConnectorStatus.RESERVED: Told("S7", "wait", _("Reserved."), _("If you reserved it: sign in and start.")),
    ConnectorStatus.UNAVAILABLE: Told("S8", "bad", _("Switched off by the operator."), NEXT_ONE),
    ConnectorStatus.FAULTED: Told(
        "S9", "bad", _("This connector has a fault. The operator has been told."), NEXT_ONE
    ),
    ConnectorStatus.OFFLINE: OFFLINE,
    ConnectorStatus.UNKNOWN: Told("S11", "wait", _("The charger has not told its state yet."),
                                  _("Look again in a minute.")),
}  # fmt: skip

PAYMENT: Mapping[str, Told] = {
    PaymentState.PENDING: Told("P1", "wait", _("We wait for your payment.")),
    PaymentState.HELD: Told("P2", "wait", _("Your bank has set the amount aside.")),
    PaymentState.RECEIVED: Told("P3", "ok", _("Paid. Thank you.")),
    PaymentState.RELEASED: Told("P4", "bad", _("Payment was not finished. Nothing was taken.")),
    PaymentState.FAILED: Told("P5", "bad", _("Your bank did not approve the payment. Nothing was taken."),
                              _("Try another card.")),
    PaymentState.RETURNED: Told("P6", "bad", _("The payment was returned. The amount is open again.")),
}  # fmt: skip
PAYMENT_UNCLEAR = Told("P7", "wait", _("We are asking the payment provider."), _("Look again in a minute."))

FLOWS = Told("C1", "busy", _("Energy is flowing."))
RUNNING: Mapping[str, Told] = {
    "Charging": FLOWS,
    "SuspendedEV": Told("C2", "wait", _("Your car has paused or is full."),
                        _("Check the car's charging timer.")),
    "SuspendedEVSE": Told("C3", "wait", _("The charger has paused: power is being shared. "
                                          "It will go on by itself.")),
    "EVConnected": Told("C4", "wait", _("Your car has not asked for power yet."),
                        _("Some cars need up to a minute. Check the car's charging timer.")),
    "Finishing": FINISHING,
}  # fmt: skip
LOST = Told("C5", "wait", _("The charger lost its connection. Charging goes on; the final amount comes later."),
            _("Stop at the charger or in the car."))  # fmt: skip
BEGUN = Told("C6", "wait", _("The session has begun."))
OVER = Told("C7", "ok", _("The session has ended."))

REFUSED = Told("F1", "bad", _("The charger refused to start. Nothing was charged."),
               _("Plug in first, then try again."))  # fmt: skip
SILENT = Told(
    "F2", "bad", _("The charger did not answer. We gave up."), _("Try again, or take another charger.")
)
NO_CABLE = Told("F3", "bad", _("The charger accepted, but no charging began. Nothing was charged."),
                _("Plug in firmly, check the timer in the car, then try again."))  # fmt: skip
NO_CARD = Told("F4", "bad", _("This card may not charge here now: it is blocked, has expired or is already charging."),
               _("Look at your cards, or ask the operator."))  # fmt: skip
CANNOT = Told("F5", "bad", _("This charger cannot be started from the phone."),
              _("Hold your card to the charger."))  # fmt: skip
STOP_REFUSED = Told("F6", "bad", _("The charger did not stop."),
                    _("Stop with the car or the button on the charger; only what was measured counts."))  # fmt: skip
_FAILURE: Mapping[str, Told] = {
    CommandStatus.REJECTED: REFUSED,
    CommandStatus.NOT_SUPPORTED: CANNOT,
}
_CODES: Mapping[str, Told] = {"offline": OFFLINE, permitting.CODE: NO_CARD}


def state_of(evse: Evse) -> Told:
    """What the EVSE does, to somebody who stands before it."""
    words = {connector.status for connector in evse.connectors.all()}
    found = STATE.get(evse.state, STATE[ConnectorStatus.UNKNOWN])
    return FINISHING if found is PLUGGED and "Finishing" in words else found


def running(session: Transaction, word: str, *, connected: bool) -> Told:
    """What an own session does; ``word`` is the station's latest for it."""
    if session.ended_at is not None:
        return OVER
    if not connected:
        return LOST
    return RUNNING.get(word, FLOWS if session.power_w else BEGUN)


def failure_of(command: Command) -> Told | None:
    """Why a start came to nothing; ``None`` while it may still succeed."""
    if not command.settled:
        return None
    if command.status == CommandStatus.ACCEPTED:
        return NO_CABLE if command.effect == "not_seen" else None
    code = str((command.error or {}).get("code", ""))
    return _CODES.get(code) or _FAILURE.get(command.status, SILENT)
