"""A person is forgotten, the law's documents stay, and what is open is settled first (security W-29, billing B-67)."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.core import mail
from django.db import connection
from django.test import Client

from billing.models import Cdr, Invoice, Mandate
from billing.services import drafting, erasing, issuing, parties
from billing.services.payments import debits, receiving
from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Mail, Membership, Organization, User
from core.services import mails
from drivers.models import Driver, Erasure, IdToken
from drivers.services import budgets, drivers
from stations.domain import intents
from stations.models import ChargingStation, LocalList, LocalListEntry, RawFrame, Transaction
from stations.services import commands, finding, partitions, sweeping
from stations.services.access import actor_of_member
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.documents.test_documents import made as files_of
from tests.factories import sessions

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def member(organization: Organization) -> Membership:
    return factories.make_member(organization)


@pytest.fixture
def alice(member: Membership) -> Actor:
    return actor_of_member(member)


def browser_of(user: User | None, *, proven: bool = True) -> Client:
    client = Client()
    assert user is not None
    client.force_login(user)
    if proven:
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": clock.now().timestamp()}]
        session.save()
    return client


@pytest.fixture
def desk(member: Membership) -> Client:
    return browser_of(member.user)


@pytest.fixture
def erika(alice: Actor) -> Driver:
    email = f"{factories.unique('erika')}@example.org"
    driver = factories.make_driver(
        alice, factories.unique("Erika Mustermann "), email=email, reference=factories.unique("K")
    )
    drivers.give_account(driver, User.objects.create_user(email, "x" * 12), by=alice)
    budgets.set_(driver, [("energy_wh", Decimal(900_000), "month")], by=alice)
    return driver


@pytest.fixture
def bill(charge: Charge, alice: Actor) -> Callable[[Driver], Invoice]:
    """One session of the driver on an issued invoice."""

    def made(driver: Driver) -> Invoice:
        session = charge(12_345, driver=driver)
        IdToken.objects.filter(driver=driver).update(label=f"Karte von {driver.name}")
        settle()
        account = Cdr.objects.get(transaction=session).account
        assert account is not None
        address = {"name": driver.name, "street": f"Straße von {driver.name}", "postal_code": "20457",
                   "city": "Hamburg", "country": "DE", "email": driver.email}  # fmt: skip
        parties.save_buyer(account, address, by=alice)
        debits.sign(account, iban="NL91ABNA0417164300", holder="E. M.", signed_on=date(2026, 1, 2), by=alice)
        return issuing.issue(drafting.draft(account, THIS_MONTH, by=alice)[0], by=alice)

    return made


def pay(invoice: Invoice, by: Actor) -> None:
    receiving.record(invoice, invoice.due, received_on=clock.now().date(), by=by)


def erase(desk: Client, driver: Driver, typed: str = "") -> Any:
    return desk.post(
        f"/o/{driver.organization.slug}/drivers/{driver.pk}/erase/", {"typed": typed or driver.name}
    )


def search_logs() -> None:
    """As the task does, until there is nothing left to look through."""
    with time_machine.travel(clock.now() + timedelta(days=2)):
        for _ in range(20):
            sweeping.erase_in_logs()


def rows_with(*texts: str) -> Iterator[str]:
    """Tables in which one of the texts stands somewhere, whatever the case."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        for (table,) in cursor.fetchall():
            likes = " OR ".join(["t::text ILIKE %s"] * len(texts))
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{table}" t WHERE {likes})', [f"%{one}%" for one in texts]
            )
            if cursor.fetchone()[0]:
                yield table


