"""What a site's policy makes of a session's signed values (billing B-60, B-61, B-63, B-64)."""

import base64
import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from lxml import etree

from billing.models import BillingException, Cause, Cdr, MeterKey, SigningRule
from billing.services import signed_values
from core import clock
from core.access import Actor, Role
from core.errors import Invalid, NotPermitted
from core.models import Organization
from stations.models import ChargingStation, SignedMeterData, Site, Transaction
from stations.services import sites
from tests import factories
from tests.billing.conftest import Charge, settle
from tests.billing.ocmf.signing import Meter, reading
from tests.factories import sessions
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

pytestmark = pytest.mark.usefixtures("committed")


def keep(session: Transaction, *texts: str, key: str = "", encoding: str = "OCMF") -> None:
    for number, text in enumerate(texts):
        SignedMeterData.objects.create(
            station=session.station, transaction=session, evse_id=1, context="Transaction.End",
            occurred_at=session.started_at + timedelta(seconds=number), data=text, encoding=encoding,
            public_key=key, digest=hashlib.blake2b(text.encode(), digest_size=32).digest(),
        )  # fmt: skip


@pytest.fixture
def session(charge: Charge) -> Transaction:
    return charge(minutes=1)


def pair(meter: Meter) -> list[str]:
    return [meter.record(reading("B", 2107.38)), meter.record(reading("E", 2119.91))]


def test_b61_only_the_registered_key_makes_values_valid(
    session: Transaction, organization: Organization, alice: Actor
) -> None:
    meter = Meter(serial=factories.unique("M"))
    keep(session, *pair(meter), key=meter.public_key)
    assert signed_values.judge(session).reasons == ("key_missing",)

    signed_values.register_key(organization, meter.serial, meter.public_key, by=alice)
    found = signed_values.judge(session)
    assert (found.state, found.energy_kwh, found.blocks) == ("valid", Decimal("12.53"), False)


def test_b61_a_key_sent_along_that_is_another_one_is_told(
    session: Transaction, organization: Organization, alice: Actor
) -> None:
    meter = Meter(serial=factories.unique("M"))
    keep(session, *pair(meter), key=Meter().public_key)
    signed_values.register_key(organization, meter.serial, meter.public_key, by=alice)
    assert signed_values.judge(session).reasons == ("key_of_another_meter",)


def test_b61_after_an_exchange_of_meters_each_session_is_checked_with_the_key_of_its_time(
    charge: Charge, organization: Organization, alice: Actor
) -> None:
    """Three meters of one serial number, one after the other; the second was taken out today."""
    serial, now = factories.unique("M"), clock.now()
    meters = [Meter(serial=serial) for _one in range(3)]
    for meter, out in zip(meters, (now - timedelta(days=9), now - timedelta(minutes=30), None), strict=True):
        key = signed_values.register_key(organization, serial, meter.public_key, by=alice)
        MeterKey.objects.filter(pk=key.pk).update(retired_at=out)
    begins = [now - timedelta(days=10), now - timedelta(hours=1), now - timedelta(minutes=10)]
    found = []
    for begun in begins:
        for meter in meters:
            session = charge(minutes=1)
            session.started_at = begun
            keep(session, *pair(meter))
            judged = signed_values.judge(session)
            found.append((judged.state, judged.public_key))
            assert f'<publicKey encoding="plain">{judged.public_key}<' in signed_values.container(session)

    valid, keys = [state == "valid" for state, _key in found], [meter.public_key for meter in meters]
    assert valid == [True, False, False, False, True, False, False, False, True]
    assert [key for _state, key in found] == [key for key in keys for _time in range(3)]


def test_b61_a_session_during_which_the_meter_was_exchanged_is_not_valid_with_either_key(
    session: Transaction, organization: Organization, alice: Actor
) -> None:
    serial = factories.unique("M")
    old, new = Meter(serial=serial), Meter(serial=serial)
    key = signed_values.register_key(organization, serial, old.public_key, by=alice)
    MeterKey.objects.filter(pk=key.pk).update(retired_at=session.started_at + timedelta(seconds=5))
    signed_values.register_key(organization, serial, new.public_key, by=alice)
    keep(session, old.record(reading("B", 2107.38)), new.record(reading("E", 2119.91)))

    assert signed_values.judge(session).state == "invalid"


def test_b60_base64_is_opened_and_other_formats_are_kept_unverified(session: Transaction) -> None:
    text = Meter(serial="none").record(reading("B", 1), reading("E", 2))
    keep(session, base64.b64encode(text.encode()).decode())
    assert signed_values.judge(session).energy_kwh == Decimal(1)
    SignedMeterData.objects.filter(transaction=session).update(data="EDL40|AAFF", encoding="EDL")
    found = signed_values.judge(session)
    assert (found.state, found.blocks) == ("unsupported", False)
    assert (
        etree.fromstring(signed_values.container(session).encode()).findtext(".//signedData") == "EDL40|AAFF"
    )


