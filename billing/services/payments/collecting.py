"""Which invoices a direct debit may collect on a day, and why not the others (billing B-44).

Only what was announced to the payer is collected: by that mandate, for that creditor, not before that day.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from billing.models import (
    Allocation,
    BankDetails,
    DebitItem,
    DebitNotice,
    DeliveryState,
    DocumentType,
    DunningHold,
    Invoice,
    Mandate,
    MandateState,
    MandateType,
    Method,
    Payment,
    PaymentState,
)
from billing.services import snapshots
from billing.services.payments import allocating, under_way
from core import clock
from core.errors import Conflict
from core.models import Organization

AT_ONCE = 10_000
GRACE = timedelta(days=7)
"""So long after the announced day a debit may still come."""


class Obstacle(StrEnum):
    """Why an invoice is not collected on a day."""

    NOT_EURO = "not_euro"
    IN_FILE = "in_file"
    CARD = "card"
    DISPUTED = "disputed"
    NOT_ANNOUNCED = "not_announced"
    STOPPED = "stopped"
    EXPIRED = "expired"
    OTHER_TYPE = "other_type"
    OTHER_CREDITOR = "other_creditor"
    TOO_EARLY = "too_early"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An invoice of a payer with a mandate. ``rest`` is collected unless there is an obstacle.

    ``may_be_announced``: nothing stands against it but that the payer was not told. ``notice`` is its last mail.
    """

    invoice: Invoice
    mandate: Mandate | None
    rest: Decimal
    announced_on: date | None = None
    obstacle: Obstacle | None = None
    may_be_announced: bool = False
    notice: DebitNotice | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the payer was told: nothing is collected by another mandate, for somebody else, or before that day."""

    mandate: str
    creditor_id: str
    amount: Decimal
    on: date
    at: datetime


@dataclass(frozen=True, slots=True)
class _Known:
    """What stands against collecting, of all invoices at once."""

    in_file: Collection[UUID]
    by_card: Collection[str]
    disputed: Collection[UUID]
    held: Collection[UUID]
    came_back: Mapping[UUID, datetime]


def looked_at(
    organization: Organization, collect_on: date, type_: MandateType = MandateType.CORE, *,
    among: Collection[UUID] | None = None,
) -> list[Candidate]:  # fmt: skip
    """What payers with a mandate owe, and those who had one when they were told so, oldest first.

    Raises :class:`Conflict` where the organization has no creditor id.
    """
    details = details_of(organization)
    rows = _owed(organization)
    if among is not None:
        rows = rows.filter(pk__in=among)
    known = _known(organization)
    return list(_candidates(rows, known, details, collect_on, type_))


def free(candidates: Collection[Candidate]) -> list[Candidate]:
    """Those that can be collected, as many as a file takes."""
    return [one for one in candidates if one.obstacle is None][:AT_ONCE]


def details_of(organization: Organization) -> BankDetails:
    """Raises :class:`Conflict` where account or creditor id are not entered."""
    row = BankDetails.objects.filter(organization=organization).first()
    if row is None or not row.creditor_id:
        raise Conflict("Enter the organization's bank account and its creditor id first.")
    return row


def earliest(invoice: Invoice) -> date:
    """The day for which a debit can be announced today."""
    day = clock.now().date() + timedelta(days=details_of(invoice.organization).notice_days)
    return max(day, invoice.due_on or day)


def is_announced(invoice: Invoice, today: date) -> bool:
    """Whether the payer was told of a debit that is still to come, or was to come a few days ago."""
    told = announcement_of(invoice)
    if told is None or told.on + GRACE < today or allocating.open_amount(invoice) > told.amount:
        return False
    mandate = Mandate.objects.filter(account=invoice.account_id, reference=told.mandate).first()
    if mandate is None or mandate.state != MandateState.ACTIVE or not mandate.is_usable(told.on):
        return False
    mine = BankDetails.objects.filter(organization=invoice.organization_id, creditor_id=told.creditor_id)
    came_back = _came_back(invoice.organization, among=[invoice.pk]).get(invoice.pk)
    return mine.exists() and not _is_used_up(told, came_back)


def announcement_of(invoice: Invoice) -> Announcement | None:
    """What the payer was told of a direct debit last: by mail, or else by the invoice."""
    last = _last(invoice, DeliveryState.SENT)
    if last is not None:
        at = last.sent_at or last.made_at
        return Announcement(last.mandate.reference, last.creditor_id, last.amount, last.collect_on, at)
    told = invoice.snapshot.get("payment", {})
    if told.get("means") != snapshots.DEBIT or invoice.issued_on is None or invoice.issued_at is None:
        return None
    if "collect_on" in told:
        on = date.fromisoformat(told["collect_on"])
    else:  # invoices from before it stood on them
        on = max(invoice.issued_on + timedelta(days=told["notice_days"]), invoice.due_on or invoice.issued_on)
    return Announcement(told["mandate"], told["creditor_id"], invoice.due, on, invoice.issued_at)


def _last(invoice: Invoice, *states: DeliveryState) -> DebitNotice | None:
    notices = (one for one in invoice.debit_notices.all() if not states or one.state in states)
    return max(notices, key=lambda one: one.pk, default=None)


def _owed(organization: Organization) -> QuerySet[Invoice]:
    has_mandate = Mandate.objects.filter(organization=organization, state=MandateState.ACTIVE)
    meant = Q(account__in=has_mandate.values("account")) | Q(snapshot__payment__means=snapshots.DEBIT)
    return Invoice.objects.filter(
        meant, organization=organization, state__in=allocating.ASKED_FOR, document_type=DocumentType.INVOICE
    ).select_related("account").prefetch_related("debit_notices__mandate").order_by("id")  # fmt: skip


def _known(organization: Organization) -> _Known:
    disputed = Allocation.objects.filter(
        payment__organization=organization, payment__disputed_at__isnull=False
    )
    today = clock.now().date()
    holds = DunningHold.objects.open().filter(Q(until=None) | Q(until__gte=today), organization=organization)
    return _Known(
        in_file=under_way.by_debit(organization),
        by_card=under_way.by_card(organization),
        disputed=set(disputed.values_list("invoice_id", flat=True)),
        held={invoice or account for invoice, account in holds.values_list("invoice_id", "account_id")},
        came_back=_came_back(organization),
    )


def _came_back(
    organization: Organization, *, among: Collection[UUID] | None = None
) -> Mapping[UUID, datetime]:
    """When the last debit was made that came back, by its invoice."""
    returned = Payment.objects.filter(
        organization=organization, state=PaymentState.RETURNED, method=Method.DIRECT_DEBIT,
        end_to_end_id=OuterRef("end_to_end_id"),
    )  # fmt: skip
    items = DebitItem.objects.filter(Exists(returned), file__organization=organization, open=False)
    if among is not None:
        items = items.filter(invoice__in=among)
    return dict(items.values_list("invoice_id").annotate(Max("file__made_at")))


def _is_used_up(told: Announcement, came_back: datetime | None) -> bool:
    """What came back is collected again only once the payer is told so."""
    return came_back is not None and came_back >= told.at


def _candidates(
    rows: QuerySet[Invoice], known: _Known, details: BankDetails, collect_on: date, type_: MandateType
) -> Iterator[Candidate]:
    of_accounts = Mandate.objects.filter(account__in=rows.values("account")).order_by("id")
    mandates: dict[Any, Mandate] = {(one.account_id, one.reference): one for one in of_accounts}
    active = {one.account_id: one for one in mandates.values() if one.state == MandateState.ACTIVE}
    for invoice in rows:
        rest, told = allocating.open_amount(invoice), announcement_of(invoice)
        if not rest:
            continue
        if told and _is_used_up(told, known.came_back.get(invoice.pk)):
            told = None
        mandate = mandates.get((invoice.account_id, told.mandate)) if told else None
        now = active.get(invoice.account_id)
        why = _of_invoice(invoice, known)
        free = why is None and now is not None and now.is_usable(collect_on)
        why = why or _of_announcement(told, rest, mandate, now, details)
        untold = free and why in (Obstacle.NOT_ANNOUNCED, Obstacle.OTHER_CREDITOR)
        meant = now if untold else mandate or now
        why = why or _of_day(mandate, told, collect_on, type_)
        yield Candidate(invoice, meant, rest, told.on if told else None, why, untold, _last(invoice))


def _of_invoice(invoice: Invoice, known: _Known) -> Obstacle | None:
    if invoice.currency != "EUR":
        return Obstacle.NOT_EURO
    if invoice.pk in known.in_file:
        return Obstacle.IN_FILE
    if str(invoice.pk) in known.by_card:
        return Obstacle.CARD
    if invoice.pk in known.disputed:
        return Obstacle.DISPUTED
    is_held = invoice.pk in known.held or invoice.account_id in known.held
    return Obstacle.HELD if is_held else None


def _of_announcement(
    told: Announcement | None,
    rest: Decimal,
    mandate: Mandate | None,
    now: Mandate | None,
    details: BankDetails,
) -> Obstacle | None:
    """What was told holds no more; ``mandate`` is the one that was named, ``now`` the one of today."""
    if told is None or mandate is None or rest > told.amount or (now is not None and now != mandate):
        return Obstacle.NOT_ANNOUNCED
    if mandate.state != MandateState.ACTIVE:
        return Obstacle.STOPPED
    return Obstacle.OTHER_CREDITOR if told.creditor_id != details.creditor_id else None


def _of_day(
    mandate: Mandate | None, told: Announcement | None, collect_on: date, type_: MandateType
) -> Obstacle | None:
    """It could be collected, but not on this day in this file."""
    assert mandate is not None
    assert told is not None
    if mandate.type != type_:
        return Obstacle.OTHER_TYPE
    if not mandate.is_usable(collect_on):
        return Obstacle.EXPIRED
    return Obstacle.TOO_EARLY if collect_on < told.on else None
