"""Roles, members, audit: the rules that every page and route relies on."""

import pytest
from django.db import DatabaseError, connection
from django.db.transaction import atomic
from django.test.utils import CaptureQueriesContext

from core import audit
from core.access import ROLE_PERMISSIONS, Permission, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Membership
from core.services import accounts, keys
from drivers import authorization
from drivers.models import IdToken
from drivers.services import tokens
from stations.domain import intents
from stations.domain.intents import VariableItem
from stations.models import ChargingStation, Site
from stations.services import access, commands, sites, stations
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        (Role.VIEWER, Permission.STATIONS_VIEW, Permission.COMMANDS_SESSION),
        (Role.SUPPORT, Permission.COMMANDS_SESSION, Permission.COMMANDS_STATION),
        (Role.SUPPORT, Permission.DRIVERS_MANAGE, Permission.STATIONS_EDIT),
        (Role.TECHNICIAN, Permission.STATIONS_EDIT, Permission.SECURITY_MANAGE),
        (Role.TECHNICIAN, Permission.COMMANDS_STATION, Permission.DRIVERS_VIEW),
        (Role.BILLING, Permission.INVOICES_MANAGE, Permission.COMMANDS_SESSION),
        (Role.ADMIN, Permission.COMMANDS_EXPERT, None),
    ],
)
def test_a_role_may_what_the_matrix_says(role: Role, may: Permission, may_not: Permission | None) -> None:
    actor = factories.make_actor(factories.make_organization(), role)

    actor.require(may)
    if may_not:
        with pytest.raises(NotPermitted, match=may_not.value):
            actor.require(may_not)


def test_every_role_may_see_stations() -> None:
    assert all(Permission.STATIONS_VIEW in permissions for permissions in ROLE_PERMISSIONS.values())


def test_two_organizations_never_see_each_other() -> None:
    alice = factories.make_actor(factories.make_organization())
    charlie = factories.make_actor(factories.make_organization(), name="charlie")
    station, _ = factories.make_station(alice)

    assert list(ChargingStation.objects.visible_to(alice)) == [station]
    assert list(ChargingStation.objects.visible_to(charlie)) == []
    with pytest.raises(NotFound):
        stations.update(station, {"name": "mine"}, by=charlie)
    with pytest.raises(NotFound):
        stations.retire(station, by=charlie)
    with pytest.raises(NotFound):
        stations.new_password(station, by=charlie)


def test_a_member_limited_to_a_site_sees_only_what_stands_there() -> None:
    organization = factories.make_organization()
    alice = factories.make_actor(organization)
    near, _ = factories.make_station(alice)
    far_site = sites.create({"name": "Far", "time_zone": "UTC"}, by=alice)
    far, _ = factories.make_station(alice, site=far_site)
    membership = factories.make_member(organization, Role.TECHNICIAN, "bob")
    access.limit_member(membership, ["Far"], by=alice)
    bob = access.actor_of_member(membership)

    assert list(ChargingStation.objects.visible_to(bob)) == [far]
    assert list(Site.objects.visible_to(bob)) == [far_site]
    with pytest.raises(NotFound):
        stations.update(near, {"name": "x"}, by=bob)


def test_the_last_administrator_cannot_be_removed_or_demoted() -> None:
    organization = factories.make_organization()
    membership = factories.make_member(organization)
    alice = access.actor_of_member(membership)

    with pytest.raises(Conflict):
        accounts.remove_member(membership, by=alice)
    with pytest.raises(Conflict):
        accounts.change_role(membership, Role.VIEWER, by=alice)

    assert Membership.objects.get(pk=membership.pk).role == Role.ADMIN


def test_every_write_leaves_an_audit_row_with_its_actor() -> None:
    alice = factories.make_actor(factories.make_organization())
    station, _ = factories.make_station(alice)
    stations.update(station, {"name": "Entrance"}, by=alice)

    entry = AuditEntry.objects.filter(object_id=str(station.pk)).first()

    assert entry is not None
    assert entry.actor == alice.label
    assert entry.action == "station.changed"
    assert entry.changes == {"name": ["", "Entrance"]}


