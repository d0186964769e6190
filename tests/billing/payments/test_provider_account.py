"""The provider's account beside ours, every day: what agrees, what differs, fees and payouts (billing B-42)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from billing.models import Payment, ProviderMovement, ProviderSettings, Refund, Wallet
from billing.services.payments import asking, comparing, events, following, refunding
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from tests import factories
from tests.billing.pages import alice, browser, browser_of, member, organization, viewer
from tests.billing.payments.conftest import issued, stripe
from tests.billing.payments.stripe_standin import StandIn
from tests.billing.payments.test_receipts import balance
from tests.billing.payments.test_stripe import BACK, ask_now, tell
from tests.billing.payments.test_stripe_troubles import Issued, told

__all__ = ["alice", "browser", "issued", "member", "organization", "stripe", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")
TopUp = Callable[[], Payment]


def now() -> int:
    return int(clock.now().timestamp()) - 7200


def compared(organization: Organization) -> int:
    """As if a day had passed, for this organization alone."""
    now = clock.now()
    ProviderSettings.objects.exclude(pk=organization.pk).update(compared_until=now)
    known = ProviderSettings.objects.filter(pk=organization.pk, compared_until__isnull=False)
    known.update(compared_until=now - timedelta(days=1))
    return comparing.run()


@pytest.fixture
def filled(stripe: StandIn, issued: Issued, alice: Actor) -> Payment:
    """40.00 by card, with their line in the provider's balance: 0.85 is its fee."""
    payment = ask_now(asking.top_up(issued().account, Decimal(40), back=BACK, by=alice))
    intent = stripe.pay(payment.checkout)
    following.read(payment)
    stripe.move("charge", 4000, fee=85, at=now(), source={"object": "charge", "payment_intent": intent["id"]})
    return Payment.objects.get(pk=payment.pk)


def test_b42_what_agrees_is_taken_in_once_with_fees_and_payouts_posted(
    stripe: StandIn, filled: Payment, alice: Actor, organization: Organization
) -> None:
    refunding.refund(filled, Decimal(24), reason="rest", by=alice)
    ask_now(filled)
    [refund] = stripe.refunds.values()
    stripe.move("refund", -2400, at=now(), source=refund)
    stripe.move("payout", -1000, at=now(), source={"object": "payout", "id": "po_1"})
    stripe.move("stripe_fee", -50, at=now())
    for _ in range(2):
        assert compared(organization) == 0

    rows = ProviderMovement.objects.filter(organization=organization)
    assert sorted(rows.values_list("kind", flat=True)) == ["fee", "payment", "payout", "refund"]
    assert not rows.open().exists()
    assert rows.get(kind="payment").payment == filled
    assert balance(organization, "fees") == Decimal("1.35")
    assert balance(organization, "cash") == Decimal("4.65"), "40.00 - 0.85 - 24.00 - 10.00 - 0.50"
    assert balance(organization, "bank") == 10
    assert not told(organization, "provider_account")


def test_b42_what_is_on_one_side_only_or_of_another_amount_is_listed_and_told_once(
    stripe: StandIn, filled: Payment, issued: Issued, alice: Actor, organization: Organization
) -> None:
    unseen = ask_now(asking.top_up(issued().account, Decimal(30), back=BACK, by=alice))
    stripe.pay(unseen.checkout)
    following.read(unseen)
    old = clock.now() - comparing.SETTLES_WITHIN - timedelta(days=1)
    ProviderSettings.objects.filter(pk=organization.pk).update(set_up_at=old - timedelta(days=1))
    Payment.objects.filter(pk=unseen.pk).update(created_at=old, received_on=old.date())
    stripe.balance[0]["amount"] = 3900
    stripe.move(
        "refund", -700, at=now(), source={"object": "refund", "id": "re_1", "payment_intent": "pi_other"}
    )
    assert compared(organization) == 3
    assert compared(organization) == 0

    rows = ProviderMovement.objects.filter(organization=organization).open()
    found = set(rows.values_list("kind", "difference", "amount"))
    assert found == {
        ("payment", "amount", Decimal(39)), ("refund", "unknown", Decimal(-7)), ("payment", "missing", Decimal(30)),
    }  # fmt: skip
    assert rows.get(difference="missing").payment == unseen
    assert len(told(organization, "provider_account")) == 1

    intent = stripe.intents[Payment.objects.get(pk=unseen.pk).provider_reference]
    stripe.move("charge", 3000, at=now(), source={"object": "charge", "payment_intent": intent["id"]})
    compared(organization)
    assert not rows.filter(difference="missing").exists(), "it was only late"


