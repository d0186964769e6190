"""`manage.py demo`: what it makes, and that it makes it once."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F, Max, Min

from billing.models import Cdr, Invoice
from core import clock
from core.access import Role, system
from core.models import Membership, Organization
from core.services import accounts
from drivers.models import IdToken
from portal.demo import live
from portal.demo.driver import EMAIL
from portal.demo.registering import station_password
from stations.models import ChargingStation, MeterReading, SessionCost, Site, Transaction, TransactionEvent
from stations.services import session_costs

pytestmark = pytest.mark.django_db


def demo() -> str:
    output = StringIO()
    call_command("demo", stdout=output)
    return output.getvalue()


@pytest.fixture
def organization():
    demo()
    return Organization.objects.get(slug="demo")


def test_the_demo_has_sites_stations_of_all_versions_tokens_and_two_weeks_of_sessions(organization):
    sessions = Transaction.objects.filter(organization=organization)

    assert organization.demo
    assert Site.objects.filter(organization=organization).count() == 3
    assert ChargingStation.objects.filter(organization=organization).count() == 12
    assert IdToken.objects.filter(organization=organization).count() == 24
    assert sessions.count() > 200
    earliest = sessions.aggregate(first=Min("started_at"))["first"]
    assert timedelta(days=12) < clock.now() - earliest < timedelta(days=16)


def test_a_second_run_changes_nothing(organization):
    before = Transaction.objects.count(), ChargingStation.objects.count(), MeterReading.objects.count()
    text = demo()

    assert (
        Transaction.objects.count(),
        ChargingStation.objects.count(),
        MeterReading.objects.count(),
    ) == before
    assert "/o/demo/" in text


def test_every_past_session_is_exact_plausible_and_alone_on_its_evse(organization):
    sessions = Transaction.objects.filter(organization=organization)
    assert not sessions.filter(power_max_w__gt=F("station__max_power_w")).exists()
    assert sessions.aggregate(most=Max("energy_wh"))["most"] > Decimal(20_000)

    for one in Transaction.objects.filter(organization=organization).order_by("evse", "started_at"):
        registers = list(one.readings.values_list("energy_wh", flat=True))
        assert registers == sorted(registers)
        assert one.energy_wh == one.meter_last_wh - one.meter_start_wh == registers[-1] - registers[0]
        assert one.energy_wh == one.energy_wh.to_integral_value()
        assert one.ended_at > one.started_at

    previous = None
    for one in Transaction.objects.filter(organization=organization).order_by("evse", "started_at"):
        if previous is not None and previous.evse_id == one.evse_id:
            assert previous.ended_at < one.started_at
            assert previous.meter_last_wh <= one.meter_start_wh
        previous = one


def test_past_sessions_are_ready_to_be_priced_and_there_is_an_invoice_and_a_draft(organization):
    sessions = Transaction.objects.filter(organization=organization)
    paused = TransactionEvent.objects.filter(charging_state="SuspendedEV").values("transaction")
    some = [
        sessions.filter(pk__in=paused).first(),
        sessions.filter(number=None).last(),
        sessions.exclude(number=None).first(),
    ]
    costs = [session_costs.settle(one) for one in some]
    issued = Invoice.objects.get(organization=organization, state="issued")
    before = Invoice.objects.count(), Cdr.objects.count()
    demo()

    assert SessionCost.objects.filter(transaction__in=sessions).count() == sessions.count()
    assert [one.state for one in costs] == ["final"] * 3
    assert "PARKING_TIME" in [line["dimension"] for line in costs[0].answer["lines"]]
    assert issued.due == sum(line.leading for line in issued.lines.all())
    assert issued.account.driver.user.email == EMAIL
    assert Invoice.objects.filter(organization=organization, state="draft").count() == 1
    assert (Invoice.objects.count(), Cdr.objects.count()) == before


@pytest.mark.untouched
def test_the_empty_organization_of_the_set_up_becomes_the_demo_and_another_one_does_not():
    by = system("test")
    admin, _ = accounts.create_admin("anna@example.org", by=by)
    home = accounts.create_organization("home", name="Home", by=by)
    demo()
    home.refresh_from_db()
    assert (home.slug, home.demo) == ("demo", True)
    assert Membership.objects.get(user=admin).role == Role.ADMIN


def test_an_organization_in_use_is_left_alone():
    home = accounts.create_organization("home", name="Home", by=system("test"))
    Organization.objects.filter(pk=home.pk).update(created_at=clock.now() - timedelta(days=1))
    demo()
    home.refresh_from_db()
    assert (home.slug, home.demo) == ("home", False)
    assert Organization.objects.filter(slug="demo", demo=True).exists()


def test_the_chargers_go_on_where_the_portal_last_saw_them(organization):
    past = Transaction.objects.filter(organization=organization, station__identity="DEMO-BER-04")
    last = past.order_by("evse", "-meter_last_wh").first()
    fleet = live.fleet("ws://127.0.0.1:1/ocpp")
    station = next(one for one in fleet.stations if one.identity == "DEMO-BER-04")

    assert station.outlet(last.evse.evse_id).meter.register_wh == last.meter_last_wh
    assert station.endpoint.password == station_password("DEMO-BER-04").encode()
    first = next(one for one in fleet.stations if one.identity == "DEMO-BER-01")
    assert first.endpoint.password == bytes.fromhex(station_password("DEMO-BER-01"))
