"""The month-end run: one account, one transaction; killed anywhere, it goes on (billing B-30 to B-34).

The rows are the truth and any number of workers serve them: an item is taken with ``SKIP LOCKED``, its drafts
are made and issued, and it is marked done in the same commit. Who locks what: the item, then its account, the
records, the series. A run of statements says what drivers and hosts get instead (B-52, B-53): it knows no drafts.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import IntegrityError, OperationalError, connection
from django.db.models import Case, Count, F, Q, QuerySet, Sum, Value, When
from django.db.transaction import atomic

from billing.amounts import Totals
from billing.models import (
    AccountException,
    BillingAccount,
    BillingRun,
    BillingRunItem,
    Cdr,
    DocumentType,
    Invoice,
    InvoiceLine,
    InvoiceState,
    ItemState,
    RunKind,
    RunState,
)
from billing.services import alarms, drafting, issuing, self_billing
from core import access, audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, DomainError, Invalid, NotFound
from core.models import Organization

logger = logging.getLogger(__name__)

NOTHING = Decimal(0)

_SIGN = Case(When(document_type=DocumentType.CREDIT_NOTE, then=Value(-1)), default=Value(1))
"""Credit notes have positive amounts and count below nothing."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a run would issue to one account, in one currency and basis; ``invoice`` where it is drafted already.

    ``why`` is the sentence that it would fail with, or leave something out: then there are no amounts.
    """

    account: BillingAccount
    currency: str
    net: Decimal
    vat: Decimal
    due: Decimal
    invoice: UUID | None = None
    why: str = ""


@atomic
def start(
    organization: Organization,
    period: str,
    *,
    issue: bool,
    by: Actor,
    accounts: Sequence[BillingAccount] | None = None,
    kind: RunKind = RunKind.INVOICES,
) -> BillingRun:
    """Open a run with one item for each account, or each of the named ones, that has something unbilled, or with
    ``kind`` statements something to be paid. Statements are issued in any case.

    Of the month that is going on it takes what is sealed so far; :func:`require_over` is for who wants none of that.
    Raises :class:`Conflict` while one for this month is open, :class:`core.errors.Invalid` for no month, or one to
    come.
    """
    by.require(Permission.INVOICES_MANAGE, organization)
    _require_begun(organization, period)
    keys = None if accounts is None else [one.pk for one in accounts]
    try:
        with atomic():
            run = BillingRun.objects.create(
                organization=organization, period=period, kind=kind, only=keys or [],
                issue=issue or kind == RunKind.STATEMENTS,
                started_by=by.label[:200], started_at=clock.now(),
            )  # fmt: skip
    except IntegrityError:
        raise Conflict("A run for this month is going on already.") from None
    _enlist(run, keys)
    changes = {"period": audit.change(None, period)}
    if kind != RunKind.INVOICES:
        changes["kind"] = audit.change(None, kind)
    if accounts is not None:
        changes["accounts"] = [None, str(len(accounts))]
    audit.record("billing_run.started", run, by=by, changes=changes)
    return run


def _enlist(run: BillingRun, keys: Sequence[UUID] | None) -> None:
    values: dict[str, Any] = {
        "run": run.pk, "organization": run.organization_id, "period": run.period, "accounts": keys,
    }  # fmt: skip
    if run.kind == RunKind.STATEMENTS:
        concerned = self_billing.concerned(run.organization)
        rows = concerned if keys is None else concerned.filter(pk__in=keys)
        items = [
            BillingRunItem(run=run, account_id=key)
            for key in rows.order_by("pk").values_list("pk", flat=True)
        ]
        BillingRunItem.objects.bulk_create(items, ignore_conflicts=True, batch_size=1000)
        return
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS, values)


def preview(
    organization: Organization,
    period: str,
    *,
    by: Actor,
    only: Sequence[BillingAccount] | None = None,
    kind: RunKind = RunKind.INVOICES,
) -> list[Previewed]:
    """The figures of a run, nothing written; equal to what it issues while nothing changes (B-33).

    Statements that cannot be made are in it with why, and stop no other.
    Raises :class:`core.errors.Invalid` for what is no month, or one to come.
    """
    by.require(Permission.INVOICES_MANAGE, organization)
    _require_begun(organization, period)
    if kind == RunKind.STATEMENTS:
        return _previewed_statements(organization, period, only)
    drafted = Invoice.objects.filter(period=period, state=InvoiceState.DRAFT).values("account")
    owing = Q(pk__in=_owing()) | Q(pk__in=drafted)
    accounts = BillingAccount.objects.visible_to(by).filter(owing, organization=organization)
    if only is not None:
        accounts = accounts.filter(pk__in=[one.pk for one in only])
    return [found for account in accounts.order_by("pk") for found in _previewed(account, period)]


def require_over(organization: Organization, period: str) -> None:
    """The month is over for each of its payers, where they are (B-19). Raises :class:`Conflict` where it is not."""
    zones = (
        BillingAccount.objects.filter(organization=organization)
        .order_by()
        .values_list("time_zone", flat=True)
    )
    ends = [drafting.end_of(period, zone) for zone in {organization.time_zone, *zones.distinct()}]
    if max(ends) > clock.now():
        raise Conflict("This month is not over yet for every payer. Look at the preview, and run it then.")


def _require_begun(organization: Organization, period: str) -> None:
    drafting.end_of(period, organization.time_zone)
    if period > clock.now().astimezone(ZoneInfo(organization.time_zone)).strftime("%Y-%m"):
        raise Invalid("This month has not begun yet.", field="period")


def work(turn_s: float = math.inf) -> int:
    """Serve every open run until nothing is left or the time is up; how many accounts were done here."""
    return turns.repeat(_work_on, turn_s)


def _work_on() -> bool:
    """One account of the first run that has one left; runs without are finished."""
    for run in BillingRun.objects.filter(state=RunState.OPEN).order_by("id"):
        if _do_next(run):
            return True
        _finish(run)
    return False


def _do_next(run: BillingRun) -> bool:
    with atomic():
        waiting = BillingRunItem.objects.select_for_update(skip_locked=True, of=("self",))
        item = waiting.select_related("account", "run").filter(run=run, state=ItemState.OPEN).first()
        if item is None:
            return False
        try:
            with atomic():
                made = _do(run, item.account)
                item.documents = len(made)
                item.invoices.set(made)
                _let_the_database_check()
            item.state = ItemState.DONE
            _mended(item)
            if left := _left_out(run.kind, item.account, run.period):
                _except(item, left)
        except DomainError as why:
            _fail(item, why.message)
        except OperationalError:
            raise  # the database, not the account: the item stays open for the next turn
        except Exception:  # whatever is wrong with one account stops no other (B-34)
            logger.exception("run.failed", extra={"account": str(item.account_id)})
            _fail(item, "It stumbled; the log of the server says over what.")
        item.done_at = clock.now()
        item.save()
    return True


def _let_the_database_check() -> None:
    """What it would refuse at the commit it refuses now: then it is this account that fails, and not the run."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _fail(item: BillingRunItem, why: str) -> None:
    item.state, item.error = ItemState.FAILED, why[:300]
    _except(item, item.error)


