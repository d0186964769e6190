"""Companies that pay for their drivers, one invoice a month for all of them (billing B-18).

What is scarce: the time of a driver, for which one company pays at most; a constraint of the table keeps two apart. Who
locks what: the driver, whose row stands for all of its time.
"""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.transaction import atomic

from billing.models import AccountKind, BillingAccount, CompanyMember
from billing.services import accounts
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound
from drivers.models import Driver
from stations.models import Transaction

LONGEST = 50
TORN = "A company pays for each of the two, not alike. Make that the same first."
REASON = "merged"


@atomic
def join(account: BillingAccount, driver: Driver, *, cost_centre: str = "", by: Actor) -> CompanyMember:
    """Let the company pay for what the driver begins to charge from now on, under that cost centre.

    Another company, or another cost centre, ends with it; joining again just so changes nothing. Raises
    :class:`Invalid` for an account that is no company's, and for a name that is none; :class:`NotFound` for a driver
    of somebody else.
    """
    by.require_everywhere(Permission.INVOICES_MANAGE, account)
    name = _checked(account, cost_centre)
    locked = Driver.objects.select_for_update(of=("self",)).live().filter(pk=driver.pk).first()
    if locked is None or locked.organization_id != account.organization_id:
        raise NotFound("There is no such driver.", field="driver")
    present = _present(locked)
    if present is not None and (present.account_id, present.cost_centre) == (account.pk, name):
        return present
    now = clock.now()
    if present is not None:
        _end(present, now)
    made = CompanyMember.objects.create(
        account=account, driver=locked, cost_centre=name, since=now, made_by=by.label[:200]
    )
    changes = {"account": audit.change(present and present.account, account)}
    before = present.cost_centre if present else ""
    if before or name:
        changes["cost_centre"] = audit.change(before or None, name or None)
    audit.record("company_member.joined", made, by=by, changes=changes)
    return made


@atomic
def leave(account: BillingAccount, driver: Driver, *, by: Actor) -> None:
    """Let the driver pay for what begins from now on. Raises :class:`Conflict` where that company pays for nothing."""
    by.require_everywhere(Permission.INVOICES_MANAGE, account)
    Driver.objects.select_for_update(of=("self",)).get(pk=driver.pk)
    present = _present(driver)
    if present is None or present.account_id != account.pk:
        raise Conflict("This company does not pay for that driver.")
    _leave(present, by, "")


def leave_all(driver: Driver, *, by: Actor) -> None:
    """No company pays for who is no more; the caller holds the driver's lock."""
    present = _present(driver)
    if present is not None:
        _leave(present, by, "erased")


def torn(kept: Driver, duplicate: Driver) -> bool:
    """Whether companies pay for both of them, and not alike."""
    ours, theirs = _present(kept), _present(duplicate)
    alike = ours and theirs and (ours.account_id, ours.cost_centre) == (theirs.account_id, theirs.cost_centre)
    return ours is not None and theirs is not None and not alike


def move(kept: Driver, duplicate: Driver, *, by: Actor) -> int:
    """The kept driver's company is the duplicate's, where it has none; how many moved.

    It is so from when the duplicate joined, as the two are one person: for sessions of which stations tell later. What
    is sealed stays as it is. Where the kept one has been in a company since, it is so from now on.
    The caller holds the locks of both.
    """
    theirs = _present(duplicate)
    if theirs is None:
        return 0
    since = CompanyMember.objects.filter(Q(until=None) | Q(until__gt=theirs.since), driver=kept)
    if not since.exists():
        return _hand_over(theirs, kept, duplicate, by)
    ended = _leave(theirs, by, REASON)
    if _present(kept) is not None:
        return 0
    made = CompanyMember.objects.create(
        account=theirs.account, driver=kept, cost_centre=theirs.cost_centre, since=ended,
        made_by=by.label[:200],
    )  # fmt: skip
    told = {"driver": audit.change(duplicate, kept)}
    audit.record("company_member.joined", made, by=by, changes=told, reason=REASON)
    return 1


def _hand_over(theirs: CompanyMember, kept: Driver, duplicate: Driver, by: Actor) -> int:
    """With its beginning, for sessions of which the stations tell later."""
    theirs.driver = kept
    theirs.save(update_fields=["driver"])
    told = {"driver": audit.change(duplicate, kept)}
    audit.record("company_member.joined", theirs, by=by, changes=told, reason=REASON)
    return 1


def member_at(driver: Driver | None, instant: datetime) -> CompanyMember | None:
    """By which a company pays for what the driver began to charge then; of a duplicate, who is kept."""
    if driver is None:
        return None
    rows = CompanyMember.objects.filter(driver=driver.merged_into_id or driver.pk, since__lte=instant)
    return rows.filter(Q(until=None) | Q(until__gt=instant)).select_related("account").first()


def payer_of(driver: Driver | None, at: datetime) -> BillingAccount | None:
    """Who pays for what the driver began then: a company, else the driver.

    What came in for a duplicate as it was merged is the kept one's.
    """
    if driver is None:
        return None
    member = member_at(driver, at)
    return member.account if member else accounts.of_driver(driver.merged_into or driver)


def cost_centre_of(driver: Driver | None, at: datetime) -> dict[str, str]:
    """As a record's content has it: where the company that pays has one for the driver."""
    member = member_at(driver, at)
    return {"cost_centre": member.cost_centre} if member and member.cost_centre else {}


def paid_by_drivers(sessions: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """Without those that a company pays for."""
    theirs = CompanyMember.objects.filter(
        Q(until=None) | Q(until__gt=OuterRef("started_at")),
        driver=Coalesce(OuterRef("driver__merged_into"), OuterRef("driver")),
        since__lte=OuterRef("started_at"),
    )
    return sessions.exclude(Exists(theirs))


def _checked(account: BillingAccount, cost_centre: str) -> str:
    if account.kind != AccountKind.COMPANY or account.driver_id is not None:
        raise Invalid("Only the account of a company can pay for drivers.", field="account")
    name = " ".join(cost_centre.split())
    if len(name) > LONGEST or not name.isprintable():
        raise Invalid("A cost centre has at most 50 characters.", field="cost_centre")
    return name


def _present(driver: Driver) -> CompanyMember | None:
    return CompanyMember.objects.present().filter(driver=driver).select_related("account", "driver").first()


def _end(row: CompanyMember, now: datetime) -> datetime:
    row.until = ended = max(now, row.since)
    row.save(update_fields=["until"])
    return ended


def _leave(row: CompanyMember, by: Actor, reason: str) -> datetime:
    """When it ended."""
    ended = _end(row, clock.now())
    changes = {"account": audit.change(row.account, None)}
    audit.record("company_member.left", row, by=by, changes=changes, reason=reason)
    return ended