def test_w29_b67_a_person_is_forgotten_everywhere_but_where_the_law_says_keep(
    desk: Client, erika: Driver, alice: Actor, station: ChargingStation, bill: Callable[[Driver], Invoice]
) -> None:
    invoice, name = bill(erika), erika.name
    card = erika.tokens.get()
    finding.mark(erika, station, by=alice)
    wish = intents.ReserveNow(evse_id=1, token_value=card.value, expires_at=clock.now() + timedelta(hours=1))
    commands.issue(station, wish, by=alice)
    partitions.maintain(clock.now())
    RawFrame.objects.create(
        at=clock.now() - timedelta(days=1), station=station, epoch=1, direction="in", message_id="1",
        action="Authorize", size_bytes=9, verdict="ok", text=f'[2,"1","Authorize",{{"idTag":"{card.value.lower()}"}}]',
    )  # fmt: skip
    pay(invoice, alice)
    email, account = erika.email, erika.user
    sums = Transaction.objects.filter(driver=erika).values_list("energy_wh", "pk")
    before = list(sums)
    answer = erase(desk, erika)
    search_logs()
    mails.send_due()
    erika.refresh_from_db()
    invoice.refresh_from_db()
    erasure = Erasure.objects.get(driver=erika)
    left = set(rows_with(name, email, card.value))

    assert answer.status_code == 302
    assert (erasure.state, erasure.sealed, erasure.kept) == ("done", "", {"invoices": 1, "sessions": 1})
    assert (erika.name, erika.email, erika.user, erika.tokens.get().label) == (
        f"Erased …{str(erika.pk)[-8:]}", "", None, "",
    )  # fmt: skip
    assert erika.retired_at is not None
    assert account is not None
    assert not User.objects.filter(pk=account.pk).exists()
    assert left == {"billing_cdr", "billing_invoice"}
    assert invoice.snapshot["buyer"]["name"] == name
    assert Mandate.objects.get(account=invoice.account).state == "stopped"
    assert list(sums) == before
    assert Transaction.objects.get(driver=erika).token_value.startswith("erased-")
    frame = RawFrame.objects.get(station=station, action="Authorize")
    assert json.loads(frame.text)[3]["idTag"] == Transaction.objects.get(driver=erika).token_value
    told = next(one for one in mail.outbox if one.to == [email])
    assert "1 invoices and the records of 1 sessions" in told.body
    acts = AuditEntry.objects.filter(object_id=str(erika.pk)).values_list("action", flat=True)
    assert {"driver.erasure_asked", "driver.erasure_begun", "driver.erased"} <= set(acts)


def test_w29_erasing_again_or_twice_at_once_is_the_same(desk: Client, erika: Driver, alice: Actor) -> None:
    first = erasing.erase(erika, by=alice)
    again = erasing.erase(erika, by=alice)
    search_logs()
    search_logs()

    assert first.pk == again.pk == Erasure.objects.get(driver=erika).pk
    assert erase(desk, erika).status_code == 404
    assert AuditEntry.objects.filter(object_id=str(erika.pk), action="driver.erased").count() == 1
    assert Mail.objects.filter(about=first.pk).count() == 1


def test_b67_what_is_open_is_settled_first(
    desk: Client, erika: Driver, alice: Actor, charge: Charge, bill: Callable[[Driver], Invoice]
) -> None:
    charge(1_000, driver=erika)
    waiting = erasing.obstacles(erika)
    invoice = bill(erika)
    unpaid, refused = erasing.obstacles(erika), erase(desk, erika)
    page = desk.get(f"/o/{erika.organization.slug}/drivers/{erika.pk}/").content.decode()
    erika.refresh_from_db()
    kept = erika.name
    pay(invoice, alice)

    assert waiting == [erasing.UNSETTLED]
    assert unpaid == [erasing.OWED]
    assert (refused.status_code, "An invoice is not paid yet." in refused.content.decode()) == (409, True)
    assert "An invoice is not paid yet." in page
    assert kept.startswith("Erika Mustermann")
    assert erasing.obstacles(erika) == []


def test_w29_an_account_with_other_business_here_stays(alice: Actor, erika: Driver) -> None:
    there = factories.make_actor(factories.make_organization(demo=True))
    assert erika.user is not None
    other = drivers.give_account(factories.make_driver(there, "Erika at Bob's"), erika.user, by=there)
    erasing.erase(erika, by=alice)
    other.refresh_from_db()

    assert other.user == erika.user
    assert other.name == "Erika at Bob's"


