from billing.models.accounts import AccountKind, BillingAccount
from billing.models.cdrs import Cdr
from billing.models.exceptions import BillingException, Cause, Decision
from billing.models.settlements import EventCursor, Outcome, Settlement

__all__ = [
    "AccountKind",
    "BillingAccount",
    "BillingException",
    "Cause",
    "Cdr",
    "Decision",
    "EventCursor",
    "Outcome",
    "Settlement",
]
