"""A session that a restart of its station cut in two becomes one record (billing B-06, B-01, B-12)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.transaction import atomic
from django.test import Client
from rest_framework.test import APIClient

from billing.models import (
    BillingException,
    Cause,
    Cdr,
    Decision,
    Hold,
    Outcome,
    Payment,
    Settlement,
    SitePolicy,
)
from billing.services import (
    accounts,
    drafting,
    exceptions,
    home_agreements,
    issuing,
    joining,
    late_data,
    reconciling,
)
from billing.services.home_agreements import Terms
from billing.services.payments import holds, wallets
from billing.services.suppliers import Supply
from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from drivers.models import Driver
from stations.models import ChargingStation, FrozenTariff, SessionCost, Transaction
from stations.services import spending, stations
from tests import factories
from tests.billing.conftest import THIS_MONTH, settle
from tests.billing.pages import browser_of
from tests.factories import sessions
from tests.portal.api.conftest import client_with
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

pytestmark = pytest.mark.usefixtures("committed")
Half = Callable[..., Transaction]
GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de"}


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice)


@pytest.fixture
def half(station: ChargingStation, driver: Driver, alice: Actor) -> Half:
    """A part of the driver's charge, from so many minutes ago to so many, from one register to another."""
    token = factories.make_token(alice, driver=driver)

    def made(minutes: int, until: int, wh: int, to: int, **options: Any) -> Transaction:
        begun = sessions.begin(
            options.get("station", station), token=options.get("token", token.value), minutes=minutes, wh=wh,
            evse_id=options.get("evse_id", 1),
        )  # fmt: skip
        return sessions.end(begun, to, minutes_ago=until)

    return made


def lose_end(session: Transaction) -> None:
    """The restart lost the register of its end."""
    Transaction.objects.filter(pk=session.pk).update(
        meter_last_wh=None, meter_last_at=None, meter_stop_exact=False, energy_wh=None
    )


@pytest.fixture
def both(half: Half) -> tuple[Transaction, Transaction]:
    """4 kWh whose end was lost, and 8.345 kWh after a restart of four minutes, which was sealed."""
    first, later = half(60, 40, 1000, 5000), half(36, 10, 5000, 13_345)
    lose_end(first)
    settle()
    return first, later


def doubt_of(session: Transaction) -> BillingException:
    return BillingException.objects.open().get(transaction=session)


def record_of(session: Transaction) -> Cdr:
    return Cdr.objects.get(transaction=session, credit=False, credited_by=None)


def outcome(session: Transaction) -> tuple[str, str, Any]:
    settlement = Settlement.objects.get(pk=session.pk)
    return settlement.outcome, settlement.reason, settlement.merged_into_id


def merge(first: Transaction, later: Transaction, by: Actor) -> joining.Joined:
    return joining.merge(doubt_of(first), later, by=by, reason="restarted by hand")


def test_b06_both_halves_are_one_record_from_the_first_start_to_the_last_end(
    both: tuple[Transaction, Transaction], alice: Actor
) -> None:
    first, later = both
    assert (doubt_of(first).cause, record_of(later).payable_incl_vat) == (
        Cause.NO_END_READING,
        Decimal("4.97"),
    )
    old = record_of(later)
    merge(first, later, alice)

    record = record_of(first)
    assert (record.started_at, record.ended_at) == (first.started_at, later.ended_at)
    assert (record.meter_start_wh, record.meter_end_wh) == (1000, 13_345)
    assert (record.energy_kwh, record.payable_incl_vat) == (Decimal("12.345"), Decimal("7.35"))
    assert [one["transaction"] for one in record.content["halves"]] == [str(first.pk), str(later.pk)]
    assert (outcome(first), outcome(later)) == (
        (Outcome.SEALED, "", None),
        (Outcome.NOT_BILLABLE, "merged", first.pk),
    )
    assert Cdr.objects.get(credit_reference=old).payable_incl_vat == -Decimal("4.97")
    assert not Cdr.objects.filter(transaction=later, credit=False, credited_by=None).exists()
    assert not BillingException.objects.open().filter(transaction__in=both).exists()
    entry = AuditEntry.objects.get(action="billing_exception.resolved", organization_id=alice.home)
    assert (entry.reason, entry.changes["first"], entry.changes["later"]) == (
        "restarted by hand",
        [None, str(first.pk)],
        [None, str(later.pk)],
    )


