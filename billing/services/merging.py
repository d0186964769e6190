"""Two rows for one person become one (dashboard 4.11): what the other holds is the kept one's from then on."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from billing.models import (
    BillingAccount,
    Buyer,
    Cdr,
    HomeAgreement,
    HostAgreement,
    Invoice,
    InvoiceState,
    LegalHold,
    Mandate,
    MandateState,
    Outcome,
    Payment,
    SavedMethod,
    Supplier,
    Wallet,
)
from billing.services import companies, reserved
from billing.services.erasing import CHARGING, UNSETTLED
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, NotFound
from drivers.models import Budget, CardRegistration, Driver, Erasure, ErasureState, IdToken, ImportedRow
from drivers.services import blocks, invitations
from stations.domain.words import TransactionStatus
from stations.models import Favourite, SitePermission, TariffAssignment, Transaction
from stations.services import merged_drivers

ACCOUNTS = "Both have an account to sign in. End one of the two first."
FORGOTTEN = (
    "It was asked to delete the data of one of the two. Carry that out, or let it be withdrawn, first."
)
MONEY = "Both have a payer's account, and there are invoices, records or money with that of the duplicate."
TARIFFS = "Both have a contract tariff of their own for the same. End one of the two first."
STAFF = (
    "One of the two is staff, whose sessions are not billed, and the other is not. Make that the same first."
)
HOME = "Both have an agreement on home charging for the same charger and days. End one of the two first."
HELD = "A legal hold stands on the payer's account of the duplicate. Lift it first."
FILLED = ("email", "language", "reference")
REASON = "merged"
_FOR_THE_SAME = {"role": OuterRef("role"), "connector_type": OuterRef("connector_type")}


@dataclass(frozen=True, slots=True)
class Merging:
    """What merging does, or did: what moves to the kept driver, and what stands in the way (nothing is done then).

    ``sites`` where the kept driver may charge then, too. ``limit_ends``: the duplicate is limited to sites and
    the kept driver is not, so that the duplicate's tokens are good everywhere.
    """

    tokens: int
    sessions: int
    budgets: int
    account: bool
    tariffs: int = 0
    sites: int = 0
    limit_ends: bool = False
    obstacles: tuple[str, ...] = ()


def look(kept: Driver, duplicate: Driver) -> Merging:
    """What merging would do now."""
    return Merging(
        tokens=IdToken.objects.live().filter(driver=duplicate).count(),
        sessions=Transaction.objects.filter(driver=duplicate).count(),
        budgets=len(_new_budgets(kept, duplicate)),
        account=_account_of(kept) is None and _account_of(duplicate) is not None,
        tariffs=_new_tariffs(kept, duplicate).count(),
        sites=_new_sites(kept, duplicate).count(),
        limit_ends=_is_limited(duplicate) and not _is_limited(kept),
        obstacles=tuple(obstacles(kept, duplicate)),
    )


def obstacles(kept: Driver, duplicate: Driver) -> list[str]:
    """What has to be settled first, a sentence each."""
    ended = Transaction.objects.filter(driver=duplicate, status=TransactionStatus.ENDED.value)
    open_ = Q(settlement=None) | Q(settlement__outcome__in=[Outcome.WAITING, Outcome.EXCEPTION])
    asked = Erasure.objects.filter(driver__in=[kept, duplicate]).exclude(state=ErasureState.WITHDRAWN)
    ours, theirs = _account_of(kept), _account_of(duplicate)
    found = {
        CHARGING: Transaction.objects.filter(
            driver=duplicate, status=TransactionStatus.ACTIVE.value
        ).exists(),
        UNSETTLED: ended.filter(open_).exists() or reserved.waits(duplicate),
        FORGOTTEN: asked.exists(),
        ACCOUNTS: None not in (kept.user_id, duplicate.user_id),
        MONEY: ours is not None and theirs is not None and _holds_money(theirs),
        STAFF: ours is not None and theirs is not None and _is_staff(ours) != _is_staff(theirs),
        HELD: LegalHold.objects.filter(account__driver=duplicate, lifted_at=None).exists(),
        TARIFFS: _torn_tariffs(kept, duplicate).exists(),
        HOME: _torn_agreements(kept, duplicate),
        companies.TORN: companies.torn(kept, duplicate),
    }
    return [sentence for sentence, stands in found.items() if stands]


def merge(kept: Driver, duplicate: Driver, *, by: Actor) -> Merging:
    """Give all that the duplicate has to the kept driver, and end the duplicate. Cannot be undone.

    Raises :class:`Conflict` for the first of the obstacles, :class:`NotFound` for a driver who is no more or of
    another organization.
    """
    for one in (kept, duplicate):
        by.require_everywhere(Permission.DRIVERS_MANAGE, one)
    if kept.pk == duplicate.pk or kept.organization_id != duplicate.organization_id:
        raise Conflict("Choose another driver as the duplicate.", field="duplicate")
    with atomic():
        locked = _locked(kept.pk, duplicate.pk)
        kept, duplicate = locked[kept.pk], locked[duplicate.pk]
        done = look(kept, duplicate)
        if done.obstacles:
            raise Conflict(done.obstacles[0])
        _move(kept, duplicate, by)
    return done


def _locked(*keys: UUID) -> dict[UUID, Driver]:
    """Both drivers with their accounts, in one order, so that no record is made for either meanwhile."""
    rows = Driver.objects.select_for_update(of=("self",)).live().select_related("organization", "group")
    found = {driver.pk: driver for driver in rows.filter(pk__in=keys).order_by("pk")}
    if len(found) != len(keys):
        raise NotFound("There is no such driver.", field="duplicate")
    accounts = BillingAccount.objects.filter(driver__in=keys).order_by("pk")
    list(accounts.select_for_update(of=("self",)).values_list("pk"))
    return found


def _move(kept: Driver, duplicate: Driver, by: Actor) -> None:
    tokens = list(IdToken.objects.select_for_update().filter(driver=duplicate).order_by("pk"))
    IdToken.objects.filter(driver=duplicate).update(driver=kept)
    sessions = merged_drivers.give(duplicate.pk, kept.pk)
    known = Favourite.objects.filter(driver=kept).values("station")
    Favourite.objects.filter(driver=duplicate).exclude(station__in=known).update(driver=kept)
    contracts = {"tariffs": [None, _move_tariffs(kept, duplicate, by)]}
    homes = {"home_agreements": [None, _move_agreements(kept, duplicate, by)]}
    homes["companies"] = [None, companies.move(kept, duplicate, by=by)]
    sites = {"sites": [None, _new_sites(kept, duplicate).update(driver=kept)]}
    budgets = _new_budgets(kept, duplicate)
    Budget.objects.filter(pk__in=[one.pk for one in budgets]).update(driver=kept)
    _move_account(kept, duplicate, by)
    invitations.withdraw_open(duplicate, by=by)
    duplicate.invitations.update(driver=kept)
    changes = _complete(kept, duplicate)
    _end(duplicate, kept)
    kept.save(update_fields=[*FILLED, "group", "user", *blocks.FIELDS])
    moved = {"tokens": [None, len(tokens)], "sessions": [None, sessions], "budgets": [None, len(budgets)]}
    told = {"duplicate": [str(duplicate.pk), None], **moved, **contracts, **homes, **sites, **changes}
    audit.record("driver.merged", kept, by=by, changes=told)
    told = {"driver": audit.change(duplicate, kept)}
    audit.record_each("token.changed", ((token, told) for token in tokens), by=by, reason=REASON)
    audit.record("driver.retired", duplicate, by=by, changes={"into": [None, str(kept.pk)]}, reason=REASON)


def _complete(kept: Driver, duplicate: Driver) -> dict[str, Any]:
    """What the kept driver lacks comes from the duplicate; a block of either holds. The audit tells no address."""
    changes: dict[str, Any] = {}
    for name in (*FILLED, "group", "user"):
        if not getattr(kept, name) and getattr(duplicate, name):
            setattr(kept, name, getattr(duplicate, name))
            changes[name] = audit.change(None, getattr(kept, name), hidden=name in ("email", "user"))
    if duplicate.blocked and not _blocks_longer(kept, duplicate):
        before = kept.own_status
        for name in blocks.FIELDS:
            setattr(kept, name, getattr(duplicate, name))
        changes["status"] = [before, kept.status]
    return changes


def _blocks_longer(one: Driver, other: Driver) -> bool:
    """Whether the block of one ends no earlier than that of the other."""
    if not one.blocked:
        return False
    return one.blocked_until is None or (
        other.blocked_until is not None and one.blocked_until >= other.blocked_until
    )


def _end(duplicate: Driver, kept: Driver) -> None:
    """The row stays without the person, who is found under the kept one alone."""
    Driver.objects.filter(merged_into=duplicate).update(merged_into=kept)
    for rows in (CardRegistration, SitePermission, Budget, Favourite, ImportedRow):
        rows.objects.filter(driver=duplicate).delete()
    Driver.objects.filter(pk=duplicate.pk).update(
        name=f"Merged …{str(duplicate.pk)[-8:]}",
        email="",
        language="",
        reference="",
        group=None,
        user=None,
        blocked_reason="",
        retired_at=clock.now(),
        merged_into=kept,
    )


def _move_account(kept: Driver, duplicate: Driver, by: Actor) -> None:
    """The payer's account follows where the kept driver has none; an empty one beside another is closed."""
    theirs = _account_of(duplicate)
    if theirs is None:
        return
    if _account_of(kept) is None:
        theirs.driver = kept
        theirs.save(update_fields=["driver"])
        audit.record(
            "billing_account.moved", theirs, by=by, changes={"driver": audit.change(duplicate, kept)}
        )
        return
    Buyer.objects.filter(account=theirs).delete()
    ours = _account_of(kept)
    if Supplier.objects.filter(account=ours).exists():
        Supplier.objects.filter(account=theirs).delete()
    else:
        Supplier.objects.filter(account=theirs).update(account=ours)
    theirs.name = f"Merged …{str(duplicate.pk)[-8:]}"
    theirs.save(update_fields=["name"])
    audit.record("billing_account.closed", theirs, by=by, reason=REASON)


