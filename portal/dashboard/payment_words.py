"""Words for payments and bookings of a bank statement."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from billing.models import DebitFileState, LineState, Payment, PaymentState
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

DEBIT_STATE: Mapping[str, Word] = {
    DebitFileState.OPEN: Word(_("Open"), icon="clock", look="plugged_in"),
    DebitFileState.COLLECTED: Word(_("Collected"), icon="circle-check", look="available"),
    DebitFileState.DISCARDED: Word(_("Discarded"), icon="trash", look="unavailable"),
}


def word_of(payment: Payment) -> Word:
    """Its state; a dispute is told before all else."""
    return DISPUTED if payment.disputed_at else PAYMENT_STATE[payment.state]
