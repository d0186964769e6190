"""Words for documents of billing, their runs and what waits for a decision."""

from collections.abc import Mapping

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.models import Cause, Decision, Invoice, InvoiceState, RunState
from billing.models.ledger import LedgerAccount
from billing.services.overdue import is_overdue
from core import clock
from portal.dashboard.words import Word

INVOICE_STATE: Mapping[str, Word] = {
    InvoiceState.DRAFT: Word(_("Draft"), icon="pencil", look="plugged_in"),
    InvoiceState.ISSUED: Word(_("Issued"), icon="send", look="charging"),
    InvoiceState.PARTLY_PAID: Word(_("Partly paid"), icon="circle-half-2", look="charging"),
    InvoiceState.PAID: Word(_("Paid"), icon="circle-check", look="available"),
    InvoiceState.CREDITED: Word(_("Credited"), icon="arrow-back-up", look="unavailable"),
    InvoiceState.UNCOLLECTIBLE: Word(_("Uncollectible"), icon="circle-x", look="faulted"),
    InvoiceState.DISCARDED: Word(_("Discarded"), icon="trash", look="unavailable"),
}
OVERDUE = Word(_("Overdue"), icon="alert-circle", look="paused")
RUN_STATE: Mapping[str, Word] = {
    RunState.OPEN: Word(_("Running"), icon="player-play", look="charging"),
    RunState.FINISHED: Word(_("Finished"), icon="circle-check", look="available"),
}
LEDGER: Mapping[str, str | Promise] = {
    LedgerAccount.RECEIVABLE: _("Receivable"),
    LedgerAccount.REVENUE: _("Revenue"),
    LedgerAccount.VAT: _("VAT"),
    LedgerAccount.ROUNDING: _("Rounding"),
    LedgerAccount.CASH: _("Cash at the provider"),
    LedgerAccount.BANK: _("Bank"),
    LedgerAccount.WALLET: _("Wallets"),
    LedgerAccount.UNASSIGNED: _("Not assigned"),
    LedgerAccount.FEES: _("Fees"),
    LedgerAccount.PAYABLE: _("Payable"),
    LedgerAccount.COMPENSATION: _("Paid for charging at home"),
    LedgerAccount.HOST_SHARE: _("Shares of hosts"),
    LedgerAccount.CARRIED: _("Carried forward"),
    LedgerAccount.WRITE_OFF: _("Write-off"),
}
WHAT_HELPS: Mapping[str, str | Promise] = {
    Cause.NO_TARIFF: _("Assign a tariff, then look at the session again; or waive the amount."),
    Cause.UNPRICED: _("Repair the session, then look at it again."),
    Cause.NO_END_READING: _("Give the session an end reading, then look at it again."),
    Cause.UNKNOWN_TOKEN: _("Register the card, then look at the session again."),
    Cause.OTHER_METER: _("Mend the agreement on home charging, then look at the session again."),
    Cause.LATE_DATA: _("Correct the record where the difference matters; upwards only if the payer agrees."),
}
NOT_BILLED: Mapping[str, str | Promise] = {
    "not_priced": _("Not billed: nothing was priced when it began."),
    "staff": _("Not billed: its payer is staff."),
    "free_site": _("Not billed: nothing is billed at this site."),
    "test": _("Not billed: it was marked as a test."),
    "merged": _("Not billed by itself: it is the later half of another session, whose record counts both."),
    "waived": _("Not billed: its amount was waived."),
    "before_billing": _("Not billed: it had its price before reservations were billed."),
}
ANY_HELP = _(
    "Look at the session. Accept it if it is right, waive the amount or mark it as a test if it is not."
)
DECISIONS: Mapping[str, str | Promise] = {
    Decision.ACCEPTED: _("Accept as it stands"),
    Decision.RETRIED: _("Look at it again"),
    Decision.CORRECTED: _("Correct it by what came late"),
    Decision.WAIVED: _("Waive the amount"),
    Decision.TEST: _("Mark as a test"),
}


def word_of(invoice: Invoice) -> Word:
    """Its state; an issued one past its due date is overdue, which is not stored (billing B-14)."""
    if is_overdue(invoice, clock.now(), timezone.get_current_timezone_name()):
        return OVERDUE
    return INVOICE_STATE[invoice.state]
