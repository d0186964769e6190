"""Statements: what drivers and hosts are paid, as documents of type 389 in their name (billing B-52, B-53).

One transaction collects what no statement has, numbers and posts it; killed anywhere it did nothing. Who locks what:
the organization, so that no agreement with a host changes meanwhile, the account, then the series. A record is paid
once by a constraint; a record that was taken back after it was paid takes its share back on the next statement, and
one that was taken back before is on none. What is below nothing waits until there is more to pay.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from billing import amounts
from billing.amounts import ToBill, Totals
from billing.models import (
    BillingAccount,
    Cdr,
    DocumentType,
    HostAgreement,
    Invoice,
    InvoiceKind,
    InvoiceState,
    Journal,
    LedgerAccount,
    LedgerEntry,
    Payout,
    Share,
)
from billing.services import agreement_days, drafting, host_shares, issuing, parties, suppliers
from billing.services.retention import terms
from billing.services.vat_treatment import OUTSIDE
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.models import Organization
from core.services import outbox
from drivers.models import Erasure, ErasureState
from tariffs.rounding import Basis

Vat = tuple[Decimal, str, str]
"""Rate in percent, category and reason."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is to be paid for one record by one agreement, without VAT; below nothing where it is taken back.

    ``vat`` are rate, category and reason of the share that it takes back; without them those of today count.
    """

    cdr: Cdr
    net: Decimal
    home_agreement_id: UUID | None = None
    host_agreement_id: UUID | None = None
    vat: Vat | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement that would be made, of these items, each with its line."""

    currency: str
    items: tuple[tuple[Item, ToBill], ...]
    sums: Totals


@atomic
def make(account: BillingAccount, period: str, *, by: Actor) -> list[Invoice]:
    """Issue the account's statements of a month, one for each currency; those made here.

    What came late is on them too; what comes after waits for the next month's. Raises :class:`Invalid` where details
    of who is paid are missing.
    """
    by.require_everywhere(Permission.INVOICES_MANAGE, account)
    Organization.objects.select_for_update(no_key=True).get(pk=account.organization_id)
    locked = BillingAccount.objects.select_for_update(of=("self",)).select_related("driver", "organization")
    account = locked.get(pk=account.pk)
    return [_issue(account, period, one, by) for one in planned(account, period)]


def planned(account: BillingAccount, period: str) -> list[Planned]:
    """What the month's statements would be as things are; writes nothing. Raises as :func:`make` does."""
    drafting.end_of(period, account.time_zone)
    made = Invoice.objects.filter(account=account, period=period, kind=InvoiceKind.STATEMENT)
    taken = set(made.exclude(state=InvoiceState.DISCARDED).values_list("currency", flat=True))
    found = waiting(account, period)
    plans = [
        _plan(account, currency, found[currency])
        for currency in sorted(found)
        if currency not in taken and sum(one.net for one in found[currency]) > 0
    ]
    return [plan for plan in plans if plan.sums.due > 0]


def waiting(account: BillingAccount, period: str) -> Mapping[str, Sequence[Item]]:
    """What no statement has, by currency, of records that ended before the month did where the account is."""
    items: dict[str, list[Item]] = defaultdict(list)
    until = drafting.end_of(period, account.time_zone)
    for record in _at_home(account).filter(ended_at__lt=until).order_by("ended_at", "id"):
        assert record.payable_excl_vat is not None
        items[record.currency].append(Item(record, record.payable_excl_vat, record.home_agreement_id))
    for item in sorted(_of_host(account, until), key=lambda one: (one.cdr.ended_at, one.cdr.pk)):
        items[item.cdr.currency].append(item)
    for share in _taken_back(account).order_by("id"):
        credit = share.cdr.credited_by
        vat = share.vat_rate, share.vat_category, share.vat_reason
        items[credit.currency].append(
            Item(credit, -share.net, share.home_agreement_id, share.host_agreement_id, vat)
        )
    return items


def waits(account: BillingAccount) -> bool:
    """Whether anything is to be paid, or taken back, that no statement has yet; also where it cannot be told."""
    hosted = any(_of_host(account, clock.now())) or any(_untold(account, clock.now()))
    return hosted or _at_home(account).exists() or _taken_back(account).exists()


def untold(account: BillingAccount, period: str) -> Cdr | None:
    """The first record of which nobody can say what the account gets, as its VAT is not known; it waits."""
    return next(_untold(account, drafting.end_of(period, account.time_zone)), None)


