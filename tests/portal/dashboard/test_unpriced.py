"""What could not be priced: listed with its cause, settled by a person with a reason (tariffs T-15, T-43, B-06)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from billing.models import BillingException, Cdr
from billing.services import settling
from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Membership, Organization
from stations.models import (
    ChargingStation,
    FrozenTariff,
    Reservation,
    ReservationCost,
    ReservedTariff,
    SessionCost,
    SiteLimit,
    Transaction,
)
from stations.services import reservation_costs, session_costs, sites
from tariffs.models import TariffVersion
from tests import factories
from tests.factories import sessions
from tests.stations.ocpp.charging import priced, publish
from tests.tariffs.building import component, element

WHY = "The customer's own words."
RESERVED = element(component("TIME", "2.40", "19"), reservation="RESERVATION")


@pytest.fixture
def version(actor: Actor, station: ChargingStation) -> TariffVersion:
    """0.50 a kWh, but nowhere near the station."""
    return priced(actor, place=sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor))


@pytest.fixture
def session(version: TariffVersion, station: ChargingStation, actor: Actor) -> Transaction:
    """Two kWh for which no tariff held; billing has left it to a person."""
    token = factories.make_token(actor)
    found = sessions.end(sessions.begin(station, token=token.value), 2000)
    settling.sweep()
    settling.settle_due(clock.now() + timedelta(days=4))
    return Transaction.objects.get(pk=found.pk)


@pytest.fixture
def decide_at(home: str, session: Transaction) -> str:
    return f"{home}sessions/{session.pk}/price/decide/"


def text_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())  # type: ignore[attr-defined]


def cost_of(session: Transaction) -> SessionCost:
    return SessionCost.objects.get(pk=session.pk)


def records_of(session: Transaction) -> list[Decimal | None]:
    return list(Cdr.objects.filter(transaction=session).values_list("payable_incl_vat", flat=True))


def test_t43_a_session_without_a_tariff_is_listed_with_its_cause_and_priced_by_a_chosen_one(
    browser: Client, home: str, session: Transaction, version: TariffVersion, decide_at: str
) -> None:
    listed = text_of(browser.get(f"{home}sessions/unpriced/"))
    page = text_of(browser.get(f"{home}sessions/{session.pk}/price/"))
    none = browser.post(decide_at, {"decision": "again", "reason": WHY})
    browser.post(decide_at, {"decision": "again", "reason": WHY, "tariff": str(version.tariff_id)})
    cost = cost_of(session)

    assert "No tariff held at its start." in listed
    assert f"/sessions/{session.pk}/price/" in listed
    assert str(version.tariff_id) in page
    assert (none.status_code, "No tariff held. Choose one." in text_of(none)) == (422, True)
    assert (cost.state, cost.incl_vat, cost.decision) == ("final", Decimal("1.19"), "tariff")
    assert FrozenTariff.objects.get(transaction=session).level == "hand"
    assert records_of(session) == [Decimal("1.19")]
    assert not BillingException.objects.open().filter(transaction=session).exists()
    assert "no_tariff" not in Transaction.objects.get(pk=session.pk).flags
    assert AuditEntry.objects.filter(action="transaction.priced", reason=WHY).count() == 1
    assert f"/sessions/{session.pk}/price/" not in text_of(browser.get(f"{home}sessions/unpriced/"))


def test_t15_an_amount_set_by_hand_is_kept_with_its_reason_and_billed_to_the_cent(
    browser: Client, home: str, session: Transaction, version: TariffVersion, decide_at: str
) -> None:
    chosen = {"decision": "amount", "tariff": str(version.tariff_id), "reason": WHY}
    refused = [
        browser.post(decide_at, {**chosen, **wrong}).status_code
        for wrong in ({"amount": "x"}, {"amount": "-1"}, {"amount": "1.005"}, {"amount": "1", "vat": "101"},
                      {"amount": "1", "reason": " "}, {"amount": "1", "tariff": "none"})
    ]  # fmt: skip
    browser.post(decide_at, {**chosen, "amount": "3,33", "vat": "19"})
    cost = cost_of(session)
    session_costs.price(session.pk, now=clock.now() + timedelta(days=1))
    again = browser.post(decide_at, {**chosen, "amount": "1"})
    shown = text_of(browser.get(f"{home}sessions/{session.pk}/"))

    assert refused == [422] * 6
    assert (cost.state, cost.decision, cost.excl_vat, cost.vat, cost.incl_vat) == (
        "final", "amount", Decimal("2.80"), Decimal("0.53"), Decimal("3.33"),
    )  # fmt: skip
    assert cost.answer["total_energy"] == "2"
    assert cost_of(session).incl_vat == Decimal("3.33")
    assert again.status_code == 409
    assert records_of(session) == [Decimal("3.33")]
    assert f"Amount set by hand: {WHY}".replace("'", "&#x27;") in shown


def test_b06_a_waived_session_leaves_the_list_and_is_not_billed(
    browser: Client, home: str, session: Transaction, decide_at: str
) -> None:
    browser.post(decide_at, {"decision": "waive", "reason": WHY})

    assert BillingException.objects.get(transaction=session).decision == "waived"
    assert records_of(session) == []
    assert f"/sessions/{session.pk}/price/" not in text_of(browser.get(f"{home}sessions/unpriced/"))


def test_t15_what_still_cannot_be_priced_is_refused_and_nothing_changes(
    browser: Client, session: Transaction, actor: Actor, decide_at: str
) -> None:
    by_power = publish(
        actor, element(component("ENERGY", "0.50"), min_power=3), element(component("ENERGY", "1"))
    )
    answer = browser.post(decide_at, {"decision": "again", "reason": WHY, "tariff": str(by_power.tariff_id)})

    assert answer.status_code == 409
    assert "It still cannot be priced." in text_of(answer)
    assert (cost_of(session).state, cost_of(session).cause) == ("review", "no_tariff")
    assert not FrozenTariff.objects.filter(transaction=session).exists()


def test_only_who_may_correct_sessions_of_that_site_decides(
    session: Transaction,
    version: TariffVersion,
    charlie: Client,
    organization: Organization,
    browser_of: Callable[[Membership], Client],
    decide_at: str,
) -> None:
    wish = {"decision": "amount", "amount": "1", "tariff": str(version.tariff_id), "reason": WHY}
    bob = browser_of(factories.make_member(organization, role=Role.TECHNICIAN))
    elsewhere = version.tariff.assignments.get().site
    limited = factories.make_member(organization, role=Role.BILLING)
    SiteLimit.objects.create(membership=limited, site=elsewhere)

    assert charlie.post(decide_at, wish).status_code == 404
    assert bob.post(decide_at, wish).status_code == 403
    assert browser_of(limited).post(decide_at, wish).status_code == 404
    assert cost_of(session).state == "review"


@pytest.fixture
def reserved(station: ChargingStation, actor: Actor) -> ReservationCost:
    """An hour at 2.40 plus VAT that nobody came for."""
    priced(actor, RESERVED)
    now = clock.now()
    kept = Reservation.objects.create(
        station=station, number=7, token_value="04A1", token_type="ISO14443", status="active",
        expires_at=now + timedelta(hours=1), created_at=now, created_by="Alice",
    )  # fmt: skip
    reservation_costs.freeze(kept, at=now)
    Reservation.objects.filter(pk=kept.pk).update(status="expired", ended_at=now + timedelta(hours=1))
    reservation_costs.sweep(now + timedelta(days=2))
    return ReservationCost.objects.get(pk=kept.pk)


def test_t25_what_a_reservation_costs_is_listed_and_can_be_waived_once(
    browser: Client, home: str, reserved: ReservationCost
) -> None:
    decide = f"{home}reservations/{reserved.pk}/decide/"
    listed = text_of(browser.get(f"{home}sessions/reservations/"))
    silent = browser.post(decide, {"decision": "waive", "reason": ""})
    browser.post(decide, {"decision": "waive", "reason": WHY})
    again = browser.post(decide, {"decision": "waive", "reason": WHY})
    reserved.refresh_from_db()

    assert "2.86 €" in listed
    assert (silent.status_code, again.status_code) == (422, 409)
    assert (reserved.decision, reserved.reason, reserved.incl_vat) == ("waived", WHY, Decimal("2.86"))
    assert "Waived" in text_of(browser.get(f"{home}sessions/reservations/"))


def test_t25_a_reservation_without_a_tariff_is_priced_by_a_chosen_one(
    browser: Client, home: str, reserved: ReservationCost, actor: Actor
) -> None:
    ReservationCost.objects.filter(pk=reserved.pk).update(state="review", cause="no_tariff", incl_vat=None)
    decide = f"{home}reservations/{reserved.pk}/decide/"
    listed = text_of(browser.get(f"{home}sessions/reservations/?tab=review"))
    no_price = publish(actor)
    refused = browser.post(decide, {"decision": "again", "reason": WHY, "tariff": str(no_price.tariff_id)})
    right = ReservedTariff.objects.get(pk=reserved.pk).version
    assert right is not None
    browser.post(decide, {"decision": "again", "reason": WHY, "tariff": str(right.tariff_id)})
    reserved.refresh_from_db()

    assert "No tariff held at its start." in listed
    assert refused.status_code == 409
    assert (reserved.state, reserved.decision, reserved.incl_vat) == ("final", "tariff", Decimal("2.86"))


def test_a_strangers_reservation_cost_cannot_be_decided(
    charlie: Client,
    home: str,
    reserved: ReservationCost,
    organization: Organization,
    browser_of: Callable[[Membership], Client],
) -> None:
    decide, wish = f"{home}reservations/{reserved.pk}/decide/", {"decision": "waive", "reason": WHY}
    bob = browser_of(factories.make_member(organization, role=Role.TECHNICIAN))

    assert charlie.post(decide, wish).status_code == 404
    assert bob.post(decide, wish).status_code == 403
    assert ReservationCost.objects.get(pk=reserved.pk).decision == ""
