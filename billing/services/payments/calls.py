"""What we ask of a provider: written and committed first, then asked, then settled (billing B-39, M-05).

What is scarce: the call. Whoever asks claims it by pushing ``next_try_at`` ahead, in a commit of its own. A
second try reads how things stand at the provider before anything else, so that a lost answer repeats nothing.
"""

import logging
from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import (
    CallAction,
    CallState,
    Invoice,
    Payment,
    PaymentState,
    ProviderCall,
    Purpose,
    SavedMethod,
)
from billing.providers.base import (
    PaymentProvider,
    ProviderRefused,
    ProviderUnclear,
    RemoteCard,
    RemotePayment,
    RemoteState,
    Wish,
)
from billing.services.payments import allocating, provider_settings, receiving, refunding, wallets
from core import clock
from core.errors import Conflict
from core.money import Money

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
BACK_OFF_S = (5, 30, 120, 600, 1800, 3600)
QUIET = timedelta(minutes=2)
FORGOTTEN = timedelta(days=30)
AT_ONCE = 200
_SETTLED = {
    CallAction.CAPTURE: (RemoteState.RECEIVED, RemoteState.RELEASED),
    CallAction.VOID: (RemoteState.RELEASED, RemoteState.RECEIVED),
}


def run() -> int:
    """Ask everything that is due; how many calls there were."""
    count = 0
    for key in _due().values_list("pk", flat=True)[:AT_ONCE]:
        count += perform(key)
    return count


def perform(key: UUID) -> bool:
    """Ask one, if it is due and nobody else asks it just now."""
    call = _claim(key)
    if call is None:
        return False
    try:
        provider = provider_settings.of(call.payment.organization_id)
        _ask(provider, call)
    except ProviderRefused as error:
        _refused(call, str(error))
    except (ProviderUnclear, Conflict) as error:
        _later(call, str(error))
    return True


def read(payment: Payment) -> None:
    """Read how a payment stands at the provider, and move ours forward to that."""
    name = payment.provider_reference or payment.checkout
    if not name or not payment.provider:
        return
    remote = provider_settings.of(payment.organization_id).read(name)
    with atomic():
        apply(Payment.objects.select_for_update().get(pk=payment.pk), remote)


def sweep() -> int:
    """Read payments of which nothing was heard for a while: the person left, or an event was lost."""
    now = clock.now()
    open_ = Payment.objects.filter(
        state__in=[PaymentState.PENDING, PaymentState.HELD], created_at__lt=now - QUIET
    )
    known = open_.exclude(provider="").exclude(provider_reference="", checkout="")
    rows = list(known.filter(created_at__gt=now - FORGOTTEN).order_by("id")[:AT_ONCE])
    for payment in rows:
        try:
            read(payment)
        except (ProviderRefused, ProviderUnclear, Conflict) as error:
            logger.info("payments.unread", extra={"payment": str(payment.pk), "why": str(error)})
    return len(rows)


def apply(held: Payment, remote: RemotePayment) -> None:
    """Move forward to what the provider says; what is behind us is left. The caller holds the payment's lock."""
    held.provider_reference = remote.reference or held.provider_reference
    held.checkout = remote.checkout or held.checkout
    held.checkout_url = remote.url or held.checkout_url
    before = held.state
    if remote.state == RemoteState.HELD and before in (PaymentState.PENDING, PaymentState.FAILED):
        held.state, held.authorized = PaymentState.HELD, remote.amount.amount
    elif remote.state == RemoteState.RECEIVED and before in (
        PaymentState.PENDING, PaymentState.HELD, PaymentState.FAILED,
    ):  # fmt: skip
        held.authorized = max(held.authorized, remote.amount.amount)
        held.state, held.captured = PaymentState.RECEIVED, remote.received.amount
        held.received_on = clock.now().date()
    elif remote.state == RemoteState.RELEASED and before in (PaymentState.PENDING, PaymentState.HELD):
        held.state = PaymentState.RELEASED
    elif remote.state == RemoteState.FAILED and before == PaymentState.PENDING:
        held.state, held.failure = PaymentState.FAILED, remote.failure
    held.save()
    if held.state == PaymentState.RECEIVED and before != PaymentState.RECEIVED:
        receiving.arrived(held, by=wallets.SYSTEM)
        _settle_what_it_was_for(held)
    if remote.card is not None and held.account_id is not None and held.purpose != Purpose.AD_HOC:
        _keep_card(held, remote.card)


