"""What erasing a person leaves behind, and what it takes from others."""

import json
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from billing.models import DunningStep, Invoice
from billing.services import erasing
from billing.services.dunning import sending
from billing.services.retention import holds
from core import clock
from core.access import Actor
from core.models import Mail
from core.services import mails
from drivers.models import Driver, DriverInvitation
from drivers.services import invitations
from stations.models import ChargingStation, RawFrame, Transaction
from stations.services import partitions
from tests import factories
from tests.billing.conftest import charge, station
from tests.billing.documents.test_documents import made as files_of
from tests.billing.test_erasing import (
    alice,
    bill,
    desk,
    erase,
    erika,
    member,
    organization,
    pay,
    rows_with,
    search_logs,
)
from tests.factories import sessions

__all__ = ["alice", "bill", "charge", "desk", "erika", "member", "organization", "station"]
pytestmark = pytest.mark.usefixtures("committed")


def test_w29_why_a_mail_failed_does_not_keep_the_address(
    alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = f"{factories.unique('nora')}@example.org"
    nora = factories.make_driver(alice, "Nora", email=email)

    def refuse(message: EmailMessage, *_: Any, **__: Any) -> int:
        raise SMTPRecipientsRefused({message.to[0]: (550, b"5.1.1 no such mailbox")})

    monkeypatch.setattr(EmailMessage, "send", refuse)
    invitations.invite(nora, by=alice)
    mails.send_due()
    Mail.objects.filter(state="waiting").update(tries=9, next_try_at=clock.now())
    mails.send_due()
    monkeypatch.undo()
    erasing.erase(nora, by=alice)
    mails.send_due()
    search_logs()

    assert not DriverInvitation.objects.filter(driver=nora).exists()
    assert set(rows_with(email)) == set()


def test_w29_a_token_of_somebody_else_with_the_same_number_keeps_its_sessions(
    alice: Actor, station: ChargingStation
) -> None:
    """A number is one person's code and another person's card: `token_once` is by number and type."""
    paula, quentin = factories.make_driver(alice, "Paula"), factories.make_driver(alice, "Quentin")
    number = factories.unique("7").upper()
    factories.make_token(alice, number, driver=paula, type_="KeyCode")
    factories.make_token(alice, number, driver=quentin, type_="ISO14443")
    session = sessions.end(sessions.begin(station, token=number, minutes=5), 1_000)
    Transaction.objects.filter(pk=session.pk).update(driver=quentin, token_type="ISO14443")
    erasing.erase(paula, by=alice)
    search_logs()
    session.refresh_from_db()

    assert session.token_value == number


def test_w29_a_code_that_is_a_word_of_the_protocol_changes_no_messages_of_others(
    alice: Actor, station: ChargingStation
) -> None:
    ralf = factories.make_driver(alice, "Ralf")
    factories.make_token(alice, "accepted", driver=ralf, type_="KeyCode")
    partitions.maintain(clock.now())
    text = '[3,"9",{"idTagInfo":{"status":"Accepted"}}]'
    frame = RawFrame.objects.create(
        at=clock.now() - timedelta(hours=1), station=station, epoch=1, direction="out", message_id="9",
        action="Authorize", size_bytes=9, verdict="ok", text=text,
    )  # fmt: skip
    erasing.erase(ralf, by=alice)
    search_logs()

    assert json.loads(RawFrame.objects.get(pk=frame.pk).text) == json.loads(text)


@pytest.mark.parametrize("whole", [True, False])
def test_b65_b67_a_legal_hold_keeps_a_person_from_being_erased_until_it_is_lifted(
    desk: Client, erika: Driver, alice: Actor, bill: Callable[[Driver], Invoice], whole: bool
) -> None:
    invoice = bill(erika)
    other = bill(factories.make_driver(alice))
    pay(invoice, alice)
    account = None if whole else invoice.account
    hold = holds.place(erika.organization, account=account, reason="Lawsuit", by=alice)
    holds.place(erika.organization, account=other.account, reason="Another lawsuit", by=alice)
    refused = erase(desk, erika)
    erika.refresh_from_db()
    name = erika.name
    holds.lift(hold, reason="It is over", by=alice)
    done = erase(desk, erika)
    erika.refresh_from_db()

    assert (refused.status_code, erasing.HELD in refused.content.decode()) == (409, True)
    assert name.startswith("Erika Mustermann")
    assert done.status_code == 302
    assert erika.name.startswith("Erased …")


def test_w29_why_a_reminder_failed_does_not_keep_the_address(
    erika: Driver, alice: Actor, bill: Callable[[Driver], Invoice], monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice, email = bill(erika), erika.email
    files_of(invoice)
    step = DunningStep.objects.create(
        invoice=invoice, kind="reminder", taken_on=clock.now().date(), taken_at=clock.now(), days=7, fee=0,
        currency="EUR", open_amount=invoice.due, subject="Reminder", body="It is open.",
    )  # fmt: skip
    monkeypatch.setattr(sending.standing, "stopped", lambda *_: False)

    def refuse(message: EmailMessage, *_: Any, **__: Any) -> int:
        raise SMTPRecipientsRefused({message.to[0]: (550, f"5.1.1 no mailbox {email}".encode())})

    monkeypatch.setattr(EmailMessage, "send", refuse)
    sending.send_due()
    monkeypatch.undo()
    step.refresh_from_db()
    kept = step.reason
    DunningStep.objects.filter(pk=step.pk).update(reason=f"550 no mailbox {email}")
    pay(invoice, alice)
    erasing.erase(erika, by=alice)
    search_logs()
    mails.send_due()

    assert kept == "SMTPRecipientsRefused 550"
    assert set(rows_with(email)) == set()
