"""Stopping and going on by a person: of one invoice, or of all of a payer (billing B-47)."""

from datetime import date
from zoneinfo import ZoneInfo

from django.db.transaction import atomic

from billing.models import BillingAccount, DunningHold, HoldKind, Invoice
from billing.services.dunning import standing
from billing.services.payments import allocating
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid


@atomic
def hold(
    thing: Invoice | BillingAccount, kind: HoldKind, *, reason: str, until: date | None = None, by: Actor
) -> DunningHold:
    """Ask for nothing to the end of ``until``, or until it is released; a promise needs that day.

    Raises :class:`Conflict` where it is held already or nothing is owed, :class:`Invalid` naming the field.
    """
    by.require(Permission.INVOICES_MANAGE, thing)
    account, invoice = _locked(thing)
    today = clock.now().astimezone(ZoneInfo(account.time_zone)).date()
    said = _checked(reason)
    if until is not None and until < today:
        raise Invalid("Choose a day that is not over.", field="until")
    if kind == HoldKind.PROMISE and until is None:
        raise Invalid("Say until when the payment is promised.", field="until")
    if invoice is not None and invoice.state not in allocating.ASKED_FOR:
        raise Conflict("Nothing is owed on this invoice.")
    before = _open(account, invoice)
    if before is not None and (before.until is None or before.until >= today):
        raise Conflict("It is held already. Release it first.")
    _end(before, by)
    made = DunningHold.objects.create(
        organization_id=account.organization_id, account=account, invoice=invoice, kind=kind, reason=said,
        until=until, made_by=by.label[:200], made_at=clock.now(),
    )  # fmt: skip
    changes = {"dunning": [None, kind.value], "until": audit.change(None, until)}
    audit.record(f"{_word(invoice)}.dunning_held", thing, by=by, changes=changes, reason=said)
    return made


@atomic
def release(thing: Invoice | BillingAccount, *, by: Actor) -> None:
    """Let dunning go on. Raises :class:`Conflict` where it is not held."""
    by.require(Permission.INVOICES_MANAGE, thing)
    account, invoice = _locked(thing)
    before = _open(account, invoice)
    if before is None:
        raise Conflict("It is not held.")
    _end(before, by)
    audit.record(f"{_word(invoice)}.dunning_released", thing, by=by, changes={"dunning": [before.kind, None]})


def of_payer(account: BillingAccount) -> DunningHold | None:
    """What holds all of the payer's invoices today."""
    today = clock.now().astimezone(ZoneInfo(account.time_zone)).date()
    return standing.in_force(DunningHold.objects.filter(account=account, invoice=None), today)


def _locked(thing: Invoice | BillingAccount) -> tuple[BillingAccount, Invoice | None]:
    if isinstance(thing, BillingAccount):
        return BillingAccount.objects.select_for_update(no_key=True).get(pk=thing.pk), None
    invoice = Invoice.objects.select_for_update(of=("self",)).select_related("account").get(pk=thing.pk)
    return invoice.account, invoice


def _open(account: BillingAccount, invoice: Invoice | None) -> DunningHold | None:
    return DunningHold.objects.open().filter(account=account, invoice=invoice).first()


def _end(before: DunningHold | None, by: Actor) -> None:
    if before is not None:
        before.released_at, before.released_by = clock.now(), by.label[:200]
        before.save(update_fields=["released_at", "released_by"])


def _word(invoice: Invoice | None) -> str:
    return "billing_account" if invoice is None else "invoice"


def _checked(reason: str) -> str:
    said = " ".join(reason.split())
    if not 0 < len(said) <= 300 or not said.isprintable():
        raise Invalid("Say why, in at most 300 characters.", field="reason")
    return said
