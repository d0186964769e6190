"""Which invoices are past their due date: computed each time, never stored (billing B-14)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from billing.models import DocumentType, Invoice, InvoiceState

_OWED = (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)


def is_overdue(invoice: Invoice, now: datetime, time_zone: str) -> bool:
    """Whether it is owed, though its last day is over in that time zone."""
    if invoice.document_type != DocumentType.INVOICE or invoice.state not in _OWED or invoice.due_on is None:
        return False
    return invoice.due_on < now.astimezone(ZoneInfo(time_zone)).date()