def test_b12_both_halves_are_accounted_for(
    both: tuple[Transaction, Transaction], organization: Organization, alice: Actor
) -> None:
    now = clock.now()
    span = (now - timedelta(days=1), now + timedelta(days=1))
    merge(*both, alice)
    found = reconciling.reconcile(organization, *span, by=alice)

    assert found.ended == 2 == sum(found.counts.values())
    assert (found.counts["unbilled"], found.counts["not_billable"]) == (1, 1)
    assert found.differences == []


def test_b06_merged_again_nothing_changes_and_with_another_it_is_refused(
    both: tuple[Transaction, Transaction], half: Half, alice: Actor
) -> None:
    first, later = both
    exception = doubt_of(first)
    merge(first, later, alice)
    before = Cdr.objects.filter(transaction__in=both).count()
    again = joining.merge(exception, later, by=alice, reason="once more")

    assert (again.first.pk, again.later.pk) == (first.pk, later.pk)
    assert Cdr.objects.filter(transaction__in=both).count() == before
    assert BillingException.objects.get(pk=exception.pk).reason == "restarted by hand"
    other = half(9, 5, 13_345, 14_000)
    settle()
    with pytest.raises(Conflict, match="decided already"):
        joining.merge(exception, other, by=alice, reason="that too")


def test_b06_the_later_half_that_waits_is_merged_into_the_first_that_was_sealed(
    half: Half, station: ChargingStation, alice: Actor
) -> None:
    first, later = half(60, 40, 1000, 5000), half(36, 10, 5000, 13_345)
    Transaction.objects.filter(pk=later.pk).update(flags=["clock_implausible"])
    settle()
    old = record_of(first)
    joining.merge(doubt_of(later), first, by=alice, reason="one car")

    assert outcome(later) == (Outcome.NOT_BILLABLE, "merged", first.pk)
    assert doubt_of(first).cause == Cause.CLOCK_JUMP, "a doubt of either is one of both"
    exceptions.resolve(doubt_of(first), Decision.ACCEPTED, by=alice, reason="the clock was mended")
    record = record_of(first)
    assert (record.payable_incl_vat, record.replaces) == (Decimal("7.35"), old)


def test_b06_three_parts_are_one_record(
    both: tuple[Transaction, Transaction], half: Half, alice: Actor
) -> None:
    first, later = both
    third = half(8, 2, 13_400, 15_400)
    Transaction.objects.filter(pk=third.pk).update(flags=["clock_implausible"])
    settle()
    merge(first, later, alice)
    joined = joining.merge(doubt_of(third), first, by=alice, reason="again")

    assert (joined.between_wh, joined.energy_kwh) == (55, Decimal("14.4"))
    exceptions.resolve(doubt_of(first), Decision.ACCEPTED, by=alice, reason="seen")
    assert [one["session"] for one in record_of(first).content["halves"]] == [
        first.reference, later.reference, third.reference,
    ]  # fmt: skip


def test_b08_what_arrives_late_of_the_later_half_is_told_of_the_record_of_both(
    both: tuple[Transaction, Transaction], alice: Actor
) -> None:
    first, later = both
    merge(first, later, alice)
    with atomic():
        assert late_data.look([first.pk, later.pk]) == 0
    Transaction.objects.filter(pk=later.pk).update(meter_last_wh=Decimal(15_345))
    with atomic():
        assert late_data.look([later.pk]) == 1
    doubt = doubt_of(first)

    assert (doubt.cause, doubt.difference) == (Cause.LATE_DATA, Decimal("1.19"))
    exceptions.resolve(doubt, Decision.CORRECTED, by=alice, reason="late", consent="by phone")
    assert (record_of(first).meter_end_wh, record_of(first).payable_incl_vat) == (15_345, Decimal("8.54"))