def test_b42_more_bookings_than_fit_in_one_answer_are_all_read(
    stripe: StandIn, filled: Payment, organization: Organization
) -> None:
    for _ in range(230):
        stripe.move("stripe_fee", -1, at=now())
    compared(organization)
    assert ProviderMovement.objects.filter(organization=organization, kind="fee").count() == 230
    assert balance(organization, "fees") == Decimal("3.15")


def test_b42_a_run_that_was_cut_short_leaves_no_gap(
    stripe: StandIn, filled: Payment, organization: Organization
) -> None:
    for day in range(6):
        for _ in range(30):
            stripe.move("stripe_fee", -1, at=now() - day * 86_400)
    stripe.balance.sort(key=lambda one: -one["created"])
    stripe.break_second_page = True
    assert compared(organization) == 0
    assert balance(organization, "fees") < 2
    stripe.break_second_page = False
    compared(organization)
    assert balance(organization, "fees") == Decimal("2.65"), "180 of 0.01, and 0.85"


def test_b42_a_dispute_of_which_no_event_came_is_read_and_compared(
    stripe: StandIn, filled: Payment, organization: Organization
) -> None:
    intent = stripe.intents[filled.provider_reference]
    dispute = stripe.dispute(intent, "needs_response", 4000)
    stripe.move("adjustment", -4000, fee=2000, at=now(), source=dispute)
    assert compared(organization) == 0
    filled.refresh_from_db()
    assert filled.disputed_at is not None

    stripe.dispute(intent, "prevented", 4000)
    following.sweep_disputes()
    assert compared(organization) == 1, "it has ended, and nobody says that the money is gone"
    row = ProviderMovement.objects.get(organization=organization, kind="dispute")
    assert row.difference == "amount"
    stripe.dispute(intent, "lost", 4000)
    following.read_disputes(filled)
    assert compared(organization) == 0
    row.refresh_from_db()
    assert row.difference == ""


def test_b42_a_refund_that_somebody_made_at_the_provider_is_taken_over_once(
    stripe: StandIn, filled: Payment, organization: Organization
) -> None:
    intent = stripe.intents[filled.provider_reference]
    made = stripe.refund(intent, 700, "")
    stripe.move("refund", -700, at=now(), source=made)
    for _ in range(2):
        compared(organization)
    tell(organization, *stripe.event("refund.created", made))
    events.run()
    row = Refund.objects.get(payment=filled)
    assert (row.amount, row.state, row.reason) == (7, "done", "Sent back at the provider.")
    assert Wallet.objects.get(account=filled.account).balance == 33
    assert balance(organization, "cash") == Decimal("32.15"), "40.00 - 0.85 - 7.00"
    assert not ProviderMovement.objects.filter(organization=organization).open().exists()


def test_b42_a_payout_that_came_back_is_at_the_provider_again(
    stripe: StandIn, filled: Payment, organization: Organization
) -> None:
    stripe.move("payout", -3915, at=now())
    stripe.move("payout_failure", 3915, at=now())
    compared(organization)
    assert [balance(organization, name) for name in ("bank", "cash")] == [0, Decimal("39.15")]


def test_b42_a_key_that_is_not_taken_stops_no_other_organization(
    stripe: StandIn, filled: Payment, organization: Organization
) -> None:
    stripe.locked = True
    assert compared(organization) == 0
    assert not ProviderMovement.objects.filter(organization_id=filled.organization_id).exists()


def test_b42_a_difference_is_explained_on_its_page_and_by_no_stranger(
    stripe: StandIn, filled: Payment, browser: Client, viewer: Client, organization: Organization
) -> None:
    stripe.move("adjustment", -100, at=now())
    compared(organization)
    row = ProviderMovement.objects.get(organization=organization, kind="other")
    page, act = (
        f"/o/{organization.slug}/payments/provider/",
        f"/o/{organization.slug}/payments/provider/{row.pk}/explain/",
    )
    assert "Not known here" in browser.get(page).content.decode()
    stranger = browser_of(factories.make_member(factories.make_organization()).user)
    assert stranger.post(act, {"note": "x"}).status_code == 404
    assert viewer.post(act, {"note": "x"}).status_code == 403
    assert browser.post(act, {"note": " "}).status_code in (302, 400, 422)
    row.refresh_from_db()
    assert row.decided_at is None

    assert browser.post(act, {"note": "Rent of the terminal"}).status_code == 302
    row.refresh_from_db()
    assert row.note == "Rent of the terminal"
    assert AuditEntry.objects.filter(object_id=str(row.pk), action="provider_movement.explained").exists()
    assert "Nothing differs" in browser.get(page).content.decode()
    shown = browser.get(f"{page}?tab=all").content.decode()
    assert "Rent of the terminal" in shown
    assert "40.00" in shown
    assert Refund.objects.filter(payment=filled).count() == 0
