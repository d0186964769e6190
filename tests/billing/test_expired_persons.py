"""What keeps the person of reservations, commands and stops beyond the term (billing B-66)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db.transaction import atomic

from billing.models import Invoice, RetentionReport
from billing.services import drafting, issuing, reserved
from billing.services.payments import receiving
from billing.services.retention import holds
from core import clock
from core.access import Actor
from core.models import Organization
from drivers.models import Driver
from stations.domain import intents
from stations.models import ChargingStation, Command, OrphanStop, Reservation, ReservationCost, ReservedTariff
from stations.services import commands, reservation_costs
from tests import factories
from tests.billing.expiring import LONG_AGO, NOW, WHY, expire, station
from tests.billing.pages import alice, member, organization
from tests.billing.test_reserved import ENERGY, RESERVED
from tests.stations.ocpp.charging import priced

__all__ = ["alice", "member", "organization", "station"]
pytestmark = pytest.mark.usefixtures("committed")

AT = datetime(2022, 1, 10, 12, tzinfo=UTC)
Reserve = Callable[[Driver], Reservation]


@pytest.fixture
def reserve(alice: Actor, station: ChargingStation) -> Reserve:
    """An hour that was kept free years ago and expired: with 19 % 2.86, told and not billed yet."""
    with time_machine.travel(AT - timedelta(days=1), tick=False):
        priced(alice, ENERGY, RESERVED)

    def made(driver: Driver) -> Reservation:
        with time_machine.travel(AT, tick=False):
            token = factories.make_token(alice, driver=driver)
            kept = Reservation.objects.create(
                station=station, number=Reservation.objects.count() + 1, token=token, token_value=token.value,
                token_type=token.type, status="active", expires_at=AT, created_at=AT - timedelta(hours=1),
                created_by="Alice",
            )  # fmt: skip
            reservation_costs.freeze(kept, at=clock.now())
            ReservedTariff.objects.filter(pk=kept.pk).update(accepted_at=AT - timedelta(hours=1))
            Reservation.objects.filter(pk=kept.pk).update(status="expired", ended_at=AT)
            reservation_costs.sweep(AT + timedelta(days=2))
        return kept

    return made


def has_person(reservation: Reservation) -> bool:
    reservation.refresh_from_db()
    owner = ReservedTariff.objects.get(pk=reservation.pk).driver_id
    assert (reservation.token_id is None) == reservation.token_value.startswith("anon-") == (owner is None)
    return owner is not None


def issued(driver: Driver, by: Actor) -> Invoice:
    with time_machine.travel(AT + timedelta(days=40), tick=False):
        [draft] = drafting.draft(driver.billing_account, f"{AT:%Y-%m}", by=by)
        return issuing.issue(draft, by=by)


def test_b66_a_reservation_keeps_its_person_until_it_is_billed_and_paid(
    reserve: Reserve, organization: Organization, alice: Actor
) -> None:
    driver = factories.make_driver(alice)
    kept = reserve(driver)
    expire()
    unbilled = has_person(kept)
    with time_machine.travel(AT, tick=False):
        reserved.seal_due()
    expire()
    uninvoiced = has_person(kept)
    invoice = issued(driver, alice)
    expire()
    unpaid = has_person(kept)
    with time_machine.travel(AT + timedelta(days=50), tick=False):
        receiving.record(invoice, invoice.due, received_on=clock.now().date(), by=alice)
    expire()

    assert (unbilled, uninvoiced, unpaid, has_person(kept)) == (True, True, True, False)
    assert RetentionReport.objects.get(organization=organization, kind="persons").counts == {
        "reservations": 1
    }


def test_b66_a_reservation_that_waits_for_a_person_keeps_its_own(reserve: Reserve, alice: Actor) -> None:
    driver = factories.make_driver(alice)
    kept = reserve(driver)
    with time_machine.travel(AT, tick=False):
        reserved.seal_due()
    invoice = issued(driver, alice)
    with time_machine.travel(AT + timedelta(days=50), tick=False):
        receiving.record(invoice, invoice.due, received_on=clock.now().date(), by=alice)
    with atomic():
        reservation_costs.doubt(kept.pk)
    expire()
    doubted = has_person(kept)
    reserved.waive(ReservationCost.objects.get(pk=kept.pk), by=alice, reason=WHY)
    expire()

    assert (doubted, has_person(kept)) == (True, False)


def test_b66_a_payers_hold_keeps_reservations_commands_and_stops_of_the_driver_and_of_no_other(
    station: ChargingStation, reserve: Reserve, organization: Organization, alice: Actor
) -> None:
    bob, erika = (factories.make_driver(alice) for _ in range(2))
    reservations = [reserve(driver) for driver in (bob, erika)]
    with time_machine.travel(AT, tick=False):
        reserved.seal_due()
    for driver in (bob, erika):
        invoice = issued(driver, alice)
        with time_machine.travel(AT + timedelta(days=50), tick=False):
            receiving.record(invoice, invoice.due, received_on=clock.now().date(), by=alice)
    values = [one.token_value for one in reservations]
    with time_machine.travel(LONG_AGO, tick=False):
        for number, value in enumerate(values):
            wish = intents.RequestStartTransaction(token_value=value, token_type="ISO14443", evse_id=1)
            commands.issue(station, wish, by=alice)
            OrphanStop.objects.create(
                station=station, number=number, token_value=value.lower(), meter_stop_wh=1, occurred_at=LONG_AGO,
                received_at=LONG_AGO,
            )  # fmt: skip
    hold = holds.place(organization, account=bob.billing_account, reason=WHY, by=alice)
    expire()
    held = named(station)
    kept = [has_person(one) for one in reservations]
    holds.lift(hold, reason="It is over.", by=alice)
    expire(NOW + timedelta(days=1))

    assert held == {values[0]}
    assert kept == [True, False]
    assert named(station) == set()
    assert not has_person(reservations[0])


def named(station: ChargingStation) -> set[str]:
    """Tokens that commands and stops name still; each names the same."""
    stops = {one.token_value.upper() for one in OrphanStop.objects.filter(station=station)}
    wishes = {str(one.parameters["token_value"]) for one in Command.objects.filter(station=station)}
    left = {one for one in wishes if not one.startswith("anon-")}
    assert left == {one for one in stops if not one.startswith("ANON-")}
    return left
