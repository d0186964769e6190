"""SEPA direct debit: mandates, pain.008 files and what comes back (billing B-43 to B-45)."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.transaction import atomic
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError

from billing.models import (
    BankDetails,
    BillingAccount,
    DebitFile,
    DebitFileState,
    DebitItem,
    Invoice,
    Mandate,
    MandateState,
    MandateType,
    Method,
    Payment,
)
from billing.services.payments import allocating, collecting, pain, receiving
from billing.services.payments.collecting import Candidate
from core import audit, clock, keys
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, Passing
from core.models import Organization

FILE_PURPOSE = "debit file"
STOPS_MANDATE = frozenset({"AC01", "AC04", "AC13", "MD01", "MD07"})
"""Account closed, wrong or dead, mandate missing: nothing more is collected by it (B-45)."""


@atomic
def set_details(  # noqa: PLR0913  what a bank account is
    organization: Organization, *, holder: str, iban: str, bic: str = "", creditor_id: str = "",
    notice_days: int = 14, first_as_frst: bool = False, by: Actor,
) -> BankDetails:  # fmt: skip
    """The organization's own account. Raises :class:`Invalid` for an IBAN with wrong check digits."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    if not holder.strip():
        raise Invalid("Name the holder of the account.", field="holder")
    if not 1 <= notice_days <= 60:
        raise Invalid("A notice is of 1 to 60 days.", field="notice_days")
    row, _created = BankDetails.objects.update_or_create(
        organization=organization,
        defaults={"holder": holder.strip()[:70], "iban": checked_iban(iban), "bic": bic.strip().upper()[:11],
                  "creditor_id": creditor_id.replace(" ", "").upper()[:35], "notice_days": notice_days,
                  "first_as_frst": first_as_frst},
    )  # fmt: skip
    audit.record("bank_details.changed", row, by=by)
    return row


@atomic
def sign(
    account: BillingAccount, *, iban: str, holder: str, signed_on: date, type_: MandateType = MandateType.CORE,
    by: Actor,
) -> Mandate:  # fmt: skip
    """Keep a mandate; one that was active is stopped. Raises :class:`Invalid` for a wrong IBAN or a day to come."""
    by.require(Permission.INVOICES_MANAGE, account)
    checked = checked_iban(iban)
    if not holder.strip():
        raise Invalid("Name the holder of the account.", field="holder")
    if signed_on > clock.now().date():
        raise Invalid("A mandate is not signed in the future.", field="signed_on")
    BillingAccount.objects.select_for_update().get(pk=account.pk)
    for former in Mandate.objects.filter(account=account, state=MandateState.ACTIVE):
        stop(former, because="replaced", by=by)
    row = Mandate.objects.create(
        organization_id=account.organization_id, account=account, type=type_, holder=holder.strip()[:70],
        reference=f"M{secrets.token_hex(8).upper()}", sealed_iban=keys.seal(checked, purpose=Mandate.PURPOSE),
        iban_end=checked[-4:], signed_on=signed_on,
    )  # fmt: skip
    audit.record("mandate.signed", row, by=by)
    return row


@atomic
def stop(mandate: Mandate, *, because: str, by: Actor) -> Mandate:
    """Collect no more by it."""
    by.require(Permission.INVOICES_MANAGE, mandate)
    mandate.state, mandate.stopped_because = MandateState.STOPPED, because[:100]
    mandate.save(update_fields=["state", "stopped_because"])
    audit.record("mandate.stopped", mandate, by=by, reason=because)
    return mandate


@atomic
def make_file(
    organization: Organization, collect_on: date, type_: MandateType = MandateType.CORE, *, by: Actor
) -> DebitFile:
    """One pain.008 of all that mandates of a type can collect on that day; an invoice is in one open file at most.

    Raises :class:`Invalid` for a day too near, :class:`Conflict` where nothing can be collected.
    """
    by.require(Permission.INVOICES_MANAGE, organization)
    Organization.objects.select_for_update().get(pk=organization.pk)
    details = collecting.details_of(organization)
    if collect_on <= clock.now().date() or collect_on.weekday() >= 5:
        raise Invalid("Choose a working day to come.", field="collect_on")
    wanted = _locked(organization, collect_on, type_)
    if not wanted:
        raise Conflict("There is nothing to collect on this day.")
    now = clock.now()
    row = DebitFile(
        organization=organization, message_id=f"CY{now:%Y%m%d%H%M%S}{secrets.token_hex(5).upper()}",
        collect_on=collect_on, total=sum((one.rest for one in wanted), Decimal(0)), made_at=now,
        made_by=by.label[:200],
    )  # fmt: skip
    items = _items(row, wanted, details)
    content = pain.rendered(row, items, details)
    row.sealed_content = keys.seal(content.decode(), purpose=FILE_PURPOSE)
    row.digest = hashlib.sha256(content).hexdigest()
    try:
        with atomic():
            row.save(force_insert=True)
            DebitItem.objects.bulk_create(items)
    except IntegrityError as error:
        raise Passing(
            "One of the invoices is in another file just now. Try it again.", retry_after_s=1
        ) from error
    audit.record("debit_file.made", row, by=by, changes={"total": [None, f"{row.total:.2f}"]})
    return row