def test_the_time_of_the_restart_is_not_charged_for(
    half: Half, station: ChargingStation, alice: Actor
) -> None:
    priced(alice, element(component("ENERGY", "0.00"), component("TIME", "60.00")), place=station)
    first, later = half(60, 40, 1000, 5000), half(30, 10, 5000, 13_000)
    for one, minutes in ((first, 60), (later, 30)):
        sessions.say(one, "Charging", minutes_ago=minutes)
    Transaction.objects.filter(pk=first.pk).update(flags=["clock_implausible"])
    settle()
    assert joining.look(doubt_of(first), later, by=alice).cost.incl_vat == 40, "of fifty minutes"


def test_b50_one_of_two_reservations_is_settled_and_the_other_free(
    half: Half, driver: Driver, alice: Actor
) -> None:
    wallets.allow(wallets.open_(accounts.of_driver(driver), by=alice), Decimal(30), by=alice)
    first, later = half(60, 40, 1000, 5000), half(36, 10, 5000, 13_345)
    for one in (first, later):
        wallets.reserve(one)
    lose_end(first)
    settle()
    merge(first, later, alice)
    wallets.watch()

    kept = {one.pk: one.wallet_reservation for one in Transaction.objects.filter(pk__in=[first.pk, later.pk])}
    assert (kept[first.pk].amount, kept[later.pk].amount) == (Decimal("7.35"), 0)
    assert kept[later.pk].released_at is not None
    assert kept[first.pk].wallet.reserved == Decimal("7.35")


def test_a_budget_counts_both_halves_once(both: tuple[Transaction, Transaction], alice: Actor) -> None:
    merge(*both, alice)
    counted = spending._cost_of(Transaction.objects.filter(pk__in=[one.pk for one in both]), "EUR")
    assert counted == Decimal("7.35")


def unfit(name: str, first: Transaction, later: Transaction, station: ChargingStation, alice: Actor) -> None:
    """What keeps the two from being one."""
    session = Transaction.objects.filter(pk=later.pk)
    if name == "outlet":
        session.update(evse=stations.add_evse(station, 7))
    elif name == "card":
        session.update(token_value="04FFFFFF")
    elif name == "driver":
        session.update(driver=factories.make_driver(alice))
    elif name == "overlap":
        session.update(started_at=first.ended_at - timedelta(seconds=1))
    elif name == "gap":
        session.update(started_at=first.ended_at + timedelta(minutes=30, seconds=1))
    elif name == "register":
        session.update(meter_start_wh=Decimal(0))
    elif name == "between":
        sessions.end(sessions.begin(station, minutes=38, wh=5000), 5000, minutes_ago=37)
    elif name in ("currency", "basis", "document"):
        changed = {"currency": "SEK", "basis": "net", "document": "{}"}[name]
        FrozenTariff.objects.filter(pk=later.pk).update(**{name: changed})
    elif name == "by hand":
        SessionCost.objects.filter(pk=first.pk).update(
            decision="amount", reason="x", decided_by="x", decided_at=clock.now()
        )
    else:
        Settlement.objects.filter(pk=later.pk).update(**{
            "waived": {"outcome": "waived", "reason": "waived"},
            "settling": {"outcome": "waiting", "due_at": clock.now() + timedelta(minutes=1)},
        }[name])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("outlet", "same outlet"),
        ("card", "same card"),
        ("driver", "same card"),
        ("overlap", "overlap"),
        ("gap", "30 minutes"),
        ("between", "Another session"),
        ("register", "register does not go on"),
        ("currency", "same prices from beginning to end"),
        ("basis", "same prices from beginning to end"),
        ("document", "same prices from beginning to end"),
        ("by hand", "set by a person"),
        ("waived", "decided already"),
        ("settling", "may still get readings"),
    ],
)
def test_b06_what_is_no_half_of_it_is_refused(
    half: Half, station: ChargingStation, alice: Actor, name: str, why: str
) -> None:
    first, later = half(60, 40, 1000, 5000), half(36, 10, 5000, 13_345)
    for one in (first, later):
        Transaction.objects.filter(pk=one.pk).update(flags=["clock_implausible"])
    settle()
    unfit(name, first, later, station, alice)
    before = outcome(first), outcome(later)
    with pytest.raises(Conflict, match=why):
        joining.look(doubt_of(first), later, by=alice)
    with pytest.raises(Conflict, match=why):
        merge(first, later, alice)

    assert (outcome(first), outcome(later)) == before
    assert doubt_of(first).decision == ""
    assert not Cdr.objects.filter(transaction__in=[first, later]).exists()


