"""Invoices, the records behind them, payments, ledger and signed values are deleted after their term (billing B-65).

They go by families: an invoice with its credit notes, what paid them and whatever else that paid, the records on
their lines with what took those back or stands for them. A family goes whole or not at all, so that sums of what is
left stay right; it stays while one of it is younger, owed or held, while a payment of it is not used up, and while a
wallet that paid it owes. What a wallet has of postings that go is carried forward (:mod:`money`). A statement settles
records of everybody at a host's place. Of those that an invoice asks for it takes none with it, or all of them would
hang together: they stay until the statement is gone, and no other one pays for them again, since they are over their
term. The deletion itself is a function of the tables' owner, which looks again (W-33). Each family is a transaction
of its own.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from django.db import DatabaseError, connection
from django.db.models import Exists, OuterRef, Q
from django.db.transaction import atomic

from billing.models import (
    Allocation,
    Cdr,
    DocumentType,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceState,
    Journal,
    Payment,
    PaymentState,
    ProviderMovement,
    Receipt,
    Refund,
    RefundState,
    RetentionKind,
    Share,
)
from billing.services.payments import allocating
from billing.services.retention import files, holds, money, reports
from core.models import Organization

logger = logging.getLogger(__name__)

AT_ONCE = 50
LARGEST = 20_000
"""A family of more rows is left to a person; it is logged."""
FIRST = UUID(int=0)
_OVER = [
    InvoiceState.PAID,
    InvoiceState.CREDITED,
    InvoiceState.UNCOLLECTIBLE,
    InvoiceState.DISCARDED,
]
_LINED = Exists(
    InvoiceLine.objects.filter(
        Q(cdr=OuterRef("cdr"))
        | Q(cdr__credit_reference=OuterRef("cdr"))
        | Q(cdr__credited_by=OuterRef("cdr"))
        | Q(cdr__replaces=OuterRef("cdr"))
        | Q(cdr__replaced_by=OuterRef("cdr"))
    )
)
"""Shares of records that a document of somebody else asks for, or of what took those back or stands for them."""
_UNDER_WAY = [PaymentState.PENDING, PaymentState.HELD]


@dataclass(slots=True)
class Family:
    """Ids of all that hangs together."""

    invoices: set[UUID] = field(default_factory=set)
    payments: set[UUID] = field(default_factory=set)
    cdrs: set[UUID] = field(default_factory=set)

    @property
    def size(self) -> int:
        return len(self.invoices) + len(self.payments) + len(self.cdrs)


def delete_some(organization: Organization, before: date) -> int:
    """Look at some invoices older than that day, each once a day; how many, and 0 where a hold keeps all.

    A kill leaves the family that was being looked at as it was.
    """
    looked = reports.position(organization, RetentionKind.DOCUMENTS) or FIRST
    old = Invoice.objects.filter(organization=organization, pk__gt=looked).filter(_issued_before(before))
    seeds = list(old.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    for place, seed in enumerate(seeds):
        if not _look(organization, seed, before):
            return place
    return len(seeds)


@atomic
def _look(organization: Organization, seed: UUID, before: date) -> bool:
    """Whether deleting may go on: not once everything is held."""
    holds.lock(organization)
    if holds.stops_all(organization):
        return False
    there = Invoice.objects.filter(pk=seed).exists()
    counted = delete(organization, family_of(seed), before) if there else {}
    reports.add(organization, RetentionKind.DOCUMENTS, before, counted, position=seed)
    return True


def family_of(seed: UUID) -> Family:
    """All that hangs together with an invoice."""
    return grown(Family(invoices={seed}))


def grown(found: Family) -> Family:
    """With all that hangs together with what is in it."""
    size = 0
    while size < found.size <= LARGEST:
        size = found.size
        _grow_by_documents(found)
        _grow_by_money(found)
        _grow_by_records(found)
    return found


def _grow_by_documents(found: Family) -> None:
    notes = Invoice.objects.filter(Q(credits__in=found.invoices) | Q(credit_notes__in=found.invoices))
    found.invoices |= _ids(notes.values_list("pk", flat=True))
    found.cdrs |= _ids(
        InvoiceLine.objects.filter(invoice__in=found.invoices).values_list("cdr", flat=True).distinct()
    )
    paid = Share.objects.filter(invoice__in=found.invoices).exclude(_LINED)
    found.cdrs |= _ids(paid.values_list("cdr", flat=True).distinct())


def _grow_by_money(found: Family) -> None:
    of_invoices, of_payments = Q(invoice__in=found.invoices), Q(payment__in=found.payments)
    refunds = Refund.objects.filter(Q(credit_note__in=found.invoices) | of_payments)
    for pairs in (
        Allocation.objects.filter(of_invoices | of_payments).values_list("payment", "invoice"),
        Receipt.objects.filter(of_invoices | of_payments).values_list("payment", "invoice"),
        refunds.values_list("payment", "credit_note"),
        Payment.objects.filter(
            Q(credit_note__in=found.invoices) | Q(pk__in=found.payments, credit_note__isnull=False)
        ).values_list("pk", "credit_note"),
    ):
        for payment, invoice in pairs:
            found.payments.add(payment)
            found.invoices |= _ids([invoice])


def _grow_by_records(found: Family) -> None:
    mine = found.cdrs
    kin = Cdr.objects.filter(
        Q(credit_reference__in=mine)
        | Q(credited_by__in=mine)
        | Q(replaces__in=mine)
        | Q(replaced_by__in=mine)
    )
    found.cdrs |= _ids(kin.values_list("pk", flat=True))
    lines = InvoiceLine.objects.filter(cdr__in=found.cdrs)
    found.invoices |= _ids(lines.values_list("invoice", flat=True).distinct())
    paid = Share.objects.filter(cdr__in=found.cdrs).exclude(_LINED)
    found.invoices |= _ids(paid.values_list("invoice", flat=True).distinct())


def _ids(keys: Iterable[UUID | None]) -> set[UUID]:
    return {key for key in keys if key is not None}


def _stays(organization: Organization, found: Family, before: date) -> bool:
    invoices = Invoice.objects.filter(pk__in=found.invoices)
    payments = Payment.objects.filter(pk__in=found.payments)
    cdrs = Cdr.objects.filter(pk__in=found.cdrs)
    held = holds.standing(organization).values("account")
    refunds = Refund.objects.filter(Q(payment__in=found.payments) | Q(credit_note__in=found.invoices))
    journals = Journal.objects.filter(
        Q(payment_posting__payment__in=found.payments)
        | Q(invoice__in=found.invoices)
        | Q(payout__invoice__in=found.invoices)
        | Q(write_off__invoice__in=found.invoices)
    )
    shares = Share.objects.filter(cdr__in=found.cdrs).exclude(invoice__in=found.invoices)
    return (
        found.size > LARGEST
        or shares.exists()
        or invoices.exclude(_issued_before(before)).exists()
        or invoices.filter(account__in=held).exists()
        or payments.filter(Q(created_at__date__gte=before) | Q(state__in=_UNDER_WAY)).exists()
        or payments.filter(account__in=held).exists()
        or allocating.with_credit(payments).exists()
        or refunds.filter(Q(made_at__date__gte=before) | Q(state=RefundState.PENDING)).exists()
        or journals.filter(posted_at__date__gte=before).exists()
        or cdrs.filter(Q(sealed_at__date__gte=before) | Q(account__in=held)).exists()
        or money.is_in_wallets(payments, before)
    )


def _issued_before(before: date) -> Q:
    """A credit note asks for nothing; discarded drafts have no other day than that of their making."""
    discarded = Q(state=InvoiceState.DISCARDED, created_at__date__lt=before)
    note = Q(document_type=DocumentType.CREDIT_NOTE) & ~Q(state=InvoiceState.DRAFT)
    return (Q(state__in=_OVER) | note) & Q(issued_on__lt=before) | discarded


def delete(organization: Organization, found: Family, before: date) -> dict[str, int]:
    """What was deleted, by kind; nothing where it must stay. The caller holds the organization's lock."""
    if _stays(organization, found, before):
        if found.size > LARGEST:
            logger.warning("retention.too_large", extra=_named(found))
        return {}
    stored = _files_of(found)
    try:
        with atomic(), connection.cursor() as cursor:
            _forget_movements(found)
            cursor.execute(
                "SELECT billing_drop_expired(%s, %s, %s, %s, %s)",
                [organization.pk, list(found.invoices), list(found.payments), list(found.cdrs), before],
            )
    except (
        DatabaseError
    ):  # the database keeps it, or something that this module does not know of names one of it
        logger.exception("retention.refused", extra=_named(found))
        return {}
    files.expire(stored)
    return {
        "files": len(stored),
        "invoices": len(found.invoices),
        "payments": len(found.payments),
        "records": len(found.cdrs),
    }


def _forget_movements(found: Family) -> None:
    """What the provider booked stays, with its fees, and no longer says what for."""
    ProviderMovement.objects.filter(payment__in=found.payments).update(payment=None, refund=None)


def _named(found: Family) -> dict[str, str]:
    """For the log: one of it."""
    if found.invoices:
        return {"invoice": str(min(found.invoices))}
    return {"payment": str(min(found.payments))}


def _files_of(found: Family) -> list[str]:
    """Locked, so that none is made meanwhile."""
    rows = InvoiceDocument.objects.select_for_update().filter(invoice__in=found.invoices).exclude(file="")
    return list(rows.values_list("file", flat=True))
