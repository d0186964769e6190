"""Budgets of tokens and drivers: refused when used up, stopped once when reached."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from drivers.models import IdToken
from drivers.services import budgets
from stations.models import (
    AuthorizationAnswer,
    BudgetStop,
    ChargingStation,
    Command,
    SessionCost,
    Transaction,
)
from stations.services import session_costs, spending, sweeping
from tests.factories import make_driver, make_token
from tests.stations.ocpp.asking import VERSIONS, ended
from tests.stations.ocpp.charging import Car, priced
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_authorization_log import authorize, start
from tests.stations.ocpp.test_permissions import status
from tests.waiting import eventually

HOUR = timedelta(hours=1)
DAY_OF_20_KWH = [("energy_wh", Decimal(20_000), "day")]


@pytest.fixture
def token(alice: Actor) -> IdToken:
    return make_token(alice, driver=make_driver(alice))


def holder(token: IdToken, kind: str) -> Any:
    return token if kind == "token" else token.driver


def charged(
    station: ChargingStation, token: IdToken, energy_wh: int, began: datetime, lasted: timedelta = HOUR
) -> Transaction:
    """A session of the past."""
    return Transaction.objects.create(
        organization=station.organization,
        site=station.site,
        station=station,
        reference=f"{token.value}-{began.timestamp()}",
        token=token,
        token_value=token.value,
        driver=token.driver,
        status="ended",
        started_at=began,
        ended_at=began + lasted,
        last_event_at=began + lasted,
        energy_wh=energy_wh,
    )


@pytest.fixture
def this_day(alice: Actor) -> datetime:
    """The first instant of the day in the organization's time zone."""
    zone = ZoneInfo(Organization.objects.get(pk=alice.organization_id).time_zone)
    return clock.now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("whose", ["token", "driver"])
