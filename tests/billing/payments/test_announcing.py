"""Announcing by mail a debit that the invoice did not announce: once, recorded, and then collected (billing B-44)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from smtplib import SMTPException
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMessage

from billing.models import DebitNotice, DeliveryState, Invoice, Mandate
from billing.services import documents
from billing.services.payments import announcing, debits, receiving
from billing.services.payments.collecting import Obstacle, looked_at
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from tests import factories
from tests.billing.payments.conftest import COLLECT_ON, DUE, IBAN, Issued, sign

pytestmark = pytest.mark.usefixtures("committed", "bank")


@pytest.fixture
def untold(issued: Issued, alice: Actor) -> Invoice:
    """An invoice with its files of a payer with an address who signed a mandate afterwards."""
    driver = factories.make_driver(alice, email=f"{factories.unique('bob')}@example.org")
    invoice = issued(driver=driver)
    documents.make_due()
    sign(invoice.account, alice)
    return invoice


def letters(invoice: Invoice) -> list[Any]:
    address = invoice.account.driver.email if invoice.account.driver else ""
    return [one for one in mail.outbox if one.to == [address] and "direct debit" in one.subject]


def only(organization: Organization, day: Any = COLLECT_ON) -> Any:
    (found,) = looked_at(organization, day)
    return found


def test_b44_a_debit_that_was_announced_by_mail_is_collected_from_its_day_on(
    untold: Invoice, organization: Organization, alice: Actor
) -> None:
    found = only(organization)
    assert (found.obstacle, found.may_be_announced) == (Obstacle.NOT_ANNOUNCED, True)
    row = announcing.announce(untold, by=alice)
    with pytest.raises(Conflict, match="already"):
        announcing.announce(untold, by=alice)
    assert only(organization).obstacle == Obstacle.NOT_ANNOUNCED, "nobody was told yet"

    for _turn in range(2):
        announcing.send_due()
    row.refresh_from_db()
    (letter,) = letters(untold)
    mandate = Mandate.objects.get(account=untold.account)
    day = clock.now().date() + timedelta(days=14)
    assert (row.state, row.amount, row.collect_on, row.mandate) == (DeliveryState.SENT, DUE, day, mandate)
    for told in (untold.number, "7.35 EUR", mandate.reference, "DE98ZZZ09999999999", "4300"):
        assert told in letter.body
    assert row.body == letter.body
    assert [name for name, *_ in letter.attachments] != []
    assert AuditEntry.objects.filter(action="invoice.debit_announced", object_id=str(untold.pk)).count() == 1

    assert only(organization, day - timedelta(days=1)).obstacle == Obstacle.TOO_EARLY
    assert only(organization, day).obstacle is None
    assert debits.make_file(organization, COLLECT_ON, by=alice).items.get().mandate == mandate


def test_b44_an_announcement_counts_from_the_day_on_which_it_goes_out(
    untold: Invoice, organization: Organization, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise SMTPException("mailbox full")

    row = announcing.announce(untold, by=alice)
    with monkeypatch.context() as patched:
        patched.setattr(EmailMessage, "send", refuse)
        announcing.send_due()
    row.refresh_from_db()
    assert (row.state, letters(untold), only(organization).obstacle) == (
        DeliveryState.WAITING, [], Obstacle.NOT_ANNOUNCED,
    )  # fmt: skip
    later = clock.now() + timedelta(days=3)
    with time_machine.travel(later, tick=False):
        announcing.send_due()
    row.refresh_from_db()
    assert (row.state, row.collect_on) == (DeliveryState.SENT, later.date() + timedelta(days=14))


def test_b44_what_changed_before_it_went_out_is_not_announced(
    untold: Invoice, organization: Organization, alice: Actor
) -> None:
    row = announcing.announce(untold, by=alice)
    receiving.record(untold, DUE, received_on=clock.now().date(), by=alice)
    announcing.send_due()
    row.refresh_from_db()
    assert (row.state, "nothing to announce" in row.reason, letters(untold)) == (
        DeliveryState.FAILED, True, [],
    )  # fmt: skip


def test_b44_a_mail_that_may_have_gone_out_is_not_sent_again(
    untold: Invoice, organization: Organization, alice: Actor
) -> None:
    row = announcing.announce(untold, by=alice)
    DebitNotice.objects.filter(pk=row.pk).update(
        state="sending", next_try_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    announcing.send_due()
    row.refresh_from_db()
    assert (row.state, letters(untold)) == (DeliveryState.FAILED, [])
    assert only(organization).obstacle == Obstacle.NOT_ANNOUNCED
    announcing.announce(untold, by=alice)
    announcing.send_due()
    assert len(letters(untold)) == 1


def test_b44_a_mandate_that_is_replaced_or_a_higher_rest_needs_another_announcement(
    untold: Invoice, organization: Organization, alice: Actor
) -> None:
    payment = receiving.record(untold, Decimal(5), received_on=clock.now().date(), by=alice)
    announcing.announce(untold, by=alice)
    announcing.send_due()
    assert (only(organization).obstacle, only(organization).rest) == (None, Decimal("2.35"))
    receiving.take_back(payment, reason="bounced", by=alice)
    assert only(organization).obstacle == Obstacle.NOT_ANNOUNCED

    announcing.announce(untold, by=alice)
    announcing.send_due()
    assert (only(organization).obstacle, only(organization).rest) == (None, DUE)
    sign(untold.account, alice, iban=IBAN)
    assert only(organization).obstacle == Obstacle.NOT_ANNOUNCED


def test_b44_nothing_is_announced_twice_or_without_mandate_or_address(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    told, without, mute = issued(mandate={}), issued(), issued()
    sign(mute.account, alice)
    for invoice, why in (
        (told, "can be announced"),
        (without, "can be announced"),
        (mute, "No e-mail address"),
    ):
        with pytest.raises(Conflict, match=why):
            announcing.announce(invoice, by=alice)
    assert not DebitNotice.objects.filter(invoice__organization=organization).exists()


def test_w01_strangers_announce_nothing(untold: Invoice, organization: Organization) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        with pytest.raises(error):
            announcing.announce(untold, by=actor)
    assert not DebitNotice.objects.filter(invoice=untold).exists()