def concerned(organization: Organization) -> QuerySet[BillingAccount]:
    """Accounts of which something waits, whenever it ended; those that may be on a run."""
    home = _in_term(_unpaid(), organization).order_by().values("home_agreement__driver")
    hosts = HostAgreement.objects.filter(organization=organization).exclude(account__driver__in=_erased())
    back = _reversible().filter(invoice__organization=organization).order_by().values("invoice__account")
    paid = Q(driver__in=home) | Q(pk__in=back) | Q(pk__in=hosts.order_by().values("account"))
    return BillingAccount.objects.filter(paid, organization=organization)


@atomic
def pay_out(statement: Invoice, *, paid_on: date, note: str = "", by: Actor) -> Payout:
    """Write down that a statement was paid from the bank: once, in full.

    Raises :class:`Conflict` where it is paid already or no statement, :class:`Invalid` for a day to come, or before
    that of the statement.
    """
    by.require_everywhere(Permission.INVOICES_MANAGE, statement)
    locked = (
        Invoice.objects.select_for_update(of=("self",)).select_related("organization").get(pk=statement.pk)
    )
    if locked.document_type != DocumentType.SELF_BILLED or locked.state != InvoiceState.ISSUED:
        raise Conflict("Only a statement that is not paid yet can be paid out.")
    now = clock.now()
    if paid_on > now.astimezone(ZoneInfo(locked.organization.time_zone)).date():
        raise Invalid("The day is still to come.", field="paid_on")
    if locked.issued_on is None or paid_on < locked.issued_on:
        raise Invalid("A statement is not paid before the day that it is of.", field="paid_on")
    made = Payout.objects.create(
        invoice=locked, journal=_paid(locked), paid_on=paid_on, note=note.strip()[:200], made_at=now,
        made_by=by.label[:200],
    )  # fmt: skip
    locked.state = InvoiceState.PAID
    locked.save(update_fields=["state"])
    outbox.record(
        "invoice.paid", organization_id=locked.organization_id, object_id=locked.pk,
        data={"id": str(locked.pk), "number": locked.number, "total": f"{locked.due:.2f}",
              "currency": locked.currency},
    )  # fmt: skip
    audit.record("statement.paid_out", locked, by=by, changes={"paid_on": audit.change(None, paid_on)})
    return made


def _unpaid() -> QuerySet[Cdr]:
    """Records of charging at home that stand and that no statement has."""
    home = Cdr.objects.filter(credit=False, credited_by=None, home_agreement__isnull=False)
    on_one = Share.objects.filter(cdr=OuterRef("pk"), home_agreement=OuterRef("home_agreement"))
    return home.exclude(payable_excl_vat=0).exclude(Exists(on_one))


def _at_home(account: BillingAccount) -> QuerySet[Cdr]:
    if account.driver_id is None:
        return Cdr.objects.none()
    return _in_term(_unpaid(), account.organization).filter(home_agreement__driver=account.driver_id)


def _of_host(account: BillingAccount, until: datetime) -> Iterator[Item]:
    """What the account gets as a host of records that somebody pays, or paid by card; what came to nothing is none."""
    for rule, book in _rules(account):
        for record in _hosted(rule, until).exclude(payable_excl_vat=None).iterator(chunk_size=1000):
            if share := book.shares(record).get(rule.pk):
                yield Item(record, share, host_agreement_id=rule.pk)


def _rules(account: BillingAccount) -> list[tuple[HostAgreement, host_shares.Book]]:
    """What was agreed with the account, with all that was agreed there; who was erased gets nothing more, the operator
    keeps it."""
    if account.driver_id is not None and _erased().filter(driver=account.driver_id).exists():
        return []
    rules = list(HostAgreement.objects.filter(account=account).select_related("organization"))
    book = host_shares.book_of(account.organization) if rules else None
    return [(rule, book) for rule in rules if book is not None]


def _erased() -> QuerySet[Erasure, Any]:
    gone = Erasure.objects.filter(state__in=[ErasureState.RUNNING, ErasureState.DONE])
    return gone.order_by().values("driver")


def _untold(account: BillingAccount, until: datetime) -> Iterator[Cdr]:
    for rule, book in _rules(account):
        for record in _hosted(rule, until).filter(payable_excl_vat=None).iterator(chunk_size=1000):
            if rule in book.in_force(record):
                yield record