def test_a_budget_that_is_used_up_refuses_and_says_so(
    charger: Charger, alice: Actor, token: IdToken, this_day: datetime, version: str, whose: str
) -> None:
    budgets.set_(holder(token, whose), DAY_OF_20_KWH, by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        charged(charger.station, token, 19_999, this_day)
        before = status(authorize(socket, token.value))
        charged(charger.station, token, 1, this_day + timedelta(seconds=1))
        after = status(authorize(socket, token.value))

    assert (before, after) == ("Accepted", "Blocked" if version == "1.6" else "NoCredit")
    said = AuthorizationAnswer.objects.filter(station=charger.station).latest("id")
    assert (said.verdict, said.rule) == ("no_credit", "budget")
    assert said.reason == f"The budget of the {whose} is used up: 20 kWh a day."


def test_yesterday_does_not_count_for_today(
    charger: Charger, alice: Actor, token: IdToken, this_day: datetime
) -> None:
    budgets.set_(token, DAY_OF_20_KWH, by=alice)
    charged(charger.station, token, 50_000, this_day - timedelta(seconds=1))
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert status(authorize(socket, token.value)) == "Accepted"


def test_a_month_counts_all_of_its_days_and_the_tokens_of_the_driver_together(
    charger: Charger, alice: Actor, token: IdToken, this_day: datetime
) -> None:
    budgets.set_(holder(token, "driver"), [("duration_s", Decimal(7200), "month")], by=alice)
    other = make_token(alice, driver=token.driver)
    first = this_day.replace(day=1)
    charged(charger.station, token, 1, first)
    charged(charger.station, other, 1, first + HOUR)
    charged(charger.station, make_token(alice), 1, first)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        answers = [status(authorize(socket, one.value)) for one in (token, other)]

    assert answers == ["NoCredit", "NoCredit"]


def swept() -> int:
    found = sweeping.follow_sessions()["budgets"]
    assert found is not None
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("kind", "limit", "per", "reached"),
    [
        ("energy_wh", 5000, "session", {"energy_wh": 5000}),
        ("energy_wh", 5000, "day", {"energy_wh": 5001}),
        ("soc_percent", 80, "session", {"soc_percent": 80}),
    ],
)
def test_a_running_session_that_reaches_a_budget_is_asked_to_stop_once(
    charger: Charger,
    alice: Actor,
    token: IdToken,
    version: str,
    kind: str,
    limit: int,
    per: str,
    reached: dict[str, int],
) -> None:
    budgets.set_(token, [(kind, Decimal(limit), per)], by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        start(socket, token)
        session = Transaction.objects.filter(station=charger.station)
        assert swept() == 0
        session.update(**reached)
        assert swept() == 1
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})
        assert swept() == 0

    assert call[2] in ("RemoteStopTransaction", "RequestStopTransaction")
    [command] = Command.objects.filter(station=charger.station, command="request_stop_transaction")
    stop = BudgetStop.objects.get(transaction=session.get())
    assert (stop.command, command.issued_by) == (command, "system:budgets")
    assert stop.reason == AuditEntry.objects.get(object_id=str(command.pk)).reason
    assert stop.reason.startswith("The budget of the token is reached: ")
    assert ended(command).status == "accepted"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_that_does_not_stop_is_asked_again_after_longer_and_longer_pauses(
    charger: Charger, alice: Actor, token: IdToken, version: str
) -> None:
    budgets.set_(token, [("energy_wh", Decimal(5000), "session")], by=alice)

    def swept_after(seconds: float) -> int:
        mine = BudgetStop.objects.filter(transaction__station=charger.station)
        mine.update(at=clock.now() - timedelta(seconds=seconds))
        return swept()

    def refused() -> None:
        socket.reply(socket.next_call(), {"status": "Rejected"})
        asked = Command.objects.filter(station=charger.station, settled_at=None)
        eventually(lambda: not asked.exists())

    with charger.dial(version) as socket:
        socket.boot()
        start(socket, token)
        Transaction.objects.filter(station=charger.station).update(energy_wh=5000)
        assert swept() == 1
        assert swept_after(61) == 0, "it has not answered yet"
        refused()
        assert (swept_after(59), swept_after(61)) == (0, 1)
        refused()
        assert (swept_after(61), swept_after(121)) == (0, 1)
        refused()

    assert Command.objects.filter(station=charger.station).count() == 3
    assert BudgetStop.objects.get(transaction__station=charger.station).tries == 3


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("free", [{"free_vend": True}, {"free_evses": [1]}])
def test_what_was_charged_where_everybody_could_charge_uses_up_nothing_later_either(
    charger: Charger, alice: Actor, token: IdToken, this_day: datetime, version: str, free: dict[str, Any]
) -> None:
    budgets.set_(token, DAY_OF_20_KWH, by=alice)
    station = ChargingStation.objects.filter(pk=charger.station.pk)
    station.update(**free)
    with charger.dial(version) as socket:
        socket.boot()
        start(socket, token)
        ended_now = {"status": "ended", "ended_at": clock.now(), "energy_wh": 50_000}
        Transaction.objects.filter(station=charger.station).update(**ended_now)
        station.update(free_vend=False, free_evses=[])
        assert status(authorize(socket, token.value)) == "Accepted"
        charged(charger.station, token, 20_000, this_day)
        assert status(authorize(socket, token.value)) != "Accepted"


