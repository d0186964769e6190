"""Documents of billing, in lists and on their pages."""

from django import template
from django.utils.safestring import SafeString

from billing.models import (
    BankLine,
    BillingException,
    BillingRun,
    DebitFile,
    DunningStep,
    Invoice,
    LedgerEntry,
    Payment,
    ProviderMovement,
)
from billing.services.payments.collecting import Candidate
from portal.dashboard import drawing, dunning_words, invoice_words, payment_words

register = template.Library()


@register.simple_tag
def invoice_pill(invoice: Invoice) -> SafeString:
    word = invoice_words.word_of(invoice)
    return drawing.pill(word.look, word.icon, str(word.text), "")


@register.simple_tag
def run_pill(run: BillingRun) -> SafeString:
    word = invoice_words.RUN_STATE[run.state]
    return drawing.pill(word.look, word.icon, str(word.text), "")


@register.filter
def what_helps(exception: BillingException) -> str:
    """What a person can do about it."""
    return str(invoice_words.WHAT_HELPS.get(exception.cause, invoice_words.ANY_HELP))


@register.filter
def ledger_account(entry: LedgerEntry) -> str:
    return str(invoice_words.LEDGER[entry.account])


@register.simple_tag
def payment_pill(payment: Payment) -> SafeString:
    word = payment_words.word_of(payment)
    return drawing.pill(word.look, word.icon, str(word.text), "")


@register.simple_tag
def bank_line_pill(line: BankLine) -> SafeString:
    word = payment_words.LINE_STATE[line.state]
    return drawing.pill(word.look, word.icon, str(word.text), "")


@register.simple_tag
def movement_pill(row: ProviderMovement) -> SafeString:
    word = payment_words.word_of_movement(row)
    return drawing.pill(word.look, word.icon, str(word.text), "")


@register.simple_tag
def debit_pill(file: DebitFile) -> SafeString:
    word = payment_words.DEBIT_STATE[file.state]
    return drawing.pill(word.look, word.icon, str(word.text), "")


@register.filter
def why_not_collected(one: Candidate) -> str:
    """A sentence for what keeps it out of a debit file."""
    return str(payment_words.OBSTACLE[one.obstacle]) if one.obstacle else ""


@register.simple_tag
def step_pill(step: DunningStep) -> SafeString:
    word = dunning_words.STEP_STATE[step.state]
    return drawing.pill(word.look, word.icon, str(word.text), "")
