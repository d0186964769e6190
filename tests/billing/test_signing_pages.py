"""Keys of meters and the rule of each site, as administrators keep them (billing B-61, B-63)."""

import pytest
from django.test import Client

from billing.models import MeterKey, SitePolicy
from billing.services import signed_values
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from stations.models import Transaction
from stations.services import sites
from tests import factories
from tests.billing.conftest import Charge
from tests.billing.ocmf.signing import Meter, reading
from tests.billing.ocmf.test_judging import keep
from tests.billing.pages import alice, browser, limited, member, organization, viewer

__all__ = ["alice", "browser", "limited", "member", "organization", "viewer"]
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def home(organization: Organization) -> str:
    return f"/o/{organization.slug}/settings/signing/"


def test_b61_a_key_is_registered_shown_and_replaced_and_what_is_none_is_told_at_its_field(
    browser: Client, home: str, organization: Organization
) -> None:
    first, second = Meter(serial="M-77"), Meter(serial="M-77")
    wrong = browser.post(home, {"serial": "M-77", "public_key": "hello"})
    assert wrong.status_code == 422
    assert "This is not a public key" in wrong.content.decode()
    assert not MeterKey.objects.filter(organization=organization).exists()

    for meter in (first, second):
        assert browser.post(home, {"serial": "M-77", "public_key": meter.public_key}).status_code == 302
    page = browser.get(f"{home}?q=m-7").content.decode()

    assert MeterKey.objects.get(organization=organization).public_key == second.public_key
    assert second.public_key in page
    assert first.public_key not in page
    assert "M-77" not in browser.get(f"{home}?q=other").content.decode()


def test_b61_a_retired_key_counts_for_sessions_from_before_and_its_serial_is_free_again(
    browser: Client, home: str, charge: Charge, organization: Organization, alice: Actor
) -> None:
    meter, following = Meter(serial=factories.unique("M")), Meter()
    session = charge(minutes=1)
    keep(session, meter.record(reading("B", 1)), meter.record(reading("E", 2)))
    key = signed_values.register_key(organization, meter.serial, meter.public_key, by=alice)

    assert browser.post(f"{home}{key.pk}/retire/").status_code == 302
    assert browser.post(f"{home}{key.pk}/retire/").status_code == 409
    assert signed_values.judge(session).state == "valid"
    assert meter.serial not in browser.get(home).content.decode()
    assert meter.serial in browser.get(f"{home}?tab=retired").content.decode()
    assert AuditEntry.objects.filter(action="meter_key.retired", object_id=str(key.pk)).count() == 1

    Transaction.objects.filter(pk=session.pk).update(started_at=clock.now())
    session.refresh_from_db()
    assert signed_values.judge(session).reasons == ("key_missing",)
    signed_values.register_key(organization, meter.serial, following.public_key, by=alice)
    assert "signature_wrong" in signed_values.judge(session).reasons


def test_b63_the_rule_of_a_site_is_chosen_and_what_is_none_is_refused(
    browser: Client, home: str, alice: Actor
) -> None:
    site = sites.create({"name": factories.unique("Site"), "time_zone": "Europe/Berlin"}, by=alice)
    assert site.name in browser.get(f"{home}sites/").content.decode()
    assert browser.post(f"{home}sites/{site.pk}/", {"rule": "sometimes"}).status_code == 422
    assert not SitePolicy.objects.filter(pk=site.pk).exists()
    chosen = {"rule": "required", "synchronized_clock": "on"}
    assert browser.post(f"{home}sites/{site.pk}/", chosen).status_code == 302
    policy = SitePolicy.objects.get(pk=site.pk)
    assert (policy.rule, policy.synchronized_clock) == ("required", True)


def test_w01_only_who_may_change_the_whole_organization_reaches_keys_and_rules(
    limited: Client, viewer: Client, home: str, organization: Organization, alice: Actor
) -> None:
    key = signed_values.register_key(organization, "M-1", Meter().public_key, by=alice)
    site = sites.create({"name": factories.unique("Site"), "time_zone": "Europe/Berlin"}, by=alice)
    other = factories.make_member(factories.make_organization(demo=True), name="charlie")
    stranger = Client()
    stranger.force_login(other.user)

    assert [limited.get(f"{home}{path}").status_code for path in ("", "sites/")] == [403, 403]
    for client, at in (
        (limited, home),
        (viewer, home),
        (stranger, f"/o/{other.organization.slug}/settings/signing/"),
    ):
        assert client.post(f"{at}{key.pk}/retire/").status_code in (403, 404)
        assert client.post(f"{at}sites/{site.pk}/", {"rule": "off"}).status_code in (403, 404)
    for client in (limited, viewer):
        values = {"serial": "M-2", "public_key": Meter().public_key}
        assert client.post(home, values).status_code == 403
    key.refresh_from_db()
    assert key.retired_at is None
    assert MeterKey.objects.filter(organization=organization).count() == 1
    assert not SitePolicy.objects.filter(pk=site.pk).exists()