def _except(item: BillingRunItem, why: str) -> None:
    """One exception for the account and month, however many runs fail over it (B-34)."""
    AccountException.objects.update_or_create(
        account=item.account, period=item.run.period, kind=item.run.kind, closed_at=None,
        defaults={"reason": why},
        create_defaults={
            "organization_id": item.run.organization_id, "reason": why, "opened_at": clock.now(),
        },
    )  # fmt: skip


def _left_out(kind: str, account: BillingAccount, period: str) -> str:
    """Why a record that a statement ought to have waits, though the others do not; empty where none does."""
    record = self_billing.untold(account, period) if kind == RunKind.STATEMENTS else None
    return "" if record is None else f"The VAT of the record {record.reference} is not known."


def _mended(item: BillingRunItem) -> None:
    found = AccountException.objects.open().filter(
        account=item.account, period__lte=item.run.period, kind=item.run.kind
    )
    found.update(closed_at=clock.now())


def _do(run: BillingRun, account: BillingAccount) -> list[Invoice]:
    """Draft what is unbilled, and issue it together with drafts of this month that were made before."""
    by = access.system(f"billing-run:{run.pk}")
    if run.kind == RunKind.STATEMENTS:
        return self_billing.make(account, run.period, by=by)
    made = drafting.catch_up(account, run.period, by=by)
    if not run.issue:
        return made
    drafts = Invoice.objects.filter(account=account, period=run.period, state=InvoiceState.DRAFT)
    return [issuing.issue(one, by=by) for one in drafts.order_by("id")]


def _finish(run: BillingRun) -> None:
    with atomic():
        locked = BillingRun.objects.select_for_update().get(pk=run.pk)
        if locked.state == RunState.OPEN and not locked.items.filter(state=ItemState.OPEN).exists():
            locked.state, locked.finished_at = RunState.FINISHED, clock.now()
            locked.save()
            _tell_failed(locked)


def _tell_failed(run: BillingRun) -> None:
    if failed := run.items.filter(state=ItemState.FAILED).count():
        alarms.tell(
            "month_end", f"{failed} accounts could not be invoiced for {run.period}.",
            organization_id=run.organization_id, object_id=run.pk,
        )  # fmt: skip


def progress(run: BillingRun, *, by: Actor) -> dict[str, int]:
    """How many accounts of a run are in each state. Raises :class:`NotFound` for a stranger's run."""
    if not by.sees(run):
        raise NotFound("There is no such object here.")
    counted = run.items.order_by().values_list("state").annotate(Count("id"))
    return {state.value: 0 for state in ItemState} | dict(counted)


def amounts(run: BillingRun) -> Iterable[Mapping[str, Any]]:
    """Documents and sums by currency of what this run made or issued, and nobody has discarded since."""
    live = _made_by(run).order_by("currency").values("currency")
    signed = {name: Sum(_SIGN * F(name)) for name in ("net", "vat", "due")}
    return live.annotate(documents=Count("id"), **signed)


