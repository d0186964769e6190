"""Prepaid money: filled, reserved, spent and paid back, never below what is allowed (billing B-48 to B-51)."""

from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db.models import F, Sum
from django.db.transaction import atomic

from billing.models import (
    Allocation,
    BillingAccount,
    Invoice,
    LedgerAccount,
    LedgerEntry,
    Method,
    Payment,
    PaymentState,
    Wallet,
    WalletReservation,
)
from billing.services import companies, home_agreements, home_sessions
from billing.services.payments import allocating, books, under_way
from billing.services.payments.reservations import follow, is_held_elsewhere
from core import access, audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations.domain.words import TransactionStatus
from stations.models import Transaction

SYSTEM = access.system("wallets")
RESERVED_AT_FIRST = Decimal(20)
AT_ONCE = 500
_NOTHING = Decimal(0)


@atomic
def open_(account: BillingAccount, *, by: Actor) -> Wallet:
    """The payer's wallet in the organization's currency; made once."""
    by.require(Permission.INVOICES_MANAGE, account)
    currency = account.organization.currency
    wallet, created = Wallet.objects.get_or_create(account=account, currency=currency)
    if created:
        audit.record("wallet.opened", wallet, by=by)
    return wallet


@atomic
def allow(wallet: Wallet, credit_limit: Decimal, *, by: Actor) -> Wallet:
    """How far below nothing the wallet may go. Raises :class:`Invalid` where it is further down already."""
    by.require(Permission.INVOICES_MANAGE, wallet)
    if credit_limit:
        allocating.require_amount(credit_limit, wallet.currency)
    held = Wallet.objects.select_for_update().get(pk=wallet.pk)
    if held.balance + credit_limit < held.reserved:
        raise Invalid("The wallet is further below already.", field="credit_limit")
    before, held.credit_limit = held.credit_limit, credit_limit
    held.save(update_fields=["credit_limit"])
    audit.record(
        "wallet.limited", held, by=by, changes={"credit_limit": [f"{before:f}", f"{credit_limit:f}"]}
    )
    return held


def move(payment: Payment, amount: Decimal) -> Wallet:
    """Add to the wallet, or take with a negative amount; the posting beside it proves it."""
    assert payment.account_id is not None
    wallet = locked(payment.account_id, payment.currency)
    if wallet is None:
        wallet = Wallet.objects.create(account_id=payment.account_id, currency=payment.currency)
    if amount < 0 and wallet.available + amount < 0:
        raise Conflict("There is not enough in the wallet.")
    wallet.balance += amount
    wallet.save(update_fields=["balance"])
    return wallet


def give_back(payment: Payment, amount: Decimal | None = None) -> Decimal:
    """A top-up was taken back, or ``amount`` of it: the wallet gives what is free in it.

    What is missing the payer owes.
    """
    wallet = locked(payment.account_id, payment.currency)
    rest = payment.captured - payment.refunded if amount is None else amount
    free = max(min(rest, wallet.available), _NOTHING) if wallet else _NOTHING
    if wallet and free:
        wallet.balance -= free
        wallet.save(update_fields=["balance"])
    return rest - free


@atomic
def pay(invoice: Invoice, *, by: Actor = SYSTEM) -> Payment | None:
    """Pay an invoice from the payer's wallet as far as that goes, out of what its sessions reserved first."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    wallet = locked(invoice.account_id, invoice.currency)
    owed = Invoice.objects.select_for_update().get(pk=invoice.pk)
    if wallet is None or owed.state not in allocating.OWED or under_way.has(owed):
        return None
    _release_for(owed, wallet)
    amount = min(allocating.open_amount(owed), wallet.available)
    if amount <= 0:
        return None
    payment = Payment.objects.create(
        organization_id=owed.organization_id, account_id=owed.account_id, method=Method.WALLET,
        currency=owed.currency, state=PaymentState.RECEIVED, amount=amount, authorized=amount,
        captured=amount, received_on=clock.now().date(), created_by=by.label[:200],
    )  # fmt: skip
    wallet.balance -= amount
    wallet.save(update_fields=["balance"])
    books.receive(payment)
    Allocation.objects.create(
        payment=payment, invoice=owed, amount=amount, made_by=by.label, made_at=clock.now()
    )
    allocating.refresh(owed)
    audit.record("wallet.spent", payment, by=by, changes={str(owed): [None, f"{amount:.2f}"]})
    return payment


def locked(account_id: UUID | None, currency: str) -> Wallet | None:
    return Wallet.objects.select_for_update().filter(account_id=account_id, currency=currency).first()


@atomic
def reserve(session: Transaction, *, by: Actor = SYSTEM) -> WalletReservation | None:
    """Set aside for a running session what it costs at first, or what is there; once for each session.

    A session at home, for which the driver is paid, takes nothing (B-52), nor does one that a card or a company pays.
    """
    by.require(Permission.SESSIONS_VIEW, session)
    if session.driver is None or home_agreements.of_session(session) or is_held_elsewhere(session):
        return None
    if not companies.paid_by_drivers(Transaction.objects.filter(pk=session.pk)).exists():
        return None
    currency = session.organization.currency
    wallet = Wallet.objects.select_for_update().filter(
        account__driver=session.driver, currency=currency
    ).first()  # fmt: skip
    if wallet is None or WalletReservation.objects.filter(pk=session.pk).exists():
        return None
    amount = max(min(RESERVED_AT_FIRST, wallet.available), _NOTHING)
    wallet.reserved += amount
    wallet.save(update_fields=["reserved"])
    return WalletReservation.objects.create(
        transaction=session, wallet=wallet, amount=amount, made_at=clock.now()
    )


def watch() -> int:
    """Reserve for sessions that began, stop those that would cost more than is there, settle those that have
    a record; how many were looked at. One that stumbles stops no other."""
    running = Transaction.objects.filter(
        status=TransactionStatus.ACTIVE.value,
        wallet_reservation=None,
        hold=None,
        driver__billing_account__wallets__currency=F("organization__currency"),
    )
    fresh = home_sessions.charged(running).select_related("organization").order_by("pk")
    for session in fresh[:AT_ONCE]:
        turns.guarded(session.pk, partial(_reserve, session))
    open_ = WalletReservation.objects.filter(released_at=None, settled_at=None).order_by("pk")
    return sum(turns.guarded(key, partial(follow, key)) for key in open_.values_list("pk", flat=True))


def _reserve(session: Transaction) -> int:
    return int(reserve(session) is not None)


def differences() -> list[tuple[Wallet, Decimal]]:
    """Wallets whose balance is not what their entries add up to (B-48); none, unless somebody wrote past us."""
    rows = LedgerEntry.objects.filter(account=LedgerAccount.WALLET)
    sums = {
        (payer, currency): -total
        for payer, currency, total in rows.values_list("payer_id", "journal__currency").annotate(
            Sum("amount")
        )
    }
    found = ((one, sums.get((one.account_id, one.currency), _NOTHING)) for one in Wallet.objects.all())
    return [(wallet, proven) for wallet, proven in found if wallet.balance != proven]


def _release_for(invoice: Invoice, wallet: Wallet) -> None:
    """What the sessions on the invoice reserved is free to pay it."""
    sessions = invoice.lines.values_list("cdr__transaction_id", flat=True)
    rows = WalletReservation.objects.filter(pk__in=sessions, wallet=wallet, released_at=None)
    for row in rows:
        wallet.reserved -= row.amount
        row.released_at = clock.now()
        row.save(update_fields=["released_at"])
    wallet.save(update_fields=["reserved"])