def _holds_money(account: BillingAccount) -> bool:
    mine = {"account": account}
    traces: tuple[QuerySet[Any], ...] = (
        Invoice.objects.filter(**mine).exclude(state=InvoiceState.DISCARDED),
        Cdr.objects.filter(**mine),
        Payment.objects.filter(**mine),
        HostAgreement.objects.filter(**mine),
        Wallet.objects.filter(**mine).exclude(balance=0, reserved=0),
        Mandate.objects.filter(**mine, state=MandateState.ACTIVE),
        SavedMethod.objects.live().filter(**mine),
    )
    return any(rows.exists() for rows in traces)


def _new_budgets(kept: Driver, duplicate: Driver) -> list[Budget]:
    """Of the duplicate those for which the kept driver has none of the same kind and period."""
    known = {(one.kind, one.per) for one in Budget.objects.filter(driver=kept)}
    return [one for one in Budget.objects.filter(driver=duplicate) if (one.kind, one.per) not in known]


def _new_tariffs(kept: Driver, duplicate: Driver) -> QuerySet[TariffAssignment]:
    """The duplicate's contracts for whom and which connectors the kept driver has none."""
    return _contracts(duplicate).exclude(Exists(_contracts(kept).filter(**_FOR_THE_SAME)))


def _torn_tariffs(kept: Driver, duplicate: Driver) -> QuerySet[TariffAssignment]:
    """Those for which the kept driver has another one, so that sessions would cost something else."""
    ours = _contracts(kept).filter(**_FOR_THE_SAME)
    alike = ours.filter(tariff=OuterRef("tariff"), basis=OuterRef("basis"))
    return _contracts(duplicate).filter(Exists(ours)).exclude(Exists(alike))