def rates(run: BillingRun) -> list[dict[str, Any]]:
    """Net and VAT by currency, category and rate, of the same documents (B-34)."""
    with connection.cursor() as cursor:
        cursor.execute(_RATES, {"run": run.pk})
        names = ("currency", "category", "rate", "net", "vat")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _made_by(run: BillingRun) -> QuerySet[Invoice]:
    made = BillingRunItem.invoices.through.objects.filter(billingrunitem__run=run).values("invoice")
    return Invoice.objects.filter(pk__in=made).exclude(state=InvoiceState.DISCARDED)


def _owing() -> QuerySet[Cdr, object]:
    billed = InvoiceLine.objects.filter(voided_at=None)
    rows = Cdr.objects.filter(credit=False, credited_by=None).exclude(lines__in=billed)
    return rows.order_by().values("account")


def _previewed(account: BillingAccount, period: str) -> list[Previewed]:
    """Drafts made before that stand, and what the run would draft anew; a credit note is below nothing.

    What the run could not bill is told with why, and stops no other account (B-34).
    """
    try:
        return list(_would_be_made(account, period))
    except DomainError as error:
        return [_without(account, error.message)]


def _would_be_made(account: BillingAccount, period: str) -> Iterator[Previewed]:
    for one in drafting.planned(account, period):
        if one.stands and one.before is not None:
            yield _preview(account, one.currency, one.before.document_type, one.before)
        elif one.records:
            kind, sums = drafting.summed(drafting.lines_of(one.records), one.basis, one.currency)
            drafting.require_billable(account, sums)
            yield _preview(account, one.currency, kind, sums)


def _previewed_statements(
    organization: Organization, period: str, only: Sequence[BillingAccount] | None
) -> list[Previewed]:
    rows = self_billing.concerned(organization).select_related("driver", "organization")
    if only is not None:
        rows = rows.filter(pk__in=[one.pk for one in only])
    return [found for account in rows.order_by("pk") for found in _previewed_statement(account, period)]


def _previewed_statement(account: BillingAccount, period: str) -> list[Previewed]:
    try:
        planned = self_billing.planned(account, period)
    except DomainError as error:
        return [_without(account, error.message)]
    left = _left_out(RunKind.STATEMENTS, account, period)
    found = [_preview(account, one.currency, DocumentType.SELF_BILLED, one.sums) for one in planned]
    return [*found, _without(account, left)] if left else found


def _without(account: BillingAccount, why: str) -> Previewed:
    return Previewed(account, account.organization.currency, NOTHING, NOTHING, NOTHING, why=why)


def _preview(account: BillingAccount, currency: str, kind: str, sums: Totals | Invoice) -> Previewed:
    sign = -1 if kind == DocumentType.CREDIT_NOTE else 1
    made = sums.pk if isinstance(sums, Invoice) else None
    return Previewed(account, currency, sign * sums.net, sign * sums.vat, sign * sums.due, made)


_ITEMS = """
INSERT INTO billing_billingrunitem (run_id, account_id, state, documents, error)
SELECT %(run)s, a.id, 'open', 0, '' FROM billing_billingaccount a
WHERE a.organization_id = %(organization)s AND a.id = ANY (coalesce(%(accounts)s::uuid[], ARRAY[a.id])) AND (
    EXISTS (SELECT FROM billing_invoice i WHERE i.account_id = a.id AND i.state = 'draft' AND i.period = %(period)s)
    OR EXISTS (SELECT FROM billing_cdr c WHERE c.account_id = a.id AND NOT c.credit
        AND c.ended_at < ((%(period)s || '-01')::timestamp + interval '1 month') AT TIME ZONE a.time_zone
        AND (c.payable_excl_vat IS DISTINCT FROM 0 OR c.payable_incl_vat IS DISTINCT FROM 0)
        AND NOT EXISTS (SELECT FROM billing_invoiceline l WHERE l.cdr_id = c.id AND l.voided_at IS NULL)
        AND NOT EXISTS (SELECT FROM billing_cdr k WHERE k.credit_reference_id = c.id)))
ORDER BY a.id
ON CONFLICT DO NOTHING
"""
_RATES = """
SELECT i.currency, g->>'category', (g->>'rate')::numeric, sum(s.sign * (g->>'net')::numeric),
    sum(s.sign * (g->>'vat')::numeric)
FROM billing_billingrunitem r
JOIN billing_billingrunitem_invoices m ON m.billingrunitem_id = r.id
JOIN billing_invoice i ON i.id = m.invoice_id AND i.state <> 'discarded'
CROSS JOIN jsonb_array_elements(i.vat_groups) g
CROSS JOIN LATERAL (SELECT CASE i.document_type WHEN '381' THEN -1 ELSE 1 END AS sign) s
WHERE r.run_id = %(run)s
GROUP BY 1, 2, 3 ORDER BY 1, 3 DESC, 2
"""
