"""Whether every ended session is accounted for (billing B-12)."""

import os
from datetime import timedelta
from unittest.mock import Mock

import psycopg
import pytest
from django.db.models import F

from billing.models import BillingException, InvoiceSeries, Reconciliation, Settlement
from billing.services import drafting, issuing, posting, reconciling
from billing.services.reconciling import Reconciled
from core import clock
from core.access import Actor, Role
from core.errors import Invalid, NotFound, NotPermitted
from core.models import Event, Organization
from core.services import outbox
from portal.supervisor import backup
from stations.models import ChargingStation
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.factories import sessions

pytestmark = pytest.mark.usefixtures("committed")


def reconciled(organization: Organization, by: Actor) -> Reconciled:
    now = clock.now()
    return reconciling.reconcile(organization, now - timedelta(days=2), now + timedelta(days=1), by=by)


def alerts(organization: Organization) -> list[Event]:
    outbox.relay()
    return list(Event.objects.filter(type="billing.alert", organization_id=organization.pk))


def test_b12_sessions_are_billed_zero_unbilled_waiting_or_exceptions_and_add_up(
    organization: Organization, alice: Actor, charge: Charge
) -> None:
    driver = factories.make_driver(alice)
    charge(driver=driver)
    settle()
    issuing.issue(drafting.draft(driver.billing_account, THIS_MONTH, by=alice)[0], by=alice)
    charge()
    doubtful = charge(12_000)
    ChargingStation.objects.filter(pk=doubtful.station_id).update(max_power_w=11_000)
    settle()
    charge()
    found = reconciled(organization, alice)
    reconciling.check_all()

    assert {name: count for name, count in found.counts.items() if count}.keys() >= {"billed", "waiting"}
    assert found.counts["exception"] == BillingException.objects.filter(organization=organization).count() > 0
    assert found.ended == sum(found.counts.values()) == 4
    assert found.differences == []
    kept = Reconciliation.objects.get(organization=organization)
    assert (kept.counts, kept.differing) == ({"ended": 4, **found.counts}, 0)
    assert alerts(organization) == []


def test_b12_a_session_without_a_payer_is_counted_apart(
    organization: Organization, alice: Actor, charge: Charge, station: ChargingStation
) -> None:
    stands = sessions.begin(station, token=factories.make_token(alice).value, evse_id=1)
    session = sessions.end(stands, 12_345)
    settle()
    assert session.cdrs.get().account is None
    reconciling.check_all()
    found = reconciled(organization, alice)

    assert {name: count for name, count in found.counts.items() if count} == {"no_payer": 1}
    assert found.differences == []


def test_b12_a_session_that_has_no_record_is_a_difference_with_its_id_and_an_alert(
    organization: Organization, alice: Actor, charge: Charge
) -> None:
    session = charge()
    settle(minutes=0)
    Settlement.objects.filter(transaction=session).update(outcome="sealed")
    found = reconciled(organization, alice)
    reconciling.check_all()

    assert found.differences == [("no_record", str(session.pk))]
    assert found.ended == sum(found.counts.values()) + 1
    [alert] = alerts(organization)
    assert alert.data["kind"] == "reconciliation"
    assert str(session.pk) in alert.data["detail"]


def test_b12_an_invoice_that_was_not_posted_is_a_difference(
    organization: Organization, alice: Actor, charge: Charge, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = factories.make_driver(alice)
    charge(driver=driver)
    settle()
    [draft] = drafting.draft(driver.billing_account, THIS_MONTH, by=alice)
    monkeypatch.setattr(posting, "post", Mock())
    invoice = issuing.issue(draft, by=alice)

    assert reconciled(organization, alice).differences == [("posting", str(invoice.pk))]


def test_b04_by_night_a_record_that_is_not_as_it_was_sealed_and_a_gap_in_a_series_are_told(
    organization: Organization, alice: Actor, charge: Charge
) -> None:
    driver = factories.make_driver(alice)
    session = charge(driver=driver)
    settle()
    issuing.issue(drafting.draft(driver.billing_account, THIS_MONTH, by=alice)[0], by=alice)
    record, series = session.cdrs.get(), InvoiceSeries.objects.get(organization=organization)
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        owner.execute("ALTER TABLE billing_cdr DISABLE TRIGGER USER")
        change = "UPDATE billing_cdr SET content = jsonb_set(content, '{forged}', '1') WHERE id = %s"
        owner.execute(change, [record.pk])
        owner.execute("ALTER TABLE billing_cdr ENABLE TRIGGER USER")
    InvoiceSeries.objects.filter(pk=series.pk).update(next_number=F("next_number") + 1)
    reconciling.check_all()
    kept = Reconciliation.objects.get(organization=organization)

    assert kept.differences == [
        {"kind": "gap", "id": str(series.pk)},
        {"kind": "digest", "id": str(record.pk)},
    ]
    assert len(alerts(organization)) == 1


def test_b16_numbers_that_a_restore_skipped_are_no_gap(
    organization: Organization, alice: Actor, charge: Charge
) -> None:
    driver = factories.make_driver(alice)
    charge(driver=driver)
    settle()
    issuing.issue(drafting.draft(driver.billing_account, THIS_MONTH, by=alice)[0], by=alice)
    series = InvoiceSeries.objects.get(organization=organization)
    first = series.next_number
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        owner.execute(backup.SKIP_NUMBERS, {"gap": backup.NUMBERS_GAP, "reason": backup.NUMBERS_SKIPPED})
    reconciling.check_all()
    series.refresh_from_db()

    assert series.next_number == first + backup.NUMBERS_GAP
    assert Reconciliation.objects.get(organization=organization).differences == []


def test_b12_no_stranger_and_nobody_without_the_permission_sees_it(
    organization: Organization, alice: Actor
) -> None:
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    with pytest.raises(NotFound):
        reconciled(organization, charlie)
    with pytest.raises(NotPermitted):
        reconciled(organization, factories.make_actor(organization, Role.VIEWER, name="bob"))
    now = clock.now()
    with pytest.raises(Invalid):
        reconciling.reconcile(organization, now, now, by=alice)


def test_b02_a_record_is_told_as_an_event_once(organization: Organization, charge: Charge) -> None:
    session = charge()
    settle()
    settle(minutes=20)
    outbox.relay()

    [told] = Event.objects.filter(type="cdr.created", organization_id=organization.pk)
    record = session.cdrs.get()
    assert told.object_id == record.pk
    assert told.data == {
        "id": str(record.pk),
        "transaction": str(session.pk),
        "total": f"{record.payable_incl_vat:.2f}",
        "currency": record.currency,
        "credit": False,
    }