def _hosted(rule: HostAgreement, until: datetime) -> QuerySet[Cdr]:
    """Standing records of its place and time that it has no share of; whether it holds for one is told by the book.

    Two days around: what day it was is told by the zone of each record.
    """
    if rule.site_id is not None:
        place = Q(site=rule.site_id)
    else:
        place = Q(transaction__station=rule.station_id) | Q(reservation__station=rule.station_id)
    first = max(agreement_days.FIRST, rule.valid_from) - timedelta(days=1)
    after = min(agreement_days.LAST, rule.valid_to or agreement_days.LAST) + timedelta(days=2)
    rows = _in_term(Cdr.objects.all(), rule.organization).filter(
        place, credit=False, credited_by=None, home_agreement=None, currency=rule.currency, ended_at__lt=until
    )
    rows = rows.filter(started_at__gte=_midnight(first), started_at__lt=_midnight(after))
    rows = rows.filter(Q(account__isnull=False) | Q(transaction__hold__isnull=False))
    rows = rows.exclude(payable_excl_vat__lte=0)
    rows = rows.exclude(Exists(Share.objects.filter(cdr=OuterRef("pk"), host_agreement=rule)))
    return host_shares.readable(rows).order_by("ended_at", "id")


def _in_term(records: QuerySet[Cdr], organization: Organization) -> QuerySet[Cdr]:
    """Without those over the term of documents: the statement that paid them may be gone (B-65)."""
    first = _midnight(terms.before(organization, clock.now().date()))
    return records.filter(organization=organization, sealed_at__gte=first)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _reversible() -> QuerySet[Share]:
    """Shares of records that were taken back since, whose credits are on no statement yet."""
    again = Share.objects.filter(
        Q(home_agreement=OuterRef("home_agreement")) | Q(host_agreement=OuterRef("host_agreement")),
        cdr__credit_reference=OuterRef("cdr"),
    )
    return Share.objects.filter(cdr__credit=False, cdr__credited_by__isnull=False).exclude(Exists(again))


def _taken_back(account: BillingAccount) -> QuerySet[Share]:
    return _reversible().filter(invoice__account=account).select_related("cdr__credited_by")


def _plan(account: BillingAccount, currency: str, items: Sequence[Item]) -> Planned:
    party = parties.buyer_of(account, parties.seller_of(account.organization_id))
    today = suppliers.vat_of(suppliers.of(account), party)
    lines = [(one, ToBill(one.net, *(one.vat or today))) for one in items]
    # A document outside of VAT has nothing else on it, by EN 16931: what was paid the other way waits.
    fit = tuple((one, line) for one, line in lines if (line.category == OUTSIDE) == (today[1] == OUTSIDE))
    sums = amounts.totals([line for _one, line in fit], Basis.NET, currency)
    parties.require_address(party, sums.due)
    return Planned(currency, fit, sums)


def _issue(account: BillingAccount, period: str, plan: Planned, by: Actor) -> Invoice:
    statement = Invoice(
        organization=account.organization, account=account, kind=InvoiceKind.STATEMENT,
        document_type=DocumentType.SELF_BILLED, period=period, currency=plan.currency, basis=Basis.NET.value,
    )  # fmt: skip
    drafting.put_totals(statement, plan.sums)
    statement.save(force_insert=True)
    shares = [
        Share(
            invoice=statement, cdr=one.cdr, home_agreement_id=one.home_agreement_id,
            host_agreement_id=one.host_agreement_id, place=place, vat_rate=line.rate,
            vat_category=line.category, vat_reason=line.reason, net=one.net,
        )
        for place, (one, line) in enumerate(plan.items, 1)
    ]  # fmt: skip
    Share.objects.bulk_create(shares, batch_size=1000)
    issuing.make_final(statement, by)
    return statement


def _paid(statement: Invoice) -> Journal:
    journal = Journal.objects.create(
        organization_id=statement.organization_id, currency=statement.currency, posted_at=clock.now()
    )
    sides = (
        (LedgerAccount.PAYABLE, statement.account_id, statement.due),
        (LedgerAccount.BANK, None, -statement.due),
    )
    LedgerEntry.objects.bulk_create(
        [
            LedgerEntry(journal=journal, account=name, payer_id=payer, amount=sum_)
            for name, payer, sum_ in sides
        ]
    )
    return journal
