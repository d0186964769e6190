"""What we ask of a provider: written and committed first, then asked, then settled (billing B-39, M-05).

What is scarce: the call. Whoever asks claims it by pushing ``next_try_at`` ahead, in a commit of its own. A
second try reads how things stand at the provider before anything else, so that a lost answer repeats nothing, also
when the provider has forgotten our key. A call that cannot be carried out is told to a person.
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
    RemoteRefund,
    RemoteState,
    Wish,
    WrongKeys,
)
from billing.services import alarms
from billing.services.payments import allocating, following, provider_settings, refunding
from core import clock
from core.errors import Conflict
from core.money import Money

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=180)
"""Longer than all the questions of one call may take."""
BACK_OFF_S = (5, 30, 120, 600, 1800, 3600)
TOLD_AT = 5
"""By then three quarters of an hour have passed in which the provider could not be asked."""
CHANCES = 3
"""A refusal to capture or release may be a race with the payer; a person hears of the third."""
GIVEN_UP_AFTER = timedelta(days=30)
CHARGED_WITHIN = timedelta(days=1)
"""A card is not charged later than that after a person wished it."""
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
        _ask(provider_settings.of(call.payment.organization_id), call)
    except ProviderRefused as error:
        _refused(call, str(error))
    except WrongKeys as error:
        _without_keys(call, str(error))
    except (ProviderUnclear, Conflict) as error:
        _later(call, str(error))
    except Exception:  # whatever it is, the other calls go on
        logger.exception("payments.call_failed", extra={"call": call.key})
        _later(call, "It went wrong here; the server's log says why.")
    return True


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
    if call.action == CallAction.REFUND:
        _settle_refund(call, _ask_refund(provider, call))
        return
    before = _known(provider, call)
    remote = before if before and _answers(before, call) else _ask_payment(provider, call, before)
    with atomic():
        held = Payment.objects.select_for_update().get(pk=call.payment_id)
        following.apply(held, remote)
        _close(call, CallState.DONE)


def _known(provider: PaymentProvider, call: ProviderCall) -> RemotePayment | None:
    """How it stands at the provider before anything is asked, or asked again."""
    name = following.name_of(call.payment)
    if call.action in _SETTLED:
        return provider.read(name) if name else None
    if call.action == CallAction.CHARGE and call.tries > 1:
        return provider.find_charge(_card(call), str(call.payment_id))
    return None


def _answers(remote: RemotePayment, call: ProviderCall) -> bool:
    """Whether that is already what the call is to bring about; of a charge everything is."""
    return call.action == CallAction.CHARGE or remote.state in _SETTLED[CallAction(call.action)]


def _ask_payment(
    provider: PaymentProvider, call: ProviderCall, before: RemotePayment | None
) -> RemotePayment:
    payment, amount = call.payment, Money(call.amount, call.payment.currency)
    if call.action == CallAction.CAPTURE:
        return provider.capture(payment.provider_reference, amount, key=_fresh_key(call))
    if call.action == CallAction.VOID:
        return _void(provider, call, before)
    wish = Wish(
        payment_id=str(payment.pk), amount=amount, description=call.details.get("description", ""),
        back=call.details.get("back", ""), hold=payment.purpose == Purpose.AD_HOC,
        customer=call.details.get("customer", ""), save=call.details.get("save", False),
    )  # fmt: skip
    if call.action == CallAction.CHARGE:
        _require_owed(call)
        return provider.charge_saved(_card(call), wish, key=call.key)
    return provider.authorize(wish, key=call.key)


def _void(provider: PaymentProvider, call: ProviderCall, before: RemotePayment | None) -> RemotePayment:
    """What the person has set aside meanwhile is released; before that the page is closed."""
    if before is None:
        return _void_of_nothing(call)
    if before.state != RemoteState.HELD and before.checkout:
        return provider.void(before.checkout, key=f"{_fresh_key(call)}:page")
    return provider.void(before.reference, key=_fresh_key(call))


def _void_of_nothing(call: ProviderCall) -> RemotePayment:
    """There is no page: none was made, or it is being made just now."""
    if call.payment.calls.filter(action=CallAction.CHECKOUT, state=CallState.OPEN).exists():
        raise ProviderUnclear("The page is being asked for.")
    amount = Money(call.amount, call.payment.currency)
    return RemotePayment(
        reference="", state=RemoteState.RELEASED, amount=amount, received=Money.zero(amount.currency)
    )


def _fresh_key(call: ProviderCall) -> str:
    """A refusal is repeated under its key; once it was refused for good, the next try is a new question."""
    return call.key if call.tries <= CHANCES else f"{call.key}:{call.tries}"


def _require_owed(call: ProviderCall) -> None:
    """A charge that waited, for keys or for the provider, is not made for what was paid otherwise meanwhile."""
    if clock.now() - call.created_at > CHARGED_WITHIN:
        raise ProviderRefused(
            "The provider could not be asked for a day. Charge it again if it is still owed."
        )
    invoice = Invoice.objects.filter(pk=call.details.get("invoice")).first()
    if invoice is not None and allocating.open_amount(invoice) < call.amount:
        raise ProviderRefused("The invoice was paid otherwise meanwhile.")


def _card(call: ProviderCall) -> RemoteCard:
    card = SavedMethod.objects.get(pk=call.details["method"])
    return RemoteCard(card.customer, card.reference, card.label)


def _ask_refund(provider: PaymentProvider, call: ProviderCall) -> RemoteRefund:
    reference = call.payment.provider_reference
    known = provider.refunds(reference) if call.tries > 1 else []
    ours = next((one for one in known if one.key == call.key), None)
    return ours or provider.refund(reference, Money(call.amount, call.payment.currency), key=call.key)


@atomic
def _settle_refund(call: ProviderCall, sent: RemoteRefund) -> None:
    assert call.refund is not None
    if not _is_mine(call):
        return
    refunding.follow(call.refund, sent)
    _close(call, CallState.REFUSED if sent.failure else CallState.DONE, sent.failure)


def _is_mine(call: ProviderCall) -> bool:
    """Locked, and claimed by nobody since: who was asleep for longer than the lease settles nothing."""
    claimed = ProviderCall.objects.select_for_update().filter(pk=call.pk, state=CallState.OPEN)
    return claimed.filter(tries=call.tries).exists()


def _without_keys(call: ProviderCall, why: str) -> None:
    """A person who waits for the page is told; whatever may have been done before waits for the right keys."""
    if call.action == CallAction.CHECKOUT:
        _refused(call, why)
    else:
        _later(call, why)


@atomic
def _refused(call: ProviderCall, why: str) -> None:
    if not _is_mine(call):
        return
    if call.action in _SETTLED and clock.now() - call.created_at < GIVEN_UP_AFTER:
        if call.tries == CHANCES:
            _tell(call, why)
        _later(call, why)
        return
    if call.refund is not None:
        refunding.fail(call.refund, why)
    elif call.action in (CallAction.CHECKOUT, CallAction.CHARGE):
        held = Payment.objects.select_for_update().get(pk=call.payment_id)
        if held.state == PaymentState.PENDING:
            held.state, held.failure = PaymentState.FAILED, why[:200]
            held.save(update_fields=["state", "failure"])
    _close(call, CallState.REFUSED, why)
    logger.warning("payments.refused", extra={"call": call.key, "why": why})


@atomic
def _later(call: ProviderCall, why: str) -> None:
    if call.tries == TOLD_AT:
        _tell(call, why)
    wait = BACK_OFF_S[min(call.tries, len(BACK_OFF_S)) - 1]
    ProviderCall.objects.filter(pk=call.pk, tries=call.tries, state=CallState.OPEN).update(
        next_try_at=clock.now() + timedelta(seconds=wait), error=why[:200]
    )


def _tell(call: ProviderCall, why: str) -> None:
    payment = call.payment
    alarms.tell(
        "provider", f"{call.get_action_display()} of {payment} of {payment.created_at:%Y-%m-%d} is not done: {why}",
        organization_id=payment.organization_id, object_id=payment.pk,
    )  # fmt: skip


def _close(call: ProviderCall, state: CallState, why: str = "") -> None:
    ProviderCall.objects.filter(pk=call.pk, state=CallState.OPEN).update(state=state, error=why[:200])
