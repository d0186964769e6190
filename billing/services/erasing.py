"""Forgetting a person (security.md W-29, billing.md B-67): what no law asks for goes, the rest stays with finance.

Invoices, records behind them, ledger and mandates stay as they are. Whatever is open is settled first.
"""

from django.db.models import Q
from django.db.transaction import atomic

from billing.models import (
    BillingAccount,
    Buyer,
    Cdr,
    DebitNotice,
    DeliveryState,
    DocumentType,
    DunningHold,
    DunningStep,
    Invoice,
    InvoiceDelivery,
    InvoiceLine,
    InvoiceState,
    Mandate,
    MandateState,
    Outcome,
    Payment,
    PaymentState,
    Refund,
    RefundState,
    Supplier,
    Wallet,
    WriteOff,
)
from billing.services import companies, home_agreements, hosts, reserved, self_billing
from billing.services.payments import allocating
from billing.services.retention import holds
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict
from drivers.models import Driver, Erasure, ErasureState
from drivers.services import erasing as of_drivers
from stations.domain.words import TransactionStatus
from stations.models import Transaction
from stations.services import erasing as of_stations

CHARGING = "A session is running. End it first."
UNSETTLED = "A session waits to be billed. Wait for it, decide it, or run the billing first."
DRAFT = "An invoice is a draft. Issue it or discard it first."
OWED = "An invoice is not paid yet."
WALLET = "There is money in the wallet. Pay it out first."
UNDER_WAY = "A payment is on its way. Wait until it has arrived or failed."
UNPAID = "Charging at home is not paid to the driver yet. Make the statements of the month, and pay them out, first."
CREDIT = "A payment is not used up. Refund what is left of it first."
HELD = "A legal hold keeps these data until it is lifted."


def obstacles(driver: Driver) -> list[str]:
    """What has to be settled first, a sentence each."""
    found = {
        CHARGING: of_stations.is_charging(driver),
        UNSETTLED: _unsettled(driver),
        HELD: holds.keeps(driver),
    }
    account = BillingAccount.objects.filter(driver=driver).first()
    if account is not None:
        invoices = Invoice.objects.filter(account=account)
        found[UNSETTLED] = found[UNSETTLED] or _unbilled(account)
        found[UNPAID] = self_billing.waits(account)
        found[DRAFT] = invoices.filter(state=InvoiceState.DRAFT).exists()
        owed = invoices.exclude(document_type=DocumentType.CREDIT_NOTE)  # which asks for nothing
        found[OWED] = owed.filter(state__in=allocating.ASKED_FOR).exists()
        found[WALLET] = Wallet.objects.filter(account=account).exclude(balance=0, reserved=0).exists()
        found[CREDIT] = _has_credit(account)
        found[UNDER_WAY] = _is_paying(account)
    return [sentence for sentence, stands in found.items() if stands]


def _is_paying(account: BillingAccount) -> bool:
    under_way = (PaymentState.PENDING, PaymentState.HELD)
    refunds = Refund.objects.filter(payment__account=account, state=RefundState.PENDING)
    return account.payments.filter(state__in=under_way).exists() or refunds.exists()


def erase(driver: Driver, *, by: Actor) -> Erasure:
    """Carry it out; what is in logs follows by a job. Doing it again is the same. Raises :class:`Conflict`."""
    by.require_everywhere(Permission.DRIVERS_MANAGE, driver)
    with atomic():
        holds.lock(driver.organization)
        driver = (
            Driver.objects.select_for_update(of=("self",))
            .select_related("organization", "user")
            .get(pk=driver.pk)
        )
        row = of_drivers.ask(driver, by=by)
        if row.state != ErasureState.ASKED:
            return row
        if first := obstacles(driver):
            raise Conflict(first[0])
        row.kept = _kept(driver)
        of_drivers.tell_done(row, driver)
        _forget(driver, by)
        names = of_drivers.pseudonymise(driver, by=by)
        of_stations.pseudonymise(driver, names)
        row.state, row.began_at, row.sealed = ErasureState.RUNNING, clock.now(), of_stations.sealed(names)
        row.save(update_fields=["state", "began_at", "sealed", "kept"])
        audit.record("driver.erasure_begun", driver, by=by)
    return row


def _unsettled(driver: Driver) -> bool:
    """Also one that ended a moment ago and was not looked at yet."""
    open_ = Q(settlement=None) | Q(settlement__outcome__in=[Outcome.WAITING, Outcome.EXCEPTION])
    sessions = Transaction.objects.filter(open_, driver=driver, status=TransactionStatus.ENDED.value)
    return sessions.exists() or reserved.waits(driver)


def _unbilled(account: BillingAccount) -> bool:
    records = Cdr.objects.filter(account=account, credit=False, credited_by=None)
    free = records.exclude(lines__in=InvoiceLine.objects.filter(voided_at=None))
    return free.exclude(payable_excl_vat=0, payable_incl_vat=0).exists()


def _has_credit(account: BillingAccount) -> bool:
    return allocating.with_credit(Payment.objects.filter(account=account)).exists()


def _kept(driver: Driver) -> dict[str, int]:
    account = BillingAccount.objects.filter(driver=driver)
    return {
        "invoices": Invoice.objects.filter(account__in=account).exclude(number="").count(),
        "sessions": Cdr.objects.filter(account__in=account, credit=False).count(),
    }


def _forget(driver: Driver, by: Actor) -> None:
    """What stands on documents is frozen in them; what was kept for the next ones goes.

    Agreements on home charging and with hosts say why money was paid: they end, and stay without the person.
    """
    home_agreements.stop_all(driver, by=by)
    companies.leave_all(driver, by=by)
    account = BillingAccount.objects.filter(driver=driver).first()
    if account is None:
        return
    hosts.stop_all(account, by=by)
    Buyer.objects.filter(account=account).delete()
    Supplier.objects.filter(account=account).delete()
    InvoiceDelivery.objects.filter(invoice__account=account).exclude(state=DeliveryState.SENT).delete()
    DunningHold.objects.filter(account=account).update(reason="")
    DunningStep.objects.filter(invoice__account=account).update(reason="")
    DebitNotice.objects.filter(invoice__account=account).update(reason="")
    WriteOff.objects.filter(invoice__account=account).update(reason="")
    stopped = Mandate.objects.filter(account=account, state=MandateState.ACTIVE)
    stopped.update(state=MandateState.STOPPED, stopped_because="erased")
    account.name = f"Erased …{str(driver.pk)[-8:]}"
    account.save(update_fields=["name"])
    audit.record("billing_account.erased", account, by=by)