def content_of(row: DebitFile, *, by: Actor) -> bytes:
    """The file as it was made, byte for byte, however often it is fetched; told in the audit."""
    by.require(Permission.INVOICES_MANAGE, row)
    audit.record("debit_file.fetched", row, by=by)
    return keys.unseal(row.sealed_content, purpose=FILE_PURPOSE).encode()


@atomic
def collected(row: DebitFile, *, by: Actor) -> DebitFile:
    """The bank took the file: each debit is a payment of its invoice until it comes back.

    What a statement told of already is not booked again.
    """
    held = _open_file(row, by)
    for item in held.items.select_related("file", "invoice__account", "mandate"):
        if payment_of(item) is None:
            settle(item, by=by)
    return _close(held, DebitFileState.COLLECTED, by)


@atomic
def discard(row: DebitFile, *, by: Actor) -> DebitFile:
    """The file never went to the bank; its invoices can be in another one.

    Raises :class:`Conflict` where a statement told of one of its debits.
    """
    held = _open_file(row, by)
    if _payments(held).exists():
        raise Conflict("The bank booked a debit of this file, so that it was there.")
    return _close(held, DebitFileState.DISCARDED, by)


def payment_of(item: DebitItem) -> Payment | None:
    """What the debit became, also after it came back."""
    return _payments(item.file).filter(end_to_end_id=item.end_to_end_id).first()


def book(item: DebitItem, *, by: Actor) -> Payment:
    """The payment that a debit is, though it settles nothing yet. The caller holds the file's lock."""
    payment = receiving.book(
        organization_id=item.file.organization_id, account=item.invoice.account, amount=item.amount,
        currency=item.file.currency, method=Method.DIRECT_DEBIT, received_on=item.file.collect_on, by=by,
        end_to_end_id=item.end_to_end_id,
    )  # fmt: skip
    mandate = item.mandate
    mandate.last_used_on = max(mandate.last_used_on or item.file.collect_on, item.file.collect_on)
    mandate.save(update_fields=["last_used_on"])
    return payment


def settle(item: DebitItem, *, by: Actor) -> Payment:
    """As :func:`book`, and its invoice is paid as far as it is owed."""
    payment = book(item, by=by)
    if item.invoice.state in allocating.OWED:
        allocating.allocate(payment, item.invoice, by=by)
    return payment


def came_back(item: DebitItem, reason: str, *, by: Actor) -> None:
    """Its invoice can be paid in another way; where account or mandate is no more, nothing is collected by it again."""
    item.open = False
    item.save(update_fields=["open"])
    if reason in STOPS_MANDATE and item.mandate.state == MandateState.ACTIVE:
        stop(item.mandate, because=reason, by=by)


def checked_iban(text: str) -> str:
    """In its compact form. Raises :class:`Invalid` for a wrong length or wrong check digits."""
    try:
        return str(ibans.validate(text))
    except ValidationError:
        raise Invalid("This is no IBAN: its length or its check digits are wrong.", field="iban") from None


def _locked(organization: Organization, collect_on: date, type_: MandateType) -> list[Candidate]:
    """What can be collected; nobody asks for a card payment of it meanwhile."""
    seen = collecting.free(collecting.looked_at(organization, collect_on, type_))
    among = [one.invoice.pk for one in seen]
    list(Invoice.objects.select_for_update().filter(pk__in=among).order_by("pk").values_list("pk"))
    return collecting.free(collecting.looked_at(organization, collect_on, type_, among=among))


def _items(row: DebitFile, wanted: Sequence[Candidate], details: BankDetails) -> list[DebitItem]:
    """One for each; the first use of a mandate is FRST where the bank asks for that, any other RCUR."""
    items, used = [], _mandates_in_open_files(row.organization)
    for one in wanted:
        mandate = one.mandate
        assert mandate is not None
        first = details.first_as_frst and mandate.last_used_on is None and mandate.pk not in used
        used.add(mandate.pk)
        tries = DebitItem.objects.filter(invoice=one.invoice).count()
        items.append(
            DebitItem(
                file=row, invoice=one.invoice, mandate=mandate, amount=one.rest,
                sequence="FRST" if first else "RCUR", end_to_end_id=f"E{one.invoice.pk.hex}{tries:02d}",
            )
        )  # fmt: skip
    return items


def _mandates_in_open_files(organization: Organization) -> set[UUID]:
    rows = DebitItem.objects.filter(file__organization=organization, open=True)
    return set(rows.values_list("mandate_id", flat=True))


def _payments(row: DebitFile) -> QuerySet[Payment]:
    """Those that debits of it became."""
    ids = row.items.values("end_to_end_id")
    return Payment.objects.filter(organization_id=row.organization_id, end_to_end_id__in=ids)


def _open_file(row: DebitFile, by: Actor) -> DebitFile:
    by.require(Permission.INVOICES_MANAGE, row)
    held = DebitFile.objects.select_for_update().get(pk=row.pk)
    if held.state != DebitFileState.OPEN:
        raise Conflict("This file is closed already.")
    return held


def _close(held: DebitFile, state: DebitFileState, by: Actor) -> DebitFile:
    held.state = state
    held.save(update_fields=["state"])
    held.items.update(open=False)
    audit.record("debit_file.closed", held, by=by, changes={"state": [DebitFileState.OPEN, state]})
    return held