def test_b06_itself_a_running_one_and_one_that_is_on_an_invoice_are_refused(
    both: tuple[Transaction, Transaction], station: ChargingStation, half: Half, alice: Actor
) -> None:
    first, later = both
    with pytest.raises(Conflict, match="Choose the other half"):
        merge(first, first, alice)
    running = sessions.begin(station, token=first.token_value, minutes=5, wh=13_345)
    with pytest.raises(Conflict, match="not ended yet"):
        merge(first, running, alice)
    with pytest.raises(Invalid, match="Say why"):
        joining.merge(doubt_of(first), later, by=alice, reason=" ")
    with pytest.raises(Invalid, match="which session"):
        exceptions.resolve(doubt_of(first), Decision.MERGED, by=alice, reason="x")
    account = record_of(later).account
    assert account is not None
    issuing.issue(drafting.draft(account, THIS_MONTH, by=alice)[0], by=alice)
    with pytest.raises(Conflict, match="on an invoice already"):
        merge(first, later, alice)


def test_b06_where_each_half_counts_by_itself_they_are_not_merged(
    both: tuple[Transaction, Transaction], station: ChargingStation, driver: Driver, site: Any, alice: Actor
) -> None:
    first, later = both
    Transaction.objects.filter(pk__in=[first.pk, later.pk]).update(site=site)
    SitePolicy.objects.create(site=site, rule="required")
    with pytest.raises(Conflict, match="signed values"):
        merge(first, later, alice)
    SitePolicy.objects.filter(site=site).update(rule="recorded")
    terms = Terms(
        rate_per_kwh=Decimal("0.30"), currency="EUR", valid_from=clock.now().date() - timedelta(days=9),
        meter_serial="M-1",
    )  # fmt: skip
    home_agreements.agree(driver, station, terms, supply=Supply(tax="none"), by=alice)
    with pytest.raises(Conflict, match="at home"):
        merge(first, later, alice)


def test_the_database_refuses_a_merged_session_that_does_not_say_into_what(
    both: tuple[Transaction, Transaction],
) -> None:
    first, later = both
    for values in ({"outcome": "not_billable", "reason": "merged"}, {"merged_into": first.pk}):
        with pytest.raises(DatabaseError, match="settlement_merged"), atomic():
            Settlement.objects.filter(pk=later.pk).update(**values)


def test_b06_a_stranger_and_who_may_not_correct_merge_nothing(
    both: tuple[Transaction, Transaction], organization: Organization, alice: Actor
) -> None:
    first, later = both
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    bob = factories.make_actor(organization, Role.VIEWER, "bob")
    for actor, error in ((charlie, NotFound), (bob, NotPermitted)):
        for wish in (
            lambda by: joining.look(doubt_of(first), later, by=by),
            lambda by: joining.merge(doubt_of(first), later, by=by, reason="mine"),
        ):
            with pytest.raises(error):
                wish(actor)
    assert outcome(later)[2] is None


