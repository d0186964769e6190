"""What goes wrong with cards after it was asked for: declined, late, refused, disputed, forgotten (B-38 to B-42)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.models import (
    BillingAccount,
    CallState,
    Hold,
    Invoice,
    InvoiceState,
    Payment,
    PaymentState,
    ProviderCall,
    ProviderEvent,
    Refund,
    SavedMethod,
    Wallet,
)
from billing.services import receipts
from billing.services.payments import (
    asking,
    events,
    following,
    holds,
    receiving,
    refunding,
    wallets,
    watching,
)
from core import clock
from core.access import Actor
from core.errors import Conflict
from core.models import AuditEntry, Event, Organization
from core.services import outbox
from stations.models import ChargingStation, Command, Presence, Transaction
from tests.billing.conftest import Charge, settle
from tests.billing.payments.conftest import DUE, Issued
from tests.billing.payments.stripe_standin import StandIn
from tests.billing.payments.test_receipts import balance, receipt_of
from tests.billing.payments.test_stripe import BACK, ask_now, held, tell

__all__ = ["held"]
pytestmark = pytest.mark.usefixtures("committed")


def told(organization: Organization, kind: str) -> list[str]:
    outbox.relay()
    rows = Event.objects.filter(type="billing.alert", organization_id=organization.pk, data__kind=kind)
    return [row.data["detail"] for row in rows]


def topped_up(
    stripe: StandIn, issued: Issued, alice: Actor, amount: int = 40, *, account: BillingAccount | None = None
) -> Payment:
    """By a card that is kept."""
    payer = account or issued().account
    filled = ask_now(asking.top_up(payer, Decimal(amount), back=BACK, save=True, by=alice))
    stripe.pay(filled.checkout, save=True)
    following.read(filled)
    return Payment.objects.get(pk=filled.pk)


def test_b38_a_declined_card_ends_nothing_while_the_page_is_open(
    stripe: StandIn, station: ChargingStation, alice: Actor
) -> None:
    payment = ask_now(holds.ask(station.evses.get(evse_id=1), Decimal(60), back=BACK, by=alice))
    stripe.try_another_card(payment.checkout)
    following.read(payment)
    holds.watch()
    payment.refresh_from_db()
    assert payment.state == PaymentState.PENDING
    assert Hold.objects.get(pk=payment.pk).closed_at is None

    stripe.pay(payment.checkout)
    following.read(payment)
    payment.refresh_from_db()
    assert (payment.state, payment.authorized) == (PaymentState.HELD, 60)


def test_b38_a_payer_who_was_faster_than_the_release_gets_it_back_all_the_same(
    stripe: StandIn, station: ChargingStation, alice: Actor
) -> None:
    payment = ask_now(holds.ask(station.evses.get(evse_id=1), Decimal(60), back=BACK, by=alice))
    Hold.objects.filter(pk=payment.pk).update(give_up_at=clock.now())
    holds.watch()
    intent = stripe.pay(payment.checkout)
    payment = ask_now(payment)
    assert (payment.state, intent["status"]) == (PaymentState.RELEASED, "canceled")
    assert not stripe.asked_for("/expire")


def test_b38_a_page_on_which_a_card_was_declined_is_closed_not_cancelled(
    stripe: StandIn, station: ChargingStation, alice: Actor
) -> None:
    payment = ask_now(holds.ask(station.evses.get(evse_id=1), Decimal(60), back=BACK, by=alice))
    stripe.try_another_card(payment.checkout)
    following.read(payment)
    Hold.objects.filter(pk=payment.pk).update(give_up_at=clock.now())
    holds.watch()
    payment = ask_now(payment)
    assert payment.state == PaymentState.RELEASED
    assert stripe.checkouts[payment.checkout]["status"] == "expired"
    assert not stripe.asked_for("/cancel")


def test_b38_money_set_aside_after_we_gave_up_is_released(held: Payment, stripe: StandIn) -> None:
    Hold.objects.filter(pk=held.pk).update(closed_at=clock.now())
    holds.watch()
    assert ask_now(held).state == PaymentState.RELEASED


def test_b39_a_key_that_is_not_taken_loses_no_call(
    held: Payment, stripe: StandIn, organization: Organization
) -> None:
    call = holds.capture(held, Decimal("23.62"))
    stripe.locked = True
    for _ in range(5):
        assert ask_now(held).state == PaymentState.HELD
    call.refresh_from_db()
    assert (call.state, call.tries) == (CallState.OPEN, 5)
    assert len(told(organization, "provider")) == 1, "a person hears of it, once"
    stripe.locked = False
    assert ask_now(held).captured == Decimal("23.62")


def test_b39_who_waits_for_the_page_hears_at_once_that_the_key_is_not_taken(
    stripe: StandIn, issued: Issued, alice: Actor
) -> None:
    stripe.locked = True
    payment = ask_now(asking.pay_page(issued(), back=BACK, by=alice))
    assert (payment.state, payment.failure) == (PaymentState.FAILED, "Invalid API Key")


def test_b38_a_capture_that_stays_refused_is_told_to_a_person_and_asked_anew(
    held: Payment, stripe: StandIn, organization: Organization
) -> None:
    holds.capture(held, Decimal("5.00"))
    intent = stripe.intents[held.provider_reference]
    intent["status"] = "processing"
    for _ in range(4):
        ask_now(held)
    assert ProviderCall.objects.get(payment=held, action="capture").state == CallState.OPEN
    [detail] = told(organization, "provider")
    assert "could not be captured" in detail
    intent["status"] = "requires_capture"
    assert ask_now(held).captured == 5


def test_b39_a_charge_that_waited_is_not_made_for_what_was_paid_meanwhile(
    stripe: StandIn, issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    topped_up(stripe, issued, alice, 5, account=invoice.account)
    stripe.locked = True
    card = SavedMethod.objects.get(account=invoice.account)
    waiting = ask_now(asking.charge(invoice, card, by=alice))
    assert waiting.state == PaymentState.PENDING
    watching.pay_from_wallets()
    assert not invoice.allocations.exists(), "the wallet does not pay what a card is about to pay"
    receiving.record(invoice, DUE, received_on=clock.now().date(), by=alice)
    stripe.locked = False
    waiting = ask_now(waiting)
    assert (waiting.state, waiting.failure) == (
        PaymentState.FAILED,
        "The invoice was paid otherwise meanwhile.",
    )
    assert not [one for one in stripe.intents.values() if one["amount"] == 735]


def test_b39_a_card_is_not_charged_a_day_late(stripe: StandIn, issued: Issued, alice: Actor) -> None:
    invoice = issued()
    topped_up(stripe, issued, alice, 5, account=invoice.account)
    late = asking.charge(invoice, SavedMethod.objects.get(account=invoice.account), by=alice)
    ProviderCall.objects.filter(payment=late).update(created_at=clock.now() - timedelta(hours=25))
    late = ask_now(late)
    assert late.state == PaymentState.FAILED
    assert "for a day" in late.failure
    assert asking.again(late, by=alice).pk != late.pk


@pytest.mark.parametrize("status", [302, 409, 500])
def test_b42_an_answer_that_proves_nothing_refuses_no_refund(
    stripe: StandIn, issued: Issued, alice: Actor, status: int
) -> None:
    filled = topped_up(stripe, issued, alice)
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    stripe.break_with = [status]
    ask_now(filled)
    row.refresh_from_db()
    assert row.state == "pending"
    ask_now(filled)
    row.refresh_from_db()
    assert (row.state, Wallet.objects.get(account=filled.account).balance) == ("done", 16)


def test_b38_a_release_waits_for_the_page_that_is_being_made(
    stripe: StandIn, station: ChargingStation, alice: Actor
) -> None:
    payment = holds.ask(station.evses.get(evse_id=1), Decimal(60), back=BACK, by=alice)
    Hold.objects.filter(pk=payment.pk).update(give_up_at=clock.now())
    stripe.break_with = [503]
    ask_now(payment)
    holds.watch()
    stripe.break_with = [503]
    ask_now(payment)
    assert not stripe.asked_for("/cancel")
    for _ in range(2):
        payment = ask_now(payment)
    assert (payment.state, stripe.checkouts[payment.checkout]["status"]) == (PaymentState.RELEASED, "expired")


def test_b37_nothing_starts_on_money_that_is_being_released(
    held: Payment, stripe: StandIn, charge: Charge
) -> None:
    Hold.objects.filter(pk=held.pk).update(give_up_at=clock.now())
    with pytest.raises(Conflict, match="Begin again"):
        holds.begun(held, charge(4000, minutes=1))


def test_b40_a_session_whose_money_is_gone_is_stopped(
    held: Payment, stripe: StandIn, charge: Charge, organization: Organization
) -> None:
    session = charge(12_345, minutes=1)
    holds.begun(held, session)
    Transaction.objects.filter(pk=session.pk).update(status="active", ended_at=None)
    stripe.intents[held.provider_reference]["status"] = "canceled"
    following.read(held)
    for _ in range(2):
        holds.watch()
    assert Command.objects.filter(transaction=session, command="request_stop_transaction").count() == 1
    Transaction.objects.filter(pk=session.pk).update(status="ended", ended_at=clock.now())
    for _ in range(2):
        holds.watch()
    assert len(told(organization, "hold")) == 1


def test_b40_a_station_that_did_not_stop_is_asked_again_when_it_is_there(
    held: Payment, stripe: StandIn, charge: Charge, station: ChargingStation
) -> None:
    session = charge(12_345, minutes=1)
    holds.begun(held, session)
    Transaction.objects.filter(pk=session.pk).update(status="active", ended_at=None)
    Hold.objects.filter(pk=held.pk).update(expires_at=clock.now() + timedelta(hours=11))
    stops = Command.objects.filter(transaction=session, command="request_stop_transaction")
    holds.watch()
    assert stops.get().status == "failed", "it is offline"
    stops.update(issued_at=clock.now() - timedelta(minutes=2))
    holds.watch()
    assert stops.count() == 1, "an offline station is not told in vain every minute"

    Presence.objects.filter(station=station).update(connected=True)
    for _ in range(2):
        holds.watch()
    assert stops.count() == 2, "one at a time"


def test_b42_a_refund_that_fails_after_a_lost_dispute_makes_no_money(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization
) -> None:
    filled = topped_up(stripe, issued, alice)
    stripe.refunds_are = "pending"
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    ask_now(filled)
    lost = stripe.dispute(stripe.intents[filled.provider_reference], "lost", 4000)
    tell(organization, *stripe.event("charge.dispute.closed", lost))
    events.run()
    [remote] = stripe.refunds.values()
    remote.update(status="failed", failure_reason="lost_or_stolen_card")
    tell(organization, *stripe.event("refund.failed", remote))
    events.run()
    row.refresh_from_db()
    assert (row.state, Wallet.objects.get(account=filled.account).balance) == ("failed", 0)
    assert [balance(organization, name) for name in ("cash", "wallet")] == [0, 0]


def test_b18_a_receipt_that_cannot_be_settled_keeps_no_other(
    held: Payment, stripe: StandIn, charge: Charge, station: ChargingStation, issued: Issued, alice: Actor
) -> None:
    first, second = charge(12_345, minutes=1), charge(12_345, minutes=1)
    holds.begun(held, first)
    settle()
    holds.watch()
    with pytest.raises(Conflict, match="receipt of its session"):
        receiving.assign(ask_now(held), issued().account, by=alice)
    Payment.objects.filter(pk=held.pk).update(account=issued().account)
    holds.watch()
    other = ask_now(holds.ask(station.evses.get(evse_id=1), Decimal(60), back=BACK, by=alice))
    stripe.pay(other.checkout)
    following.read(other)
    holds.begun(other, second)
    holds.watch()
    ask_now(other)
    for _ in range(2):
        receipts.run()
    assert receipt_of(second).invoice.state == InvoiceState.PAID
    assert receipt_of(first).invoice.state == InvoiceState.ISSUED


@pytest.mark.parametrize(("currency", "units"), [("ISK", 6000), ("JPY", 60), ("KWD", 60000), ("EUR", 6000)])
def test_b35_amounts_are_told_in_the_providers_own_units(
    stripe: StandIn, station: ChargingStation, alice: Actor, currency: str, units: int
) -> None:
    Organization.objects.filter(pk=station.organization_id).update(currency=currency)
    payment = ask_now(holds.ask(station.evses.get(evse_id=1), Decimal(60), back=BACK, by=alice))
    assert stripe.checkouts[payment.checkout]["amount_total"] == units
    stripe.pay(payment.checkout)
    following.read(payment)
    assert Payment.objects.get(pk=payment.pk).authorized == 60


def test_b38_before_a_hold_ends_its_session_is_stopped_and_then_the_money_released(
    held: Payment, stripe: StandIn, charge: Charge, organization: Organization
) -> None:
    session = charge(12_345, minutes=1)
    holds.begun(held, session)
    Transaction.objects.filter(pk=session.pk).update(status="active", ended_at=None)
    row = Hold.objects.filter(pk=held.pk)
    row.update(expires_at=clock.now() + timedelta(hours=11))
    holds.watch()
    assert Command.objects.filter(transaction=session, command="request_stop_transaction").count() == 1
    assert not held.calls.filter(action="void").exists()
    row.update(expires_at=clock.now() + timedelta(minutes=50))
    holds.watch()
    assert ask_now(held).state == PaymentState.RELEASED
    Transaction.objects.filter(pk=session.pk).update(status="ended", ended_at=clock.now())
    holds.watch()
    assert session.reference in told(organization, "hold")[0]


def test_b38_a_receipt_of_a_hold_that_lapsed_says_nothing_was_paid_and_is_taken_back(
    held: Payment, stripe: StandIn, charge: Charge, organization: Organization
) -> None:
    session = charge(12_345, minutes=1)
    holds.begun(held, session)
    settle()
    stripe.intents[held.provider_reference]["status"] = "canceled"
    following.read(held)
    holds.watch()
    for _ in range(3):
        receipts.run()
    invoice = receipt_of(session).invoice
    [note] = invoice.credit_notes.all()
    assert (invoice.snapshot["payment"], note.due, invoice.state) == ({}, DUE, InvoiceState.CREDITED)
    assert [balance(organization, name) for name in ("receivable", "unassigned", "cash")] == [0, 0, 0]


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_b42_a_refund_on_its_way_is_sent_only_when_the_provider_says_so(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization, end: str
) -> None:
    filled = topped_up(stripe, issued, alice)
    stripe.refunds_are = "pending"
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    ask_now(filled)
    row.refresh_from_db()
    [remote] = stripe.refunds.values()
    assert (row.state, row.provider_reference) == ("pending", remote["id"])

    remote.update(status=end, failure_reason="lost_or_stolen_card" if end == "failed" else None)
    assert tell(organization, *stripe.event("refund.updated", remote)) == 200
    for _ in range(2):
        events.run()
    row.refresh_from_db()
    left = Wallet.objects.get(account=filled.account).balance
    if end == "failed":
        assert (row.state, row.failure, left) == ("failed", "lost_or_stolen_card", 40)
        assert len(told(organization, "refund")) == 1
    else:
        assert (row.state, left) == ("done", 16)


def test_b42_a_refund_that_comes_back_days_later_is_the_payers_again(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization
) -> None:
    filled = topped_up(stripe, issued, alice)
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    ask_now(filled)
    [remote] = stripe.refunds.values()
    remote.update(status="failed", failure_reason="expired_or_canceled_card")
    assert tell(organization, *stripe.event("refund.failed", remote)) == 200
    events.run()
    row.refresh_from_db()
    assert (row.state, Wallet.objects.get(account=filled.account).balance) == ("failed", 40)
    assert Payment.objects.get(pk=filled.pk).refunded == 0


def test_b42_a_refund_of_which_no_event_tells_is_read(stripe: StandIn, issued: Issued, alice: Actor) -> None:
    filled = topped_up(stripe, issued, alice)
    stripe.refunds_are = "pending"
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    ask_now(filled)
    next(iter(stripe.refunds.values()))["status"] = "succeeded"
    Refund.objects.filter(pk=row.pk).update(made_at=clock.now() - following.QUIET)
    following.sweep_refunds()
    row.refresh_from_db()
    assert row.state == "done"


def test_b39_a_day_later_nothing_is_charged_or_refunded_a_second_time(
    stripe: StandIn, issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    filled = topped_up(stripe, issued, alice, account=invoice.account)
    stripe.lose = 1
    charged = ask_now(asking.charge(invoice, SavedMethod.objects.get(account=invoice.account), by=alice))
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    stripe.lose = 1
    ask_now(filled)
    assert charged.state == PaymentState.PENDING
    stripe.forget_keys()
    charged = ask_now(charged)
    ask_now(filled)
    row.refresh_from_db()

    assert (charged.state, row.state) == (PaymentState.RECEIVED, "done")
    assert len(stripe.refunds) == 1
    assert len([one for one in stripe.intents.values() if one["amount"] == 735]) == 1


def test_b42_a_dispute_that_is_won_ends(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization
) -> None:
    filled = topped_up(stripe, issued, alice)
    intent = stripe.intents[filled.provider_reference]
    opened = stripe.dispute(intent, "needs_response", 4000)
    assert tell(organization, *stripe.event("charge.dispute.created", opened)) == 200
    events.run()
    with pytest.raises(Conflict, match="cannot be refunded"):
        refunding.refund(filled, Decimal(1), reason="x", by=alice)
    assert len(told(organization, "dispute")) == 1

    assert (
        tell(organization, *stripe.event("charge.dispute.closed", stripe.dispute(intent, "won", 4000))) == 200
    )
    events.run()
    filled.refresh_from_db()
    assert (filled.state, filled.disputed_at) == (PaymentState.RECEIVED, None)
    kinds = AuditEntry.objects.filter(object_id=str(filled.pk)).values_list("action", flat=True)
    assert {"payment.disputed", "payment.dispute_closed"} <= set(kinds)
    refunding.refund(filled, Decimal(1), reason="x", by=alice)


def paid_by_card(stripe: StandIn, issued: Issued, alice: Actor) -> tuple[Invoice, Payment, dict[str, Any]]:
    invoice = issued()
    payment = ask_now(asking.pay_page(invoice, back=BACK, by=alice))
    intent = stripe.pay(payment.checkout)
    following.read(payment)
    return invoice, Payment.objects.get(pk=payment.pk), intent


@pytest.mark.parametrize("amount", [735, 200])
def test_b42_a_dispute_that_is_lost_makes_the_invoice_owed_again_once(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization, amount: int
) -> None:
    invoice, payment, intent = paid_by_card(stripe, issued, alice)
    assert Invoice.objects.get(pk=invoice.pk).state == InvoiceState.PAID
    lost = stripe.dispute(intent, "lost", amount)
    for kind in ("charge.dispute.created", "charge.dispute.closed", "charge.dispute.updated"):
        assert tell(organization, *stripe.event(kind, lost)) == 200
        events.run()
    payment.refresh_from_db()
    owed = Invoice.objects.get(pk=invoice.pk)
    back = Decimal(amount) / 100
    assert owed.state == InvoiceState.PARTLY_PAID
    assert balance(organization, "receivable") == back
    assert balance(organization, "cash") == DUE - back
    if amount == 735:
        assert payment.state == PaymentState.RETURNED
    else:
        assert (payment.state, payment.refunded) == (PaymentState.RECEIVED, Decimal(2))
    assert payment.postings.count() == 2


def test_b41_an_event_that_stumbles_keeps_no_other(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    _first, bad, intent_of_bad = paid_by_card(stripe, issued, alice)
    payment = ask_now(asking.pay_page(issued(), back=BACK, by=alice))
    session = stripe.checkouts[payment.checkout]
    stripe.pay(payment.checkout)
    stripe.intents[intent_of_bad["id"]]["amount"] = "not a number"
    assert (
        tell(organization, *stripe.event("payment_intent.succeeded", {"id": bad.provider_reference})) == 200
    )
    assert tell(organization, *stripe.event("checkout.session.completed", session)) == 200
    events.run()
    payment.refresh_from_db()
    assert payment.state == PaymentState.RECEIVED
    waiting = ProviderEvent.objects.get(organization=organization, processed_at=None)
    assert (waiting.object_id, waiting.tries) == (bad.provider_reference, 1)


def test_b50_a_wallet_does_not_pay_what_a_card_is_about_to_pay(
    stripe: StandIn, issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    topped_up(stripe, issued, alice, account=invoice.account)
    charged = asking.charge(invoice, SavedMethod.objects.get(account=invoice.account), by=alice)
    assert wallets.pay(invoice, by=alice) is None
    stripe.decline = True
    assert ask_now(charged).state == PaymentState.FAILED
    assert wallets.pay(invoice, by=alice) is not None
