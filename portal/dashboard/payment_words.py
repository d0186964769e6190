"""Words for payments and bookings of a bank statement."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.models import DebitFileState, Difference, LineState, Payment, PaymentState, ProviderMovement
from billing.services.payments.collecting import Obstacle
from portal.dashboard.words import Word

PAYMENT_STATE: Mapping[str, Word] = {
    PaymentState.PENDING: Word(_("Waiting"), icon="clock", look="plugged_in"),
    PaymentState.HELD: Word(_("Set aside"), icon="lock", look="charging"),
    PaymentState.RECEIVED: Word(_("Received"), icon="circle-check", look="available"),
    PaymentState.RELEASED: Word(_("Released"), icon="arrow-back-up", look="unavailable"),
    PaymentState.FAILED: Word(_("Failed"), icon="circle-x", look="faulted"),
    PaymentState.RETURNED: Word(_("Returned"), icon="arrow-back-up", look="faulted"),
}
DISPUTED = Word(_("Disputed"), icon="alert-triangle", look="paused")
LINE_STATE: Mapping[str, Word] = {
    LineState.MATCHED: Word(_("Matched"), icon="circle-check", look="available"),
    LineState.PROPOSED: Word(_("To be confirmed"), icon="clock", look="plugged_in"),
    LineState.OPEN: Word(_("Unknown"), icon="help", look="paused"),
    LineState.LEFT: Word(_("Not ours"), icon="circle-x", look="unavailable"),
}

DIFFERENCE: Mapping[str, Word] = {
    Difference.UNKNOWN: Word(_("Not known here"), icon="help", look="paused"),
    Difference.AMOUNT: Word(_("Another amount here"), icon="alert-triangle", look="faulted"),
    Difference.MISSING: Word(_("Not booked at the provider"), icon="alert-triangle", look="faulted"),
}
AGREES = Word(_("Agrees"), icon="circle-check", look="available")
EXPLAINED = Word(_("Explained"), icon="circle-check", look="unavailable")
DEBIT_STATE: Mapping[str, Word] = {
    DebitFileState.OPEN: Word(_("Open"), icon="clock", look="plugged_in"),
    DebitFileState.COLLECTED: Word(_("Collected"), icon="circle-check", look="available"),
    DebitFileState.DISCARDED: Word(_("Discarded"), icon="trash", look="unavailable"),
}

OBSTACLE: Mapping[str, Promise] = {
    Obstacle.NOT_EURO: _("It is not in euro."),
    Obstacle.IN_FILE: _("It is in an open file."),
    Obstacle.CARD: _("A card payment of it is on its way."),
    Obstacle.DISPUTED: _("A payment of it is disputed."),
    Obstacle.HELD: _("Nothing is asked for of it at present: a promise, a dispute or a pause stands."),
    Obstacle.NOT_ANNOUNCED: _("The payer was not told of this debit by the mandate of today."),
    Obstacle.STOPPED: _("Its mandate is stopped."),
    Obstacle.EXPIRED: _("Its mandate was not used for 36 months."),
    Obstacle.OTHER_TYPE: _("Its mandate is of the other type."),
    Obstacle.OTHER_CREDITOR: _("The payer was told another creditor id."),
    Obstacle.TOO_EARLY: _("The payer was told a later day."),
}


def word_of_movement(row: ProviderMovement) -> Word:
    """Whether both sides agree, or how they differ."""
    if not row.difference:
        return AGREES
    return EXPLAINED if row.decided_at else DIFFERENCE[row.difference]


def word_of(payment: Payment) -> Word:
    """Its state; a dispute is told before all else."""
    return DISPUTED if payment.disputed_at else PAYMENT_STATE[payment.state]
