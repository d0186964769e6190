"""Words for where an overdue invoice stands (billing B-47)."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.models import StepState
from billing.services.dunning.standing import Stop
from portal.dashboard.words import Word

STEP_STATE: Mapping[str, Word] = {
    StepState.WAITING: Word(_("Waiting"), icon="hourglass", look="plugged_in"),
    StepState.SENDING: Word(_("Being sent"), icon="send", look="charging"),
    StepState.SENT: Word(_("Sent"), icon="circle-check", look="available"),
    StepState.FAILED: Word(_("Failed"), icon="alert-circle", look="faulted"),
}
STOP: Mapping[str, str | Promise] = {
    Stop.OFF: _("Dunning is switched off."),
    Stop.NOT_OWED: _("There is nothing to remind of."),
    Stop.TOO_OLD: _("It was due before dunning was switched on."),
    Stop.DISPUTED: _("It is disputed: nothing is sent."),
    Stop.PROMISED: _("Payment is promised: nothing is sent until then."),
    Stop.HELD: _("It is held: nothing is sent."),
    Stop.BEING_PAID: _("A payment is on its way: nothing is sent meanwhile."),
    Stop.NO_ADDRESS: _("No e-mail address of the payer is known. Enter one on the payer's page."),
    Stop.UNSENT: _("The next reminder waits until the one before has gone out."),
    Stop.DONE: _("All reminders were sent."),
}
