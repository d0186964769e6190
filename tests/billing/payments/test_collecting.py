"""What a debit file takes and why it does not take the others: announced, owed, and paid in no other way (B-44)."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from dateutil.relativedelta import relativedelta

from billing.models import (
    DebitFile,
    DeliveryState,
    DunningHold,
    Invoice,
    Mandate,
    MandateType,
    Method,
    Payment,
    SavedMethod,
)
from billing.services.payments import announcing, asking, calls, coming_back, debits, receiving
from billing.services.payments.collecting import Obstacle, looked_at
from core import clock
from core.access import Actor
from core.errors import Conflict
from core.models import Organization
from tests import factories
from tests.billing.conftest import NEXT_PERIOD
from tests.billing.payments.conftest import COLLECT_ON, DUE, IBAN, Issued, sign
from tests.billing.payments.stripe_standin import StandIn

pytestmark = pytest.mark.usefixtures("committed", "bank")
Change = Callable[[Invoice, Actor], object]


def obstacles(organization: Organization, day: date = COLLECT_ON) -> list[Obstacle | None]:
    return [one.obstacle for one in looked_at(organization, day)]


def refuses(organization: Organization, by: Actor, day: date = COLLECT_ON) -> None:
    with pytest.raises(Conflict, match="nothing to collect"):
        debits.make_file(organization, day, by=by)
    assert not DebitFile.objects.filter(organization=organization).exists()


def mandate_of(invoice: Invoice) -> Mandate:
    return Mandate.objects.filter(account=invoice.account).latest("id")


def test_b44_a_mandate_that_was_signed_after_the_invoice_collects_it_not(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued()
    assert obstacles(organization) == [], "a payer who transfers is none of this"
    sign(invoice.account, alice)
    assert obstacles(organization) == [Obstacle.NOT_ANNOUNCED]
    refuses(organization, alice)


def test_b44_a_mandate_that_replaced_the_announced_one_collects_it_not(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued(mandate={})
    sign(invoice.account, alice, iban=IBAN)
    assert obstacles(organization) == [Obstacle.NOT_ANNOUNCED]
    refuses(organization, alice)


def changed_creditor(invoice: Invoice, by: Actor) -> None:
    debits.set_details(
        invoice.organization, holder="Yard", iban=IBAN, creditor_id="NL98ZZZ09999999999", by=by
    )


def dispute(invoice: Invoice, by: Actor) -> None:
    receiving.record(invoice, Decimal(1), received_on=clock.now().date(), method=Method.MANUAL, by=by)
    Payment.objects.filter(account=invoice.account).update(disputed_at=clock.now())


@pytest.mark.parametrize(("change", "expected"), [
    (lambda invoice, by: debits.stop(mandate_of(invoice), because="stopped", by=by), Obstacle.STOPPED),
    (changed_creditor, Obstacle.OTHER_CREDITOR),
    (dispute, Obstacle.DISPUTED),
    (lambda invoice, by: debits.make_file(invoice.organization, COLLECT_ON, by=by), Obstacle.IN_FILE),
], ids=["stopped", "creditor", "disputed", "in a file"])  # fmt: skip
def test_b44_what_is_not_collected_says_why(
    issued: Issued, organization: Organization, alice: Actor, change: Change, expected: Obstacle
) -> None:
    invoice = issued(mandate={})
    assert obstacles(organization) == [None]
    change(invoice, alice)
    assert obstacles(organization) == [expected]
    with pytest.raises(Conflict, match="nothing to collect"):
        debits.make_file(organization, COLLECT_ON, by=alice)


def test_b43_a_mandate_of_the_other_type_or_unused_for_36_months_says_so(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    mandate = mandate_of(issued(mandate={"type_": "B2B", "signed_on": COLLECT_ON - timedelta(days=1000)}))
    last = mandate.expires_on - timedelta(days=1)
    assert obstacles(organization, last) == [Obstacle.OTHER_TYPE]
    found = {
        day: looked_at(organization, day, MandateType.B2B)[0].obstacle for day in (last, mandate.expires_on)
    }
    assert found == {last: None, mandate.expires_on: Obstacle.EXPIRED}


def test_b44_an_expired_mandate_is_not_announced(issued: Issued, organization: Organization) -> None:
    expired = issued(mandate={"signed_on": COLLECT_ON - timedelta(days=1200)})
    assert expired.snapshot["payment"]["means"] == "58"


def test_b42_an_invoice_whose_card_payment_is_on_its_way_is_not_collected(
    stripe: StandIn, issued: Issued, organization: Organization, alice: Actor
) -> None:
    page, card = issued(mandate={}), issued(mandate={})
    asking.pay_page(page, back="https://portal.example.org/back", by=alice)
    kept = SavedMethod.objects.create(
        account=card.account, provider="stripe", customer="cus_1", reference="pm_1", label="Visa 4242"
    )
    asking.charge(card, kept, by=alice)
    assert obstacles(organization) == [Obstacle.CARD, Obstacle.CARD]
    refuses(organization, alice)

    stripe.decline = True
    calls.run()
    assert obstacles(organization) == [Obstacle.CARD, None], "a refused card is no payment"
    assert debits.make_file(organization, COLLECT_ON, by=alice).items.get().invoice == card
    with pytest.raises(Conflict, match="direct debit"):
        asking.charge(card, kept, by=alice)


def test_b44_the_rest_of_an_invoice_is_collected_and_only_once_it_is_owed(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    part, whole = issued(mandate={}), issued(mandate={})
    for invoice, amount in ((part, "5.00"), (whole, "7.35")):
        receiving.record(invoice, Decimal(amount), received_on=clock.now().date(), by=alice)
    assert [(one.invoice, one.rest) for one in looked_at(organization, COLLECT_ON)] == [
        (part, Decimal("2.35"))
    ]
    assert debits.make_file(organization, COLLECT_ON, by=alice).total == Decimal("2.35")


def test_b44_the_day_that_an_invoice_announced_counts_also_when_the_notice_is_changed_later(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued(mandate={})
    debits.set_details(
        organization, holder="Yard", iban=IBAN, creditor_id="DE98ZZZ09999999999", notice_days=1, by=alice
    )
    assert invoice.issued_on is not None
    assert obstacles(organization, invoice.issued_on + timedelta(days=13)) == [Obstacle.TOO_EARLY]
    assert obstacles(organization, invoice.issued_on + timedelta(days=14)) == [None]


def test_b43_the_first_use_is_frst_once_where_the_bank_asks(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    debits.set_details(
        organization, holder="Yard", iban=IBAN, creditor_id="DE98ZZZ09999999999", first_as_frst=True, by=alice
    )
    first = issued("Fiona First", mandate={})
    issued(driver=first.account.driver, period=NEXT_PERIOD)
    row = debits.make_file(organization, COLLECT_ON, by=alice)
    assert [one.sequence for one in row.items.all()] == ["FRST", "RCUR"]
    debits.discard(row, by=alice)
    again = debits.make_file(organization, COLLECT_ON, by=alice)
    assert [one.sequence for one in again.items.all()] == ["FRST", "RCUR"], "the first never went to the bank"
    debits.collected(again, by=alice)
    assert mandate_of(first).last_used_on == COLLECT_ON
    assert mandate_of(first).expires_on == COLLECT_ON + relativedelta(years=3)
    assert {one.amount for one in again.items.all()} == {DUE}


def test_b44_what_came_back_is_collected_again_only_once_it_is_announced_anew(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    driver = factories.make_driver(alice, email="dora@example.org")
    invoice = issued(mandate={}, driver=driver)
    debits.collected(debits.make_file(organization, COLLECT_ON, by=alice), by=alice)
    coming_back.by_hand(Payment.objects.get(allocations__invoice=invoice), reason="MD06", by=alice)
    [found] = looked_at(organization, COLLECT_ON)
    assert (found.obstacle, found.may_be_announced) == (Obstacle.NOT_ANNOUNCED, True)
    with pytest.raises(Conflict, match="nothing to collect"):
        debits.make_file(organization, COLLECT_ON, by=alice)

    notice = announcing.announce(invoice, by=alice)
    notice.state, notice.sent_at = DeliveryState.SENT, clock.now()
    notice.save()
    assert obstacles(organization, notice.collect_on) == [None]


@pytest.mark.parametrize("whole", [True, False], ids=["the payer", "the invoice"])
def test_b47_what_is_held_is_not_debited(
    issued: Issued, organization: Organization, alice: Actor, whole: bool
) -> None:
    invoice = issued(mandate={})
    hold = DunningHold.objects.create(
        organization=organization, account=invoice.account, invoice=None if whole else invoice, kind="dispute",
        reason="Says the price is wrong", made_by="alice", made_at=clock.now(),
    )  # fmt: skip
    assert obstacles(organization) == [Obstacle.HELD]
    refuses(organization, alice)
    hold.released_at, hold.released_by = clock.now(), "alice"
    hold.save()
    assert obstacles(organization) == [None]