def test_w29_who_was_ended_before_can_still_be_erased(desk: Client, erika: Driver, alice: Actor) -> None:
    drivers.retire(erika, by=alice)
    page = f"/o/{erika.organization.slug}/drivers/erasures/?ended=1"
    listed = desk.get(page).content.decode()
    erase(desk, erika)
    erika.refresh_from_db()

    assert "Erika Mustermann" in listed
    assert erika.name.startswith("Erased …")
    assert str(erika.pk) not in desk.get(page).content.decode()


def test_w29_the_name_is_typed_and_the_password_given_just_before(
    member: Membership, desk: Client, erika: Driver
) -> None:
    wrong = erase(desk, erika, "Erika")
    stale = erase(browser_of(member.user, proven=False), erika)

    assert (wrong.status_code, "Nothing was erased" in wrong.content.decode()) == (422, True)
    assert stale["Location"].startswith("/accounts/reauthenticate/")
    assert not Erasure.objects.filter(driver=erika).exists()


def test_w29_a_stranger_and_who_lacks_the_right_erase_nobody(
    organization: Organization, erika: Driver
) -> None:
    charlie = factories.make_member(factories.make_organization(demo=True))
    answers = [
        erase(browser_of(one.user), erika).status_code
        for one in (factories.make_member(organization, Role.TECHNICIAN), charlie)
    ]
    foreign = f"/o/{charlie.organization.slug}/drivers/{erika.pk}/erase/"

    assert answers == [403, 404]
    assert browser_of(charlie.user).post(foreign, {"typed": erika.name}).status_code == 404
    assert not Erasure.objects.filter(driver=erika).exists()


def test_w29_a_driver_asks_for_it_once_and_the_operator_sees_it_with_its_day(
    desk: Client, erika: Driver
) -> None:
    phone, url = browser_of(erika.user), f"/me/details/{erika.pk}/erase/"
    told = phone.get(url).content.decode()
    for _ in range(2):
        phone.post(url)
    page = f"/o/{erika.organization.slug}/drivers/"
    mails.send_due()
    listed = desk.get(f"{page}erasures/").content.decode()
    letters = [one for one in mail.outbox if one.to == [erika.email]]

    assert "as long as tax law asks" in told
    assert Erasure.objects.get(driver=erika).by_driver
    assert "Erasure requests (1)" in " ".join(desk.get(page).content.decode().split())
    assert "Erika Mustermann" in listed
    assert "it was asked to delete them" in desk.get(f"{page}{erika.pk}/").content.decode()
    assert len(letters) == 1
    assert "/me/details/" in letters[0].body


def test_w29_a_driver_takes_it_back_until_it_is_done(erika: Driver, alice: Actor) -> None:
    phone, url = browser_of(erika.user), f"/me/details/{erika.pk}/erase/"
    phone.post(url)
    phone.post(url, {"withdraw": ""})
    taken_back = Erasure.objects.get(driver=erika).state
    phone.post(url)

    assert taken_back == "withdrawn"
    assert Erasure.objects.filter(driver=erika, state="asked").count() == 1


def test_w29_asking_needs_the_password_and_only_for_oneself(erika: Driver, alice: Actor) -> None:
    other = drivers.give_account(
        factories.make_driver(alice),
        User.objects.create_user(f"{factories.unique('x')}@example.org"),
        by=alice,
    )
    url = f"/me/details/{erika.pk}/erase/"

    assert browser_of(erika.user, proven=False).post(url)["Location"].startswith("/accounts/reauthenticate/")
    assert browser_of(other.user).post(url).status_code == 404
    assert not Erasure.objects.filter(driver=erika).exists()


