from billing.models.accounts import AccountKind, BillingAccount
from billing.models.bank import BankDetails, BankLine, BankStatement, LineState
from billing.models.cdrs import Cdr
from billing.models.documents import (
    DeliveryState,
    DocumentKind,
    DocumentState,
    InvoiceDelivery,
    InvoiceDocument,
)
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
from billing.models.mandates import (
    DebitFile,
    DebitFileState,
    DebitItem,
    Mandate,
    MandateState,
    MandateType,
)
from billing.models.parties import Buyer, Letterhead, Seller
from billing.models.payments import (
    Allocation,
    Hold,
    Method,
    Payment,
    PaymentPosting,
    PaymentState,
    Purpose,
    Refund,
    RefundState,
)
from billing.models.provider import (
    CallAction,
    CallState,
    ProviderCall,
    ProviderEvent,
    ProviderKind,
    ProviderSettings,
    SavedMethod,
)
from billing.models.receipts import Receipt
from billing.models.reconciliations import Reconciliation
from billing.models.retention import LegalHold, RetentionKind, RetentionReport
from billing.models.runs import AccountException, BillingRun, BillingRunItem, ItemState, RunState
from billing.models.settlements import (
    EventCursor,
    Outcome,
    ReservationSettlement,
    SessionOrigin,
    Settlement,
)
from billing.models.signing import MeterKey, SigningRule, SitePolicy
from billing.models.wallets import Wallet, WalletReservation

__all__ = [
    "AccountException",
    "AccountKind",
    "Allocation",
    "BankDetails",
    "BankLine",
    "BankStatement",
    "BillingAccount",
    "BillingException",
    "BillingRun",
    "BillingRunItem",
    "Buyer",
    "CallAction",
    "CallState",
    "Cause",
    "Cdr",
    "DebitFile",
    "DebitFileState",
    "DebitItem",
    "Decision",
    "DeliveryState",
    "DocumentKind",
    "DocumentState",
    "DocumentType",
    "EventCursor",
    "Hold",
    "Invoice",
    "InvoiceDelivery",
    "InvoiceDocument",
    "InvoiceKind",
    "InvoiceLine",
    "InvoiceSeries",
    "InvoiceState",
    "ItemState",
    "Journal",
    "LedgerAccount",
    "LedgerEntry",
    "LegalHold",
    "Letterhead",
    "LineState",
    "Mandate",
    "MandateState",
    "MandateType",
    "MeterKey",
    "Method",
    "Outcome",
    "Payment",
    "PaymentPosting",
    "PaymentState",
    "ProviderCall",
    "ProviderEvent",
    "ProviderKind",
    "ProviderSettings",
    "Purpose",
    "Receipt",
    "Reconciliation",
    "Refund",
    "RefundState",
    "ReservationSettlement",
    "RetentionKind",
    "RetentionReport",
    "RunState",
    "SavedMethod",
    "Seller",
    "SessionOrigin",
    "Settlement",
    "SigningRule",
    "SitePolicy",
    "Wallet",
    "WalletReservation",
]