def _due() -> QuerySet[ProviderCall]:
    return ProviderCall.objects.filter(state=CallState.OPEN, next_try_at__lte=clock.now()).order_by(
        "next_try_at"
    )


def _claim(key: UUID) -> ProviderCall | None:
    with atomic(durable=True):
        found = _due().select_for_update(skip_locked=True, of=("self",)).filter(pk=key)
        call = found.select_related("payment").first()
        if call is not None:
            call.tries += 1
            call.next_try_at = clock.now() + LEASE
            call.save(update_fields=["tries", "next_try_at"])
    return call


def _ask(provider: PaymentProvider, call: ProviderCall) -> None:
    payment = call.payment
    amount = Money(call.amount, payment.currency)
    if call.action == CallAction.REFUND:
        sent = provider.refund(payment.provider_reference, amount, key=call.key)
        _settle_refund(call, sent.reference, sent.failure)
        return
    remote = _known(provider, call)
    if remote is None:
        remote = _ask_payment(provider, call, amount)
    with atomic():
        held = Payment.objects.select_for_update().get(pk=payment.pk)
        apply(held, remote)
        _close(call, CallState.DONE)


def _known(provider: PaymentProvider, call: ProviderCall) -> RemotePayment | None:
    """Where the provider is already what the call is to bring about, that is its answer."""
    name = call.payment.provider_reference or call.payment.checkout
    if not name or call.action not in _SETTLED:
        return None
    remote = provider.read(name)
    return remote if remote.state in _SETTLED[CallAction(call.action)] else None


def _ask_payment(provider: PaymentProvider, call: ProviderCall, amount: Money) -> RemotePayment:
    payment = call.payment
    name = payment.provider_reference or payment.checkout
    if call.action == CallAction.CAPTURE:
        return provider.capture(payment.provider_reference, amount, key=call.key)
    if call.action == CallAction.VOID:
        return provider.void(name, key=call.key)
    wish = Wish(
        payment_id=str(payment.pk), amount=amount, description=call.details.get("description", ""),
        back=call.details.get("back", ""), hold=payment.purpose == Purpose.AD_HOC,
        customer=call.details.get("customer", ""), save=call.details.get("save", False),
    )  # fmt: skip
    if call.action == CallAction.CHARGE:
        card = SavedMethod.objects.get(pk=call.details["method"])
        return provider.charge_saved(
            RemoteCard(card.customer, card.reference, card.label), wish, key=call.key
        )
    return provider.authorize(wish, key=call.key)


@atomic
def _settle_refund(call: ProviderCall, reference: str, failure: str) -> None:
    assert call.refund is not None
    if failure:
        refunding.fail(call.refund, failure)
    else:
        refunding.done(call.refund, reference)
    _close(call, CallState.REFUSED if failure else CallState.DONE, failure)


@atomic
def _refused(call: ProviderCall, why: str) -> None:
    if call.refund is not None:
        refunding.fail(call.refund, why)
    elif call.action in (CallAction.CHECKOUT, CallAction.CHARGE):
        held = Payment.objects.select_for_update().get(pk=call.payment_id)
        if held.state == PaymentState.PENDING:
            held.state, held.failure = PaymentState.FAILED, why[:200]
            held.save(update_fields=["state", "failure"])
    _close(call, CallState.REFUSED, why)
    logger.warning("payments.refused", extra={"call": call.key, "why": why})


def _later(call: ProviderCall, why: str) -> None:
    wait = BACK_OFF_S[min(call.tries, len(BACK_OFF_S)) - 1]
    ProviderCall.objects.filter(pk=call.pk, tries=call.tries, state=CallState.OPEN).update(
        next_try_at=clock.now() + timedelta(seconds=wait), error=why[:200]
    )


def _close(call: ProviderCall, state: CallState, why: str = "") -> None:
    ProviderCall.objects.filter(pk=call.pk, state=CallState.OPEN).update(state=state, error=why[:200])


def _settle_what_it_was_for(held: Payment) -> None:
    """The invoice that a person paid on the page, or that a saved card was charged for."""
    for call in held.calls.filter(details__has_key="invoice"):
        invoice = Invoice.objects.filter(pk=call.details["invoice"]).first()
        if invoice is not None and invoice.state in allocating.OWED:
            allocating.allocate(held, invoice, by=wallets.SYSTEM)


def _keep_card(held: Payment, card: RemoteCard) -> None:
    SavedMethod.objects.get_or_create(
        account_id=held.account_id, provider=held.provider, reference=card.reference,
        defaults={"customer": card.customer, "label": card.label},
    )  # fmt: skip