def test_b67_the_export_has_the_invoices_and_their_files(
    erika: Driver, alice: Actor, bill: Callable[[Driver], Invoice]
) -> None:
    invoice = bill(erika)
    made = files_of(invoice)
    answer = browser_of(erika.user).post(f"/me/details/{erika.pk}/export/")
    pieces = list(answer.streaming_content)
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(files["data.json"])
    stem = f"invoices/{invoice.number}/{invoice.number}"

    assert len(pieces) > 3
    assert files[f"{stem}.pdf"] == made["pdf"]
    assert set(files) == {
        "data.json", "sessions.csv", f"{stem}.pdf", f"{stem}-cii.xml", f"{stem}-ubl.xml",
    }  # fmt: skip
    assert data["invoices"][0]["number"] == invoice.number
    assert sorted(data["invoices"][0]["files"]) == sorted(set(files) - {"data.json", "sessions.csv"})
    assert len(data["sessions"]) == 1


def test_m07_an_erasure_that_stumbles_keeps_nobody_else_in_the_logs(
    desk: Client, erika: Driver, alice: Actor
) -> None:
    erase(desk, erika)
    Erasure.objects.filter(driver=erika).update(sealed="not to be opened")
    other = factories.make_driver(alice)
    erase(desk, other)
    search_logs()
    states = dict(Erasure.objects.filter(driver__in=[erika, other]).values_list("driver", "state"))

    assert states == {erika.pk: "running", other.pk: "done"}


def test_w29_what_a_station_tells_later_of_somebody_forgotten_gets_the_pseudonym_too(
    desk: Client, erika: Driver, alice: Actor, station: ChargingStation
) -> None:
    value = factories.make_token(alice, driver=erika).value
    erase(desk, erika)
    search_logs()
    sessions.begin(station, token=value.lower())
    stranger = actor_of_member(factories.make_member(factories.make_organization()))
    elsewhere = sessions.begin(factories.make_station(stranger)[0], token=value)
    tell_frame(station, value)
    before = set(rows_with(value))
    sweeping.tidy()
    mine = Transaction.objects.get(station=station)

    assert "stations_transaction" in before
    assert mine.token_value == erika.tokens.get().value
    assert mine.token_value.startswith("erased-")
    assert value not in RawFrame.objects.filter(station=station).latest("at").text
    elsewhere.refresh_from_db()
    assert elsewhere.token_value == value
    assert not IdToken.objects.filter(value__iexact=value).exists()


def test_w29_a_number_that_has_a_new_holder_is_theirs_and_keeps_its_name(
    desk: Client, erika: Driver, alice: Actor, station: ChargingStation
) -> None:
    value = factories.make_token(alice, driver=erika).value
    erase(desk, erika)
    search_logs()
    factories.make_token(alice, value)
    session = sessions.begin(station, token=value)
    sweeping.tidy()
    session.refresh_from_db()

    assert session.token_value == value


def tell_frame(station: ChargingStation, value: str) -> None:
    """A message that names the token, as it is written to the log."""
    RawFrame.objects.create(
        at=clock.now(), station=station, epoch=1, direction="in", message_id="9", action="StartTransaction",
        size_bytes=9, verdict="ok", text=json.dumps([2, "9", "StartTransaction", {"idTag": value}]),
    )  # fmt: skip


def test_w29_a_station_that_stays_away_for_a_month_keeps_nobody_from_being_forgotten(
    desk: Client, erika: Driver, alice: Actor, station: ChargingStation
) -> None:
    value = factories.make_token(alice, driver=erika).value
    held = LocalList.objects.create(station=station, automatic=True)
    LocalListEntry.objects.create(local_list=held, value=value, type="ISO14443", status="accepted")
    erase(desk, erika)
    search_logs()
    meanwhile = Erasure.objects.get(driver=erika).state
    with time_machine.travel(clock.now() + timedelta(days=31)):
        for _ in range(20):
            sweeping.erase_in_logs()
    held.refresh_from_db()

    assert (meanwhile, Erasure.objects.get(driver=erika).state) == ("running", "done")
    assert not held.certain
    assert not LocalListEntry.objects.filter(value=value).exists()