def _contracts(driver: Driver) -> QuerySet[TariffAssignment]:
    return TariffAssignment.objects.current().filter(driver=driver)


def _move_tariffs(kept: Driver, duplicate: Driver, by: Actor) -> int:
    """What held for the duplicate alone holds for the kept driver; what holds for both ends with the duplicate."""
    moved = list(_new_tariffs(kept, duplicate).select_related("tariff"))
    TariffAssignment.objects.filter(pk__in=[one.pk for one in moved]).update(driver=kept)
    for one in moved:
        one.driver = kept
        told = {"driver": audit.change(duplicate, kept)}
        audit.record("tariff.assigned", one, by=by, changes=told, reason=REASON)
    for one in list(_contracts(duplicate).select_related("tariff")):
        TariffAssignment.objects.filter(pk=one.pk).update(ended_at=clock.now(), ended_by=by.label[:200])
        audit.record("tariff.unassigned", one, by=by, reason=REASON)
    return len(moved)


def _torn_agreements(kept: Driver, duplicate: Driver) -> bool:
    """Whether the same session would be paid for by two agreements on home charging."""
    ours = HomeAgreement.objects.filter(driver=kept)
    return any(
        ours.filter(Q(valid_to=None) | Q(valid_to__gte=one.valid_from), station=one.station_id)
        .filter(valid_from__lte=one.valid_to or date.max)
        .exists()
        for one in HomeAgreement.objects.filter(driver=duplicate)
    )


def _move_agreements(kept: Driver, duplicate: Driver, by: Actor) -> int:
    """All of them, the ended ones too: what they paid for is on the kept driver's statements from then on."""
    moved = list(HomeAgreement.objects.select_for_update().filter(driver=duplicate))
    HomeAgreement.objects.filter(pk__in=[one.pk for one in moved]).update(driver=kept)
    told = {"driver": audit.change(duplicate, kept)}
    audit.record_each("home_agreement.moved", ((one, told) for one in moved), by=by, reason=REASON)
    return len(moved)


def _new_sites(kept: Driver, duplicate: Driver) -> QuerySet[SitePermission]:
    """Where both are limited, the duplicate's sites that the kept driver lacks; who is not limited stays so."""
    if not _is_limited(kept):
        return SitePermission.objects.none()
    known = SitePermission.objects.filter(driver=kept).values("site")
    return SitePermission.objects.filter(driver=duplicate).exclude(site__in=known)


def _is_limited(driver: Driver) -> bool:
    return SitePermission.objects.filter(driver=driver).exists()


def _is_staff(account: BillingAccount) -> bool:
    return Buyer.objects.filter(account=account, staff=True).exists()


def _account_of(driver: Driver) -> BillingAccount | None:
    return BillingAccount.objects.filter(driver=driver).first()
