"""Two rows for one person become one, by page and REST (dashboard 4.11); refused where money would be torn apart."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from billing.models import Buyer, DocumentType, Invoice, InvoiceKind, Outcome, Settlement, Wallet
from billing.services import accounts, merging, parties
from billing.services.payments import debits, wallets
from billing.services.retention import holds
from core import clock
from core.access import Actor, Role
from core.errors import NotFound
from core.models import AuditEntry, Organization
from drivers.models import Driver, IdToken
from drivers.services import budgets, drivers, erasing
from stations.domain.events import TokenShown
from stations.domain.station import StationRef
from stations.models import (
    AuthorizationAnswer,
    ChargingStation,
    Favourite,
    Reservation,
    TariffAssignment,
    Transaction,
)
from stations.services import (
    access,
    authorization,
    reservation_costs,
    site_permissions,
    sites,
    tariff_assignments,
)
from tests import factories
from tests.stations.ocpp.charging import priced

Merge = Callable[..., HttpResponse]


@pytest.fixture
def kept(actor: Actor) -> Driver:
    return factories.make_driver(actor, "Frida Abend", email="frida@example.org")


@pytest.fixture
def twin(actor: Actor) -> Driver:
    group = drivers.create_group(name="Staff", by=actor)
    return factories.make_driver(actor, "F. Abend", email="f@example.org", reference="K-7", group=group)


@pytest.fixture
def token(actor: Actor, twin: Driver) -> IdToken:
    return factories.make_token(actor, "04AABB", driver=twin)


@pytest.fixture
def session(
    organization: Organization, station: ChargingStation, twin: Driver, token: IdToken
) -> Transaction:
    now = clock.now()
    made = Transaction.objects.create(
        organization=organization, site=station.site, station=station, reference="4711", driver=twin,
        token=token, token_value=token.value, started_at=now - timedelta(hours=2), ended_at=now,
        last_event_at=now, status="ended",
    )  # fmt: skip
    Settlement.objects.create(transaction=made, outcome=Outcome.NOT_BILLABLE, reason="staff", due_at=now)
    return made


@pytest.fixture
def merge(browser: Client, home: str, kept: Driver, twin: Driver) -> Merge:
    def send(client: Client = browser, typed: str = "F. Abend") -> Any:
        return client.post(f"{home}drivers/{kept.pk}/merge/", {"duplicate": str(twin.pk), "typed": typed})

    return send


def invoice_of(driver: Driver) -> Invoice:
    return Invoice.objects.create(
        organization=driver.organization, account=accounts.of_driver(driver), kind=InvoiceKind.COLLECTIVE,
        document_type=DocumentType.INVOICE, period="2026-10", currency="EUR", basis="gross",
    )  # fmt: skip


def test_what_the_duplicate_has_becomes_the_kept_drivers(
    browser: Client, home: str, actor: Actor, kept: Driver, twin: Driver, token: IdToken, session: Transaction,
    station: ChargingStation, merge: Merge,
) -> None:  # fmt: skip
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    authorization.for_authorize(side, TokenShown(value=token.value))
    Favourite.objects.create(driver=twin, station=station)
    budgets.set_(kept, [("energy_wh", Decimal(1000), "day")], by=actor)
    budgets.set_(twin, [("energy_wh", Decimal(9000), "day"), ("duration_s", Decimal(60), "day")], by=actor)
    looked = browser.get(f"{home}drivers/{kept.pk}/merge/?duplicate={twin.pk}").content.decode()
    answer = merge()

    assert "1 token" in looked
    assert "1 session" in looked
    assert (answer.status_code, answer["Location"]) == (302, f"{home}drivers/{kept.pk}/")
    for row in (token, session, kept, twin):
        row.refresh_from_db()
    assert token.driver == session.driver == kept
    assert AuthorizationAnswer.objects.get(token=token).driver == kept
    assert Favourite.objects.get().driver == kept
    assert {(one.kind, one.limit) for one in kept.budgets.all()} == {
        ("energy_wh", Decimal(1000)), ("duration_s", Decimal(60)),
    }  # fmt: skip
    assert (kept.email, kept.reference, kept.group and kept.group.name) == (
        "frida@example.org", "K-7", "Staff",
    )  # fmt: skip
    assert twin.retired_at is not None
    assert (twin.email, twin.reference, "Abend" in twin.name) == ("", "", False)
    assert browser.get(f"{home}drivers/{twin.pk}/").status_code == 404


def test_a_merge_is_told_in_the_audit_without_names(
    organization: Organization, kept: Driver, twin: Driver, token: IdToken, session: Transaction, merge: Merge
) -> None:
    merge()
    entries = AuditEntry.objects.filter(organization=organization)
    merged = entries.get(action="driver.merged")

    assert merged.object_id == str(kept.pk)
    assert merged.changes["duplicate"] == [str(twin.pk), None]
    assert (merged.changes["tokens"], merged.changes["sessions"]) == ([None, 1], [None, 1])
    assert entries.get(action="driver.retired").changes == {"into": [None, str(kept.pk)]}
    assert entries.filter(action="token.changed", object_id=str(token.pk), reason="merged").exists()
    told = " ".join(str(one.changes) for one in entries.exclude(action="seller.changed"))
    assert "Abend" not in told
    assert "f@example.org" not in told


def test_merging_twice_finds_no_duplicate_any_more(
    merge: Merge, kept: Driver, twin: Driver, actor: Actor
) -> None:
    assert [merge().status_code, merge().status_code] == [302, 404]
    with pytest.raises(NotFound):
        merging.merge(kept, twin, by=actor)


def test_the_account_to_sign_in_moves(kept: Driver, twin: Driver, alice, actor: Actor, merge: Merge) -> None:
    drivers.give_account(twin, alice.user, by=actor)
    merge()
    kept.refresh_from_db()

    assert kept.user == alice.user


def test_a_payers_account_moves_with_its_invoices_where_the_kept_driver_has_none(
    kept: Driver, twin: Driver, actor: Actor, merge: Merge
) -> None:
    invoice = invoice_of(twin)
    wallets.open_(invoice.account, by=actor)
    answer = merge()
    invoice.account.refresh_from_db()

    assert answer.status_code == 302
    assert invoice.account.driver == kept


def test_an_empty_payers_account_beside_another_is_closed(
    kept: Driver, twin: Driver, actor: Actor, merge: Merge
) -> None:
    mine, other = accounts.of_driver(kept), accounts.of_driver(twin)
    wallets.open_(other, by=actor)
    assert merge().status_code == 302
    other.refresh_from_db()

    assert (accounts.of_driver(kept), "Abend" in other.name) == (mine, False)


def block_money(kind: str, driver: Driver, actor: Actor) -> None:
    account, today = accounts.of_driver(driver), clock.now().date()
    if kind == "invoice":
        invoice_of(driver)
    elif kind == "wallet":
        wallet = wallets.open_(account, by=actor)
        Wallet.objects.filter(pk=wallet.pk).update(reserved=0, credit_limit=10, balance=-1)
    else:
        debits.sign(account, iban="DE89370400440532013000", holder="F", signed_on=today, by=actor)


@pytest.mark.parametrize("kind", ["invoice", "wallet", "mandate"])
def test_documents_and_money_beside_another_account_are_not_torn_apart(
    browser: Client,
    home: str,
    kept: Driver,
    twin: Driver,
    token: IdToken,
    actor: Actor,
    merge: Merge,
    kind: str,
) -> None:
    accounts.of_driver(kept)
    block_money(kind, twin, actor)
    looked = browser.get(f"{home}drivers/{kept.pk}/merge/?duplicate={twin.pk}").content.decode()
    answer = merge()
    token.refresh_from_db()

    assert "records or money" in looked
    assert 'name="typed"' not in looked
    assert answer.status_code == 409
    assert token.driver == twin


def test_what_is_under_way_or_cannot_be_decided_is_settled_first(
    kept: Driver, twin: Driver, session: Transaction, organization: Organization, actor: Actor, merge: Merge,
    alice,
) -> None:  # fmt: skip
    Transaction.objects.filter(pk=session.pk).update(status="active")
    running = merging.look(kept, twin).obstacles
    Transaction.objects.filter(pk=session.pk).update(status="ended")
    Settlement.objects.filter(pk=session.pk).update(outcome=Outcome.WAITING, reason="")
    waiting = merging.look(kept, twin).obstacles
    Settlement.objects.filter(pk=session.pk).update(outcome=Outcome.NOT_BILLABLE, reason="staff")
    request = erasing.ask(twin, by=actor)
    asked = merging.look(kept, twin).obstacles
    refused = merge()
    request.delete()
    drivers.give_account(twin, alice.user, by=actor)
    drivers.give_account(kept, factories.make_member(organization, name="eve").user, by=actor)
    both = merging.look(kept, twin).obstacles

    assert (running, waiting) == ((merging.CHARGING,), (merging.UNSETTLED,))
    assert (asked, both) == ((merging.FORGOTTEN,), (merging.ACCOUNTS,))
    assert refused.status_code == 409


@pytest.mark.parametrize("whose", ["kept", "twin"])
def test_a_block_of_either_holds(kept: Driver, twin: Driver, actor: Actor, merge: Merge, whose: str) -> None:
    blocked, end = {"kept": kept, "twin": twin}[whose], clock.now() + timedelta(days=1)
    drivers.block(blocked, reason="Unpaid", until=end, by=actor)
    merge()
    kept.refresh_from_db()

    assert (kept.blocked, kept.blocked_reason, kept.blocked_until) == (True, "Unpaid", end)


def test_a_contract_tariff_of_the_duplicate_holds_for_the_kept_driver(
    browser: Client, home: str, organization: Organization, kept: Driver, twin: Driver, actor: Actor,
    merge: Merge,
) -> None:  # fmt: skip
    contract = priced(actor, place=twin).tariff
    looked = browser.get(f"{home}drivers/{kept.pk}/merge/?duplicate={twin.pk}").content.decode()
    merge()
    [held] = TariffAssignment.objects.current().filter(tariff=contract)
    entry = AuditEntry.objects.filter(organization=organization, action="tariff.assigned").latest("id")

    assert "1 contract tariff that" in looked
    assert held.driver == kept
    assert (entry.changes["driver"], "Abend" in entry.object_label) == (
        [twin.audit_label, kept.audit_label], False,
    )  # fmt: skip


def test_two_contract_tariffs_for_the_same_are_an_obstacle_and_one_for_both_is_not(
    kept: Driver, twin: Driver, actor: Actor, merge: Merge
) -> None:
    priced(actor, place=kept)
    common = priced(actor, place=twin).tariff
    refused, obstacles = merge(), merging.look(kept, twin).obstacles
    tariff_assignments.assign(common, place=kept, by=actor)
    done = merge()

    assert (refused.status_code, obstacles) == (409, (merging.TARIFFS,))
    assert done.status_code == 302
    assert [one.driver for one in TariffAssignment.objects.current()] == [kept]


def test_the_sites_of_both_are_the_kept_drivers_where_both_are_limited(
    kept: Driver, twin: Driver, actor: Actor, merge: Merge
) -> None:
    here, there = (sites.create({"name": name, "time_zone": "UTC"}, by=actor) for name in ("Here", "There"))
    site_permissions.limit(kept, [here], by=actor)
    site_permissions.limit(twin, [here, there], by=actor)
    looked = merging.look(kept, twin)
    merge()

    assert (looked.sites, looked.limit_ends) == (1, False)
    assert site_permissions.sites_of(kept) == [here, there]


def test_a_limit_to_sites_that_ends_is_told_before(
    browser: Client, home: str, kept: Driver, twin: Driver, actor: Actor, merge: Merge
) -> None:
    site_permissions.limit(twin, [sites.create({"name": "Here", "time_zone": "UTC"}, by=actor)], by=actor)
    looked = browser.get(f"{home}drivers/{kept.pk}/merge/?duplicate={twin.pk}").content.decode()
    merge()

    assert "This limit ends" in looked
    assert site_permissions.sites_of(kept) == []


@pytest.mark.parametrize("whose", ["kept", "twin"])
def test_staff_and_who_pays_are_not_merged(
    kept: Driver, twin: Driver, actor: Actor, merge: Merge, whose: str
) -> None:
    for one, name in ((kept, "kept"), (twin, "twin")):
        parties.save_buyer(accounts.of_driver(one), {"staff": name == whose}, by=actor)
    obstacles, refused = merging.look(kept, twin).obstacles, merge()
    parties.save_buyer(accounts.of_driver(kept), {"staff": True}, by=actor)
    parties.save_buyer(accounts.of_driver(twin), {"staff": True}, by=actor)

    assert obstacles == (merging.STAFF,)
    assert refused.status_code == 409
    assert merge().status_code == 302
    assert Buyer.objects.get(account__driver=kept).staff


def test_a_legal_hold_on_the_duplicates_account_is_lifted_first(
    organization: Organization, kept: Driver, twin: Driver, actor: Actor, merge: Merge
) -> None:
    hold = holds.place(organization, account=accounts.of_driver(twin), reason="A lawsuit.", by=actor)
    obstacles, refused = merging.look(kept, twin).obstacles, merge()
    holds.lift(hold, reason="It is over.", by=actor)

    assert obstacles == (merging.HELD,)
    assert refused.status_code == 409
    assert merge().status_code == 302


def test_a_reservation_that_waits_for_its_price_is_settled_first(
    station: ChargingStation, kept: Driver, twin: Driver, token: IdToken, actor: Actor
) -> None:
    priced(actor)
    now = clock.now()
    reservation = Reservation.objects.create(
        station=station, number=7, token=token, token_value=token.value, token_type=token.type,
        status="expired", expires_at=now, ended_at=now, created_at=now, created_by="Alice",
    )  # fmt: skip
    reservation_costs.freeze(reservation, at=now)
    waiting = merging.look(kept, twin).obstacles
    reservation_costs.sweep(now + timedelta(days=2))

    assert waiting == (merging.UNSETTLED,)
    assert merging.look(kept, twin).obstacles == ()


def test_a_wrong_name_merges_nothing(merge: Merge, kept: Driver, twin: Driver, token: IdToken) -> None:
    assert merge(typed="Frida Abend").status_code == 422
    token.refresh_from_db()
    assert token.driver == twin


def test_likely_duplicates_are_found_by_name_and_address(
    browser: Client, home: str, kept: Driver, twin: Driver, actor: Actor
) -> None:
    factories.make_driver(actor, "Emil", email="Frida@example.org")
    factories.make_driver(factories.make_actor(factories.make_organization()), "Frida Abend")
    address = f"{home}drivers/{kept.pk}/merge/"
    page, found = (browser.get(address + query).content.decode() for query in ("", "?q=k-7"))

    assert "Emil" in page
    assert "F. Abend" not in page
    assert page.count("?duplicate=") == 1
    assert "F. Abend" in found


def test_strangers_and_who_may_not_merge_nothing(
    organization: Organization, viewer: Client, charlie: Client, browser_of, actor: Actor, home: str,
    kept: Driver, twin: Driver, merge: Merge,
) -> None:  # fmt: skip
    sites.create({"name": "Harbour", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Harbour"], by=actor)
    people = (viewer, charlie, browser_of(dan))

    assert [merge(one).status_code for one in people] == [403, 404, 403]
    assert [one.get(f"{home}drivers/{kept.pk}/merge/").status_code for one in people] == [403, 404, 403]
    twin.refresh_from_db()
    assert twin.retired_at is None


def test_a_driver_of_others_is_no_duplicate(browser: Client, home: str, kept: Driver) -> None:
    other = factories.make_driver(factories.make_actor(factories.make_organization()), "Frida")
    address = f"{home}drivers/{kept.pk}/merge/"

    assert browser.get(f"{address}?duplicate={other.pk}").status_code == 404
    assert browser.post(address, {"duplicate": str(other.pk), "typed": "Frida"}).status_code == 404
    other.refresh_from_db()
    assert other.retired_at is None
