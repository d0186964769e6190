"""What keeps documents beyond their term, and files that follow them (billing B-65)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.files.storage import FileSystemStorage, storages
from django.db import DatabaseError
from django.db.transaction import atomic

from billing.models import (
    DebitFile,
    DebitItem,
    ExpiredFile,
    Invoice,
    InvoiceDocument,
    Journal,
    Payment,
    Refund,
)
from billing.services import documents
from billing.services.payments import debits, receiving, refunding
from core.access import Actor
from core.models import Organization
from tests import factories
from tests.billing.expiring import LONG_AGO, NOW, WHY, Old, drop, expire, left, old, station
from tests.billing.pages import alice, member, organization

__all__ = ["alice", "member", "old", "organization", "station"]
pytestmark = pytest.mark.usefixtures("committed")


def debited(*invoices: Invoice, by: Actor) -> DebitFile:
    """A file for the bank that was collected."""
    first = invoices[0]
    file = DebitFile.objects.create(
        organization=first.organization, message_id=factories.unique("M"), collect_on=LONG_AGO.date(), total=1,
        state="collected", sealed_content="sealed", digest="0" * 64, made_at=LONG_AGO, made_by="Alice",
    )  # fmt: skip
    for invoice in invoices:
        mandate = debits.sign(
            invoice.account, iban="NL91ABNA0417164300", holder="E. M.", signed_on=LONG_AGO.date(), by=by
        )
        DebitItem.objects.create(
            file=file, invoice=invoice, mandate=mandate, amount=1, sequence="RCUR",
            end_to_end_id=factories.unique("E"), open=False,
        )  # fmt: skip
    return file


def test_b65_a_payment_that_is_not_used_up_stays_until_it_has_gone_back(
    old: Old, organization: Organization, alice: Actor
) -> None:
    invoice = old(paid=False)
    with time_machine.travel(LONG_AGO, tick=False):
        payment = receiving.record(invoice, Decimal(10), received_on=LONG_AGO.date(), by=alice)
    expire()
    kept = left(invoice), Payment.objects.filter(pk=payment.pk).exists()
    with pytest.raises(DatabaseError, match="must be kept"), atomic():
        drop(invoice)
    with time_machine.travel(LONG_AGO, tick=False):
        refunding.refund(payment, Decimal("2.65"), reason=WHY, by=alice)
    expire(NOW + timedelta(days=1))

    assert kept == (True, True)
    assert (left(invoice), Payment.objects.filter(pk=payment.pk).exists()) == (False, False)
    assert not Journal.objects.filter(organization=organization).exists()


def test_b65_a_refund_and_what_it_posted_stay_for_their_own_term(
    old: Old, organization: Organization, alice: Actor
) -> None:
    invoice = old(paid=False)
    with time_machine.travel(LONG_AGO, tick=False):
        payment = receiving.record(invoice, Decimal(10), received_on=LONG_AGO.date(), by=alice)
    with time_machine.travel(datetime(2018, 1, 1, tzinfo=UTC), tick=False):
        refund = refunding.refund(payment, Decimal("2.65"), reason=WHY, by=alice)
    expire()
    kept = left(invoice), Refund.objects.filter(pk=refund.pk).exists()
    with pytest.raises(DatabaseError, match="must be kept"), atomic():
        drop(invoice)
    expire(datetime(2029, 1, 1, 12, tzinfo=UTC))

    assert kept == (True, True)
    assert (left(invoice), Refund.objects.filter(pk=refund.pk).exists()) == (False, False)


def test_b65_what_the_bank_took_back_later_stays_for_the_term_of_that_posting(
    old: Old, organization: Organization, alice: Actor
) -> None:
    invoice = old()
    payment = Payment.objects.get(organization=organization)
    with time_machine.travel(datetime(2018, 1, 1, tzinfo=UTC), tick=False):
        receiving.take_back(payment, reason="No funds", by=alice)
    invoice.refresh_from_db()
    with time_machine.travel(LONG_AGO, tick=False):
        receiving.record(invoice, Decimal("7.35"), received_on=LONG_AGO.date(), by=alice)
    expire()
    with pytest.raises(DatabaseError, match="must be kept"), atomic():
        drop(invoice)

    assert left(invoice)
    assert Journal.objects.filter(payment_posting__payment=payment).count() == 2


def test_b65_a_file_for_the_bank_goes_with_the_last_of_its_debits(
    old: Old, organization: Organization, alice: Actor
) -> None:
    first, second = old(paid=False), old(paid=False)
    with time_machine.travel(LONG_AGO, tick=False):
        file = debited(first, second, by=alice)
        receiving.record(first, Decimal("7.35"), received_on=LONG_AGO.date(), by=alice)
    expire()
    kept = left(first), DebitFile.objects.filter(pk=file.pk).exists()
    with time_machine.travel(LONG_AGO, tick=False):
        receiving.record(second, Decimal("7.35"), received_on=LONG_AGO.date(), by=alice)
    expire(NOW + timedelta(days=1))

    assert kept == (False, True)
    assert not left(second)
    assert not DebitFile.objects.filter(pk=file.pk).exists()


def test_b65_files_go_after_the_commit_and_one_that_stays_holds_up_no_other(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = old(), old()
    documents.make_due()
    names = list(InvoiceDocument.objects.filter(invoice__in=[first, second]).values_list("file", flat=True))
    stuck, delete = names[0], FileSystemStorage.delete

    def refuses(self: FileSystemStorage, name: str) -> None:
        assert not InvoiceDocument.objects.filter(file=name).exists()
        if name == stuck:
            raise OSError("The store does not answer")
        delete(self, name)

    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "delete", refuses)
        expire()
    there = [name for name in names if storages["documents"].exists(name)]
    waiting = list(ExpiredFile.objects.values_list("name", flat=True))
    expire(NOW + timedelta(hours=2))

    assert (left(first), left(second)) == (False, False)
    assert there == waiting == [stuck]
    assert not storages["documents"].exists(stuck)
    assert not ExpiredFile.objects.exists()


def test_b29_b65_a_kill_before_the_files_are_gone_leaves_their_names_to_the_next_pass(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = old()
    documents.make_due()
    names = list(InvoiceDocument.objects.filter(invoice=invoice).values_list("file", flat=True))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            expire()
    known = set(ExpiredFile.objects.values_list("name", flat=True))
    expire()

    assert not left(invoice)
    assert known == set(names)
    assert not any(storages["documents"].exists(name) for name in names)
