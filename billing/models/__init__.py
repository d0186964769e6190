from billing.models.accounts import AccountKind, BillingAccount
from billing.models.cdrs import Cdr
from billing.models.exceptions import BillingException, Cause, Decision
from billing.models.invoices import (
    DocumentType,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceSeries,
    InvoiceState,
)
from billing.models.ledger import Journal, LedgerAccount, LedgerEntry
from billing.models.runs import BillingRun, BillingRunItem, ItemState, RunState
from billing.models.settlements import EventCursor, Outcome, Settlement

__all__ = [
    "AccountKind",
    "BillingAccount",
    "BillingException",
    "BillingRun",
    "BillingRunItem",
    "Cause",
    "Cdr",
    "Decision",
    "DocumentType",
    "EventCursor",
    "Invoice",
    "InvoiceKind",
    "InvoiceLine",
    "InvoiceSeries",
    "InvoiceState",
    "ItemState",
    "Journal",
    "LedgerAccount",
    "LedgerEntry",
    "Outcome",
    "RunState",
    "Settlement",
]
