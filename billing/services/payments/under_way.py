"""Whether money for an invoice is on its way: then nothing else collects, asks for or sets it off (B-44, B-47)."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KT

from billing.models import CallState, DebitItem, Invoice, PaymentState, ProviderCall
from core.models import Organization

_STATES = (PaymentState.PENDING, PaymentState.HELD)


def has(invoice: Invoice) -> bool:
    """An open debit, a card that is being charged, or a payment page that is open."""
    if DebitItem.objects.filter(invoice=invoice, open=True).exists():
        return True
    return _asked(Q(details__invoice=str(invoice.pk))).exists()


def without(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """Those of which nothing is on its way."""
    asked = _asked(Q(details__has_key="invoice")).values_list("details__invoice", flat=True)
    return invoices.exclude(debits__open=True).exclude(pk__in=set(asked))


def by_debit(organization: Organization) -> Collection[UUID]:
    """Invoices that stand in an open file."""
    rows = DebitItem.objects.filter(file__organization=organization, open=True)
    return set(rows.values_list("invoice_id", flat=True))


def by_card(organization: Organization) -> Collection[str]:
    """Ids of invoices for which a provider was asked."""
    rows = _asked(Q(payment__organization=organization)).annotate(invoice=KT("details__invoice"))
    return set(rows.values_list("invoice", flat=True))


def _asked(which: Q) -> QuerySet[ProviderCall]:
    return ProviderCall.objects.filter(which, payment__state__in=_STATES).exclude(state=CallState.REFUSED)