def test_an_audit_row_can_be_neither_changed_nor_deleted() -> None:
    alice = factories.make_actor(factories.make_organization())
    station, _ = factories.make_station(alice)
    entry = audit.record("test.done", station, by=alice)

    with pytest.raises(DatabaseError), atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(actor="nobody")
    with pytest.raises(DatabaseError), atomic():
        AuditEntry.objects.filter(pk=entry.pk).delete()


def test_a_stations_password_is_in_no_table_and_no_audit_row() -> None:
    alice = factories.make_actor(factories.make_organization())
    station, password = factories.make_station(alice)

    stored = str(list(station.credentials.values())) + str(list(AuditEntry.objects.values()))

    assert password not in stored
    assert bytes.fromhex(password).hex() not in stored


def test_who_is_limited_to_sites_cannot_lift_the_limit() -> None:
    organization = factories.make_organization()
    alice = factories.make_actor(organization)
    site = factories.make_station(alice)[0].site
    member = factories.make_member(organization, Role.ADMIN, "bob")
    access.limit_member(member, [site.name, str(site.pk)], by=alice)
    bob = access.actor_of_member(member)

    with pytest.raises(NotFound):
        access.limit_member(member, [], by=bob)
    with pytest.raises(NotFound):
        keys.create(organization, name="way out", scopes=["*"], by=bob)
    assert not bob.can(Permission.AUDIT_VIEW)
    assert not bob.can(Permission.ORG_USERS)


def test_who_is_limited_to_sites_keeps_tokens_all_the_same() -> None:
    organization = factories.make_organization()
    alice = factories.make_actor(organization)
    member = factories.make_member(organization, Role.SUPPORT, "bob")
    access.limit_member(member, [factories.make_station(alice)[0].site.name], by=alice)
    token = factories.make_token(alice)

    tokens.block(token, reason="lost", by=access.actor_of_member(member))

    assert IdToken.objects.get(pk=token.pk).status == "blocked"


def test_whoever_may_restart_softly_may_take_it_back() -> None:
    organization = factories.make_organization()
    station, _ = factories.make_station(factories.make_actor(organization))
    support = factories.make_actor(organization, Role.SUPPORT, "sue")
    command = commands.issue(station, intents.ResetStation(kind="on_idle"), by=support, if_offline="wait")

    assert commands.cancel(command, by=support).status == "cancelled"


@pytest.mark.parametrize(
    "intent",
    [
        intents.UnlockConnector(evse_id=10**10, connector_id=1),
        intents.UnlockConnector(evse_id=1, connector_id=-1),
        intents.GetVariables(items=(VariableItem(variable="a\x00b"),)),
    ],
)
def test_a_command_that_cannot_be_stored_is_refused(intent: intents.Intent) -> None:
    alice = factories.make_actor(factories.make_organization())
    station, _ = factories.make_station(alice)

    with pytest.raises(Invalid):
        commands.issue(station, intent, by=alice)


def test_adding_a_member_again_changes_nothing_and_says_so() -> None:
    organization = factories.make_organization()
    member = factories.make_member(organization, Role.VIEWER)

    with pytest.raises(Conflict, match="member already"):
        accounts.add_member(member.user.email, organization, Role.ADMIN, by=factories.SYSTEM)

    member.refresh_from_db()
    assert member.role == Role.VIEWER


def test_giving_a_member_another_role_is_recorded_as_a_change_of_role() -> None:
    organization = factories.make_organization()
    member = factories.make_member(organization, Role.VIEWER)

    accounts.give_role(member.user.email, organization, Role.BILLING, by=factories.SYSTEM)

    acts = AuditEntry.objects.filter(object_id=member.pk).order_by("id").values_list("action", flat=True)
    assert list(acts) == ["member.added", "member.role_changed"]


def test_a_token_is_found_by_the_index_that_keeps_tokens_apart() -> None:
    alice = factories.make_actor(factories.make_organization())
    token = factories.make_token(alice, "04AbCd")

    with CaptureQueriesContext(connection) as seen:
        assert authorization.find(alice.home, "04aBcD") == token

    assert "lower(it.value)" in seen[0]["sql"]
    assert "UPPER" not in seen[0]["sql"]