def test_b06_by_api_it_is_looked_at_done_once_and_refused(
    both: tuple[Transaction, Transaction], organization: Organization, alice: Actor
) -> None:
    first, later = both
    api = client_with(factories.make_key(organization))
    address = f"/api/v1/billing-exceptions/{doubt_of(first).pk}/merge/"
    old = record_of(later)
    looked = api.post(address, {"other": str(later.pk), "dry_run": True}, format="json")
    assert (looked.status_code, looked.json()) == (200, {
        "exception": str(doubt_of(first).pk), "first": str(first.pk), "later": str(later.pk), "dry_run": True,
        "gap_s": 240, "between_wh": "0.000", "energy_kwh": "12.345000", "payable_excl_vat": "6.18",
        "payable_incl_vat": "7.35", "currency": "EUR", "taken_back": [str(old.pk)], "doubt": "", "record": None,
    })  # fmt: skip
    assert outcome(later)[2] is None
    assert api.post(address, {"other": str(later.pk)}, format="json").status_code == 400, "no reason"
    assert api.post(address, {"other": str(first.pk), "reason": "x"}, format="json").status_code == 409

    done = [api.post(address, {"other": str(later.pk), "reason": "reboot"}, format="json") for _ in range(2)]
    assert [one.status_code for one in done] == [200, 200]
    assert [one.json()["record"] for one in done] == [str(record_of(first).pk)] * 2
    resolve = address.replace("merge", "resolve")
    body = {"decision": "merged", "reason": "x"}
    assert api.post(resolve, body, format="json").status_code == 400


def test_w01_by_api_strangers_and_keys_without_the_scope_merge_nothing(
    both: tuple[Transaction, Transaction], organization: Organization
) -> None:
    first, later = both
    address = f"/api/v1/billing-exceptions/{doubt_of(first).pk}/merge/"
    theirs = factories.make_organization()
    keys = {
        404: factories.make_key(theirs),
        403: factories.make_key(organization, "billing-exceptions:read"),
    }
    for status, key in keys.items():
        client: APIClient = client_with(key)
        answer = client.post(address, {"other": str(later.pk), "reason": "x"}, format="json")
        assert answer.status_code == status
    assert outcome(later)[2] is None


def test_b06_a_person_chooses_the_other_half_sees_both_together_and_merges_them(
    both: tuple[Transaction, Transaction], organization: Organization
) -> None:
    first, later = both
    browser: Client = browser_of(factories.make_member(organization).user)
    home = f"/o/{organization.slug}/"
    address = f"{home}invoices/exceptions/{doubt_of(first).pk}/merge/"
    assert address in browser.get(f"{home}invoices/exceptions/").content.decode()
    assert f"?other={later.pk}" in browser.get(address).content.decode()
    looked = browser.get(f"{address}?other={later.pk}").content.decode()
    for words in ("12.345", "7.35", "4.97", "is taken back"):
        assert words in looked
    refused = browser.get(f"{address}?other={first.pk}", **GERMAN).content.decode()
    assert "Wählen Sie die andere Hälfte dieses Ladevorgangs." in refused

    answer = browser.post(address, {"other": str(later.pk), "reason": "reboot"})
    assert (answer.status_code, outcome(later)[2]) == (302, first.pk)
    for one, other in (both, both[::-1]):
        page = browser.get(f"{home}sessions/{one.pk}/").content.decode()
        assert "Billed together with" in page
        assert f"{home}sessions/{other.pk}/" in page
    assert (
        "it is the later half of another session"
        in browser.get(f"{home}sessions/{later.pk}/").content.decode()
    )


def test_b38_a_first_half_that_a_card_has_paid_is_not_merged(
    both: tuple[Transaction, Transaction], alice: Actor
) -> None:
    first, later = both
    payment = Payment.objects.create(
        organization_id=first.organization_id, method="card", purpose="ad_hoc", currency="EUR", amount=60,
        authorized=60, provider="stripe", created_by="alice",
    )  # fmt: skip
    now = clock.now()
    assert first.evse is not None
    Hold.objects.create(payment=payment, evse=first.evse, transaction=first, give_up_at=now, expires_at=now)
    holds.capture(payment, Decimal(1))
    with pytest.raises(Conflict, match="A card has paid"):
        merge(first, later, alice)