def test_time_runs_out_while_a_session_runs(charger: Charger, alice: Actor, token: IdToken) -> None:
    budgets.set_(holder(token, "driver"), [("duration_s", Decimal(1800), "session")], by=alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        start(socket, token)
        session = Transaction.objects.filter(station=charger.station)
        session.update(started_at=clock.now() - timedelta(minutes=29))
        before = swept()
        session.update(started_at=clock.now() - timedelta(minutes=31))

        assert (before, swept()) == (0, 1)
        socket.next_call()


def test_a_station_that_is_away_is_asked_when_it_is_back(
    charger: Charger, alice: Actor, token: IdToken
) -> None:
    budgets.set_(token, [("energy_wh", Decimal(1), "session")], by=alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        start(socket, token)
    Transaction.objects.filter(station=charger.station).update(energy_wh=5)
    charger.station.presence.__class__.objects.filter(station=charger.station).update(connected=False)
    away = swept()
    with charger.dial("1.6") as socket:
        assert (away, swept()) == (0, 1)
        assert socket.next_call()[2] == "RemoteStopTransaction"


def test_where_everybody_charges_free_nothing_is_stopped(
    charger: Charger, alice: Actor, token: IdToken
) -> None:
    budgets.set_(token, [("energy_wh", Decimal(1), "session")], by=alice)
    ChargingStation.objects.filter(pk=charger.station.pk).update(free_vend=True)
    with charger.dial("1.6") as socket:
        socket.boot()
        start(socket, token)
        Transaction.objects.filter(station=charger.station).update(energy_wh=5)

        assert swept() == 0
        ChargingStation.objects.filter(pk=charger.station.pk).update(free_vend=False)
        assert swept() == 0


def test_a_session_that_began_for_money_is_stopped_though_charging_became_free_there(
    charger: Charger, alice: Actor, token: IdToken
) -> None:
    budgets.set_(token, [("energy_wh", Decimal(1), "session")], by=alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        start(socket, token)
        ChargingStation.objects.filter(pk=charger.station.pk).update(free_vend=True)
        Transaction.objects.filter(station=charger.station).update(energy_wh=5)

        assert swept() == 1
        socket.next_call()


def test_who_has_no_budget_costs_no_further_question(
    charger: Charger, token: IdToken, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert spending.used_up(token, clock.now()) is None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("per", ["session", "day", "month"])
def test_a_running_session_whose_cost_reaches_a_budget_of_money_is_stopped(
    charger: Charger, alice: Actor, token: IdToken, version: str, per: str
) -> None:
    priced(alice)
    budgets.set_(holder(token, "driver"), [("money", Decimal("2.38"), per)], by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice, hours_ago=0)
        car.token = token.value
        car.start(0, 0)
        car.reads(0.01, 3990)
        session_costs.price(car.session.pk, now=clock.now())
        below = swept()
        car.reads(0.02, 4000)
        session_costs.price(car.session.pk, now=clock.now())
        asked = swept()
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})
        again = swept()

    assert (below, asked, again) == (0, 1, 0)
    assert call[2] in ("RemoteStopTransaction", "RequestStopTransaction")
    stop = BudgetStop.objects.get(transaction=car.session)
    assert stop.reason == f"The budget of the driver is reached: 2.38 EUR a {per}."


@pytest.mark.parametrize("whose", ["token", "driver"])
def test_money_that_is_used_up_today_refuses_and_another_currency_does_not_count(
    charger: Charger, alice: Actor, token: IdToken, this_day: datetime, whose: str
) -> None:
    budgets.set_(holder(token, whose), [("money", Decimal("10"), "day")], by=alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        costs(charged(charger.station, token, 1, this_day), "99", "CHF")
        costs(charged(charger.station, token, 1, this_day - timedelta(seconds=1)), "99", "EUR")
        costs(charged(charger.station, token, 1, this_day + timedelta(seconds=1)), "9.99", "EUR")
        before = status(authorize(socket, token.value))
        costs(charged(charger.station, token, 1, this_day + timedelta(seconds=2)), "0.01", "EUR")
        after = status(authorize(socket, token.value))

    assert (before, after) == ("Accepted", "NoCredit")
    said = AuthorizationAnswer.objects.filter(station=charger.station).latest("id")
    assert said.reason == f"The budget of the {whose} is used up: 10.00 EUR a day."


def costs(session: Transaction, incl_vat: str, currency: str) -> None:
    """The session's final cost."""
    SessionCost.objects.create(
        transaction=session,
        state="final",
        since=session.started_at,
        computed_at=session.started_at,
        currency=currency,
        incl_vat=Decimal(incl_vat),
    )