def test_b63_required_blocks_what_is_not_valid_and_off_looks_at_nothing(
    session: Transaction, alice: Actor
) -> None:
    site: Site = sites.create({"name": factories.unique("Site"), "time_zone": "Europe/Berlin"}, by=alice)
    session.site = site
    signed_values.set_policy(site, SigningRule.REQUIRED, by=alice)
    assert signed_values.judge(session).blocks
    keep(session, *pair(Meter(serial="none")))
    assert signed_values.judge(session).blocks
    signed_values.set_policy(site, SigningRule.OFF, by=alice)
    assert signed_values.judge(session).content() is None


def test_b63_a_session_whose_site_requires_signed_values_waits_without_them_and_is_sealed_with_them(
    charge: Charge, organization: Organization, alice: Actor
) -> None:
    meter = Meter(serial=factories.unique("M"))
    signed_values.register_key(organization, meter.serial, meter.public_key, by=alice)
    site: Site = sites.create({"name": factories.unique("Site"), "time_zone": "Europe/Berlin"}, by=alice)
    signed_values.set_policy(site, SigningRule.REQUIRED, by=alice)
    unsigned, lying, signed = charge(12_530), charge(12_530), charge(12_530)
    Transaction.objects.filter(pk__in=[unsigned.pk, lying.pk, signed.pk]).update(site=site)
    keep(lying, *(text.replace("2119.91", "2129.91") for text in pair(meter)), key=meter.public_key)
    keep(signed, *pair(meter), key=meter.public_key)
    settle()

    causes = dict(BillingException.objects.values_list("transaction", "cause"))
    assert (causes.get(unsigned.pk), causes.get(lying.pk)) == (Cause.SIGNATURE, Cause.SIGNATURE)
    assert signed.pk not in causes
    assert not Cdr.objects.filter(transaction__in=[unsigned, lying]).exists()
    kept = Cdr.objects.get(transaction=signed).content["signed_data"]
    assert (kept["valid"], kept["begin"], kept["end"]) == (True, "2107.38", "2119.91")


def test_b62_a_meter_whose_time_failed_bills_energy_and_no_time(
    charge: Charge, station: ChargingStation, organization: Organization, alice: Actor
) -> None:
    meter = Meter(serial=factories.unique("M"))
    signed_values.register_key(organization, meter.serial, meter.public_key, by=alice)
    site: Site = sites.create({"name": factories.unique("Site"), "time_zone": "Europe/Berlin"}, by=alice)
    signed_values.set_policy(site, SigningRule.REQUIRED, by=alice)
    by_energy = charge(12_530)
    priced(alice, element(component("ENERGY", "0.50"), component("PARKING_TIME", "6.00")), place=station)
    by_time = charge(12_530)
    for session in (by_energy, by_time):
        Transaction.objects.filter(pk=session.pk).update(site=site)
        keep(session, meter.record(reading("B", 2107.38), reading("E", 2119.91, EF="t")))
        sessions.say(session, "Charging", minutes_ago=60)
    settle()

    assert Cdr.objects.get(transaction=by_energy).content["signed_data"]["valid"] is True
    doubt = BillingException.objects.get(transaction=by_time)
    assert (doubt.cause, doubt.detail) == (Cause.SIGNATURE, "time_error_flag")
    assert not Cdr.objects.filter(transaction=by_time).exists()


def test_b64_the_container_holds_every_record_as_it_came(session: Transaction) -> None:
    texts = pair(Meter(serial="none"))
    keep(session, *texts, key="04AA")
    root = etree.fromstring(signed_values.container(session).encode())
    assert [one.text for one in root.iterfind("value/signedData")] == texts
    assert [one.get("context") for one in root] == ["Transaction.Begin", "Transaction.End"]
    assert [one.text for one in root.iterfind("value/publicKey")] == ["04AA", "04AA"]


def test_keys_are_registered_by_who_may_and_only_if_they_are_keys(
    organization: Organization, alice: Actor
) -> None:
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    with pytest.raises(NotPermitted):
        signed_values.register_key(organization, "M-1", Meter().public_key, by=bob)
    with pytest.raises(Invalid):
        signed_values.register_key(organization, "M-1", "hello", by=alice)


def test_b64_a_driver_sees_the_result_and_downloads_the_file_and_nobody_else_does(
    charge: Charge, alice: Actor, organization: Organization
) -> None:
    membership = factories.make_member(organization, name="dora")
    driver = factories.make_driver(alice)
    driver.user = membership.user
    driver.save(update_fields=["user"])
    session = charge(minutes=1, driver=driver)
    meter = Meter(serial=factories.unique("M"))
    keep(session, *pair(meter))
    signed_values.register_key(organization, meter.serial, meter.public_key, by=alice)
    dora, eve = Client(), Client()
    dora.force_login(membership.user, backend="django.contrib.auth.backends.ModelBackend")
    eve.force_login(
        factories.make_member(organization, name="eve").user, backend=dora.session["_auth_user_backend"]
    )

    page = dora.get(f"/me/sessions/{session.pk}/").content.decode()
    assert "2107.38 – 2119.91 kWh" in page
    assert "The signature of the meter was checked and holds." in page
    assert meter.public_key in page
    assert b"OCMF|" in dora.get(f"/me/sessions/{session.pk}/signed/").content
    assert eve.get(f"/me/sessions/{session.pk}/signed/").status_code == 404
