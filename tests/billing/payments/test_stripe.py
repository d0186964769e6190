"""Cards by Stripe, over HTTP to a stand-in: once, whatever is lost, repeated or forged (billing B-35 to B-42)."""

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.models import (
    CallState,
    Cdr,
    Hold,
    Invoice,
    InvoiceState,
    Payment,
    PaymentState,
    ProviderCall,
    ProviderEvent,
    ProviderSettings,
    Refund,
    SavedMethod,
    Wallet,
)
from billing.services import accounts, home_agreements
from billing.services.home_agreements import Terms
from billing.services.payments import asking, calls, events, following, holds, provider_settings, refunding
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.models import ChargingStation, Evse
from tests import factories
from tests.billing.conftest import Charge, settle
from tests.billing.payments.conftest import DUE, Issued
from tests.billing.payments.stripe_standin import StandIn

pytestmark = pytest.mark.usefixtures("committed")
BACK = "https://portal.example.org/back"


def ask_now(payment: Payment) -> Payment:
    """Everything that waits for this payment, due at once."""
    ProviderCall.objects.filter(payment=payment, state=CallState.OPEN).update(next_try_at=clock.now())
    for key in payment.calls.filter(state=CallState.OPEN).values_list("pk", flat=True):
        calls.perform(key)
    return Payment.objects.get(pk=payment.pk)


def tell(organization: Organization, body: bytes, signature: str) -> int:
    address = f"/webhooks/payments/stripe/{organization.slug}"
    answer = Client().post(
        address, body, content_type="application/json", headers={"Stripe-Signature": signature}
    )
    return answer.status_code


@pytest.fixture
def held(stripe: StandIn, station: ChargingStation, alice: Actor) -> Payment:
    """60.00 set aside at the outlet."""
    payment = ask_now(holds.ask(station.evses.get(evse_id=1), Decimal(60), back=BACK, by=alice))
    stripe.pay(payment.checkout)
    following.read(payment)
    return Payment.objects.get(pk=payment.pk)


def test_b37_a_hold_is_asked_for_on_stripes_page_and_starts_nothing_before_it_stands(
    stripe: StandIn, station: ChargingStation, charge: Charge, alice: Actor
) -> None:
    evse = station.evses.get(evse_id=1)
    payment = ask_now(holds.ask(evse, Decimal(60), back=BACK, by=alice))
    assert (payment.state, payment.checkout_url) == (
        PaymentState.PENDING,
        f"https://checkout.stripe.test/{payment.checkout}",
    )
    wanted = stripe.checkouts[payment.checkout]["wanted"]
    assert wanted["payment_intent_data[capture_method]"] == "manual"
    session = charge(4000, minutes=1)
    with pytest.raises(Conflict, match="not set aside"):
        holds.begun(payment, session)

    again = holds.ask(evse, Decimal(40), back=BACK, by=alice)
    assert again.pk == payment.pk
    stripe.pay(payment.checkout)
    following.read(payment)
    payment.refresh_from_db()
    assert (payment.state, payment.authorized, payment.captured) == (PaymentState.HELD, 60, 0)
    with pytest.raises(Invalid, match=r"At most 60\.00"):
        holds.ask(evse, Decimal("60.01"), back=BACK, by=alice)


def test_b38_what_the_session_costs_is_captured_once_and_the_rest_released(
    held: Payment, stripe: StandIn, charge: Charge, alice: Actor
) -> None:
    session = charge(12_345, minutes=1)
    holds.begun(held, session)
    settle()
    for _ in range(3):
        holds.watch()
    payment = ask_now(held)
    holds.watch()

    assert (payment.state, payment.captured, payment.authorized) == (PaymentState.RECEIVED, DUE, 60)
    assert stripe.asked_for("/capture") == [f"capture:{held.pk}"]
    assert Hold.objects.get(pk=held.pk).closed_at is not None


def test_b52_b38_a_hold_for_a_session_at_home_that_an_employer_pays_is_released(
    held: Payment, stripe: StandIn, charge: Charge, station: ChargingStation, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    employer = accounts.open_company(held.organization, "Nordlicht GmbH", by=alice)
    terms = Terms(
        rate_per_kwh=Decimal("0.30"), currency="EUR", valid_from=clock.now().date() - timedelta(days=9),
        employer=employer, vat_rate=Decimal(19), meter_serial="M-1",
    )  # fmt: skip
    home_agreements.agree(driver, station, terms, supply=Supply(tax="none"), by=alice)
    session = charge(12_345, minutes=1, driver=driver)
    holds.begun(held, session)
    settle()
    holds.watch()
    payment = ask_now(held)

    assert session.cdrs.get().payable_incl_vat == Decimal("4.40")
    assert (payment.state, payment.captured) == (PaymentState.RELEASED, 0)
    assert not stripe.asked_for("/capture")


def test_b38_above_the_hold_the_rest_is_written_off_not_collected(held: Payment, stripe: StandIn) -> None:
    holds.capture(held, Decimal("61.50"))
    payment = ask_now(held)
    assert payment.captured == 60
    assert Payment.objects.get(pk=held.pk).note == "1.50 EUR above the hold, written off"


def test_b38_nothing_to_pay_and_no_start_in_time_release_the_hold(
    held: Payment, stripe: StandIn, station: ChargingStation
) -> None:
    Hold.objects.filter(pk=held.pk).update(give_up_at=clock.now())
    holds.watch()
    holds.watch()
    payment = ask_now(held)
    assert (payment.state, payment.captured) == (PaymentState.RELEASED, 0)
    assert stripe.asked_for("/cancel") == [f"void:{held.pk}"]
    assert not stripe.asked_for("/capture")


def test_b39_a_lost_answer_captures_nothing_more(held: Payment, stripe: StandIn) -> None:
    call = holds.capture(held, Decimal("23.62"))
    stripe.lose = 1
    payment = ask_now(held)
    call.refresh_from_db()
    assert (payment.state, call.state, call.tries) == (PaymentState.HELD, CallState.OPEN, 1)
    assert stripe.intents[held.provider_reference]["amount_received"] == 2362

    payment = ask_now(held)
    assert (payment.state, payment.captured) == (PaymentState.RECEIVED, Decimal("23.62"))
    assert stripe.asked_for("/capture") == [f"capture:{held.pk}"], "the state was read instead"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_b39_a_broken_provider_is_asked_again_with_the_same_key(
    held: Payment, stripe: StandIn, status: int
) -> None:
    holds.capture(held, Decimal("5.00"))
    stripe.break_with = [status]
    assert ask_now(held).state == PaymentState.HELD
    assert ask_now(held).state == PaymentState.RECEIVED
    assert set(stripe.asked_for("/capture")) == {f"capture:{held.pk}"}


def test_b39_the_key_is_committed_before_the_call(held: Payment, stripe: StandIn) -> None:
    call = holds.capture(held, Decimal("5.00"))
    assert not stripe.asked_for("/capture")
    assert ProviderCall.objects.get(pk=call.pk).key == f"capture:{held.pk}"
    assert calls.perform(call.pk) is True
    assert calls.perform(call.pk) is False


def test_b40_near_the_hold_the_session_is_stopped_from_here_once(
    held: Payment, charge: Charge, station: ChargingStation, alice: Actor
) -> None:
    from stations.models import Command, SessionCost, Transaction

    session = charge(12_345, minutes=1)
    holds.begun(held, session)
    Transaction.objects.filter(pk=session.pk).update(status="active", ended_at=None)
    SessionCost.objects.update_or_create(
        transaction=session,
        defaults={"state": "running", "cause": "", "currency": "EUR", "incl_vat": Decimal("59.99"),
                  "since": clock.now(), "computed_at": clock.now(), "answer": {"basis": "gross"}},
    )  # fmt: skip
    for _ in range(2):
        holds.watch()
    stops = Command.objects.filter(transaction=session, command="request_stop_transaction")
    assert stops.count() == 1
    assert Hold.objects.get(pk=held.pk).stop_asked_at is not None


def test_b41_events_twice_and_in_any_order_move_forward_only(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization
) -> None:
    invoice = issued()
    payment = ask_now(asking.pay_page(invoice, back=BACK, by=alice))
    assert asking.pay_page(invoice, back=BACK, by=alice).pk == payment.pk
    intent = stripe.pay(payment.checkout)
    session = stripe.checkouts[payment.checkout]
    told = [
        stripe.event("payment_intent.succeeded", intent, "evt_late"),
        stripe.event("checkout.session.completed", session, "evt_paid"),
        stripe.event("payment_intent.created", {**intent, "status": "requires_payment_method"}, "evt_first"),
        stripe.event("something.unknown", {"id": "x_1"}, "evt_odd"),
    ]
    for body, signature in [*told, *reversed(told), *told]:
        assert tell(organization, body, signature) == 200
    for _ in range(2):
        events.run()

    payment.refresh_from_db()
    assert (payment.state, payment.captured) == (PaymentState.RECEIVED, DUE)
    assert Invoice.objects.get(pk=invoice.pk).state == InvoiceState.PAID
    kept = ProviderEvent.objects.filter(organization=organization)
    assert sorted(kept.values_list("event_id", flat=True)) == ["evt_first", "evt_late", "evt_odd", "evt_paid"]
    assert not kept.filter(processed_at=None).exists()
    assert payment.postings.count() == 1


def test_b41_forged_stale_and_foreign_events_change_nothing(
    stripe: StandIn, organization: Organization, alice: Actor
) -> None:
    body, signature = stripe.event("payment_intent.succeeded", {"id": "pi_1"})
    stale = stripe.event("payment_intent.succeeded", {"id": "pi_1"}, at=int(time.time()) - 301)
    assert tell(organization, body + b" ", signature) == 400
    assert tell(organization, body, signature[:-4] + "0000") == 400
    assert tell(organization, body, "") == 400
    assert tell(organization, b"\xff", signature) == 400
    assert tell(organization, *stale) == 400
    assert tell(organization, b"x" * 300_000, signature) == 413
    other = factories.make_organization()
    assert tell(other, body, signature) == 404
    assert not ProviderEvent.objects.filter(organization__in=[organization, other]).exists()


def test_b41_a_lost_event_is_made_up_for_by_reading(stripe: StandIn, issued: Issued, alice: Actor) -> None:
    payment = ask_now(asking.pay_page(issued(), back=BACK, by=alice))
    stripe.pay(payment.checkout)
    Payment.objects.filter(pk=payment.pk).update(created_at=clock.now() - following.QUIET)
    following.sweep()
    payment.refresh_from_db()
    assert payment.state == PaymentState.RECEIVED


def test_b35_a_kept_card_is_charged_once_and_a_declined_one_says_why(
    stripe: StandIn, issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    filled = ask_now(asking.top_up(invoice.account, Decimal(5), back=BACK, save=True, by=alice))
    stripe.pay(filled.checkout, save=True)
    following.read(filled)
    card = SavedMethod.objects.get(account=invoice.account)
    assert card.label == "Visa ···· 4242"
    assert Wallet.objects.get(account=invoice.account).balance == 5

    stripe.decline = True
    failed = ask_now(asking.charge(invoice, card, by=alice))
    assert (failed.state, failed.failure) == (PaymentState.FAILED, "Your card was declined.")
    stripe.decline = False
    paid = ask_now(asking.charge(invoice, card, by=alice))
    assert (paid.state, Invoice.objects.get(pk=invoice.pk).state) == (
        PaymentState.RECEIVED,
        InvoiceState.PAID,
    )
    with pytest.raises(Conflict):
        asking.charge(invoice, card, by=alice)
    with pytest.raises(NotFound):
        asking.charge(issued(), card, by=alice)


def test_b42_a_refund_is_sent_once_though_its_answer_is_lost(
    stripe: StandIn, issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    filled = ask_now(asking.top_up(invoice.account, Decimal(40), back=BACK, by=alice))
    stripe.pay(filled.checkout)
    following.read(filled)
    with pytest.raises(Invalid):
        refunding.refund(filled, Decimal("40.01"), reason="too much", by=alice)
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    stripe.lose = 1
    ask_now(filled)
    row.refresh_from_db()
    assert row.state == "pending"
    ask_now(filled)
    row.refresh_from_db()

    assert (row.state, len(stripe.refunds)) == ("done", 1)
    assert stripe.intents[Payment.objects.get(pk=filled.pk).provider_reference]["refunded"] == 2400
    assert Wallet.objects.get(account=invoice.account).balance == 16


def test_b42_a_refund_that_the_provider_refuses_is_in_the_wallet_again(
    stripe: StandIn, issued: Issued, alice: Actor
) -> None:
    invoice = issued()
    filled = ask_now(asking.top_up(invoice.account, Decimal(40), back=BACK, by=alice))
    stripe.pay(filled.checkout)["refunded"] = 4000
    following.read(filled)
    row = refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    ask_now(filled)
    row.refresh_from_db()
    assert row.state == "failed"
    assert "greater than unrefunded" in row.failure
    assert (
        Wallet.objects.get(account=invoice.account).balance,
        Payment.objects.get(pk=filled.pk).refunded,
    ) == (40, 0)


def test_b42_a_dispute_stops_refunds(
    stripe: StandIn, issued: Issued, alice: Actor, organization: Organization
) -> None:
    filled = ask_now(asking.top_up(issued().account, Decimal(40), back=BACK, by=alice))
    intent = stripe.pay(filled.checkout)
    following.read(filled)
    told = stripe.event("charge.dispute.created", stripe.dispute(intent, "needs_response", 4000))
    assert tell(organization, *told) == 200
    events.run()
    with pytest.raises(Conflict, match="cannot be refunded"):
        refunding.refund(filled, Decimal(1), reason="x", by=alice)
    assert not Refund.objects.filter(payment=filled).exists()


def test_b36_keys_are_sealed_tried_and_only_an_administrators(
    stripe: StandIn, organization: Organization, alice: Actor
) -> None:
    row = ProviderSettings.objects.get(pk=organization.pk)
    assert "sk_test" not in row.sealed_key
    assert "whsec" not in row.sealed_webhook_secret
    assert provider_settings.test(organization, by=alice) == "EUR"
    billing = factories.make_actor(organization, Role.BILLING, "bianca")
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    for actor, error in ((billing, NotPermitted), (charlie, NotFound)):
        with pytest.raises(error):
            provider_settings.save(
                organization, key="k", webhook_secret="w", hold_amount=Decimal(1), by=actor
            )
        with pytest.raises(error):
            provider_settings.test(organization, by=actor)
    provider_settings.save(organization, key="sk_wrong", webhook_secret="", hold_amount=Decimal(50), by=alice)
    with pytest.raises(Conflict, match="refuses"):
        provider_settings.test(organization, by=alice)


def test_w17_the_provider_is_reached_by_the_egress_rules_only(
    stripe: StandIn, organization: Organization, alice: Actor, settings: Any
) -> None:
    settings.EGRESS_ALLOW = ()
    with pytest.raises(Conflict, match="did not answer"):
        provider_settings.test(organization, by=alice)
    assert not stripe.asked


def test_issue7_without_a_provider_nothing_is_asked_and_invoices_are_paid_by_transfer(
    issued: Issued, station: ChargingStation, alice: Actor
) -> None:
    invoice = issued()
    for wish in (
        lambda: asking.pay_page(invoice, back=BACK, by=alice),
        lambda: asking.top_up(invoice.account, Decimal(20), back=BACK, by=alice),
        lambda: holds.ask(Evse.objects.get(station=station, evse_id=1), Decimal(20), back=BACK, by=alice),
    ):
        with pytest.raises(Conflict, match="No payment provider"):
            wish()
    assert not Payment.objects.filter(organization_id=alice.organization_id).exists()
    assert Cdr.objects.filter(organization_id=alice.organization_id).exists()
