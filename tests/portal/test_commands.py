"""The commands of a person: accounts, members and keys, on the command line."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.models import ApiKey, Membership, Organization, User
from core.services import keys
from stations.models import Site, SiteLimit

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    output = StringIO()
    call_command(*words, stdout=output)
    return output.getvalue()


@pytest.fixture
def acme(db: None) -> Organization:
    run("create_organization", "acme", "--name", "Acme Charging")
    return Organization.objects.get(slug="acme")


def test_an_organization_is_made_with_its_name(acme: Organization) -> None:
    assert acme.name == "Acme Charging"


def test_a_taken_or_impossible_short_name_is_refused(acme: Organization) -> None:
    with pytest.raises(CommandError, match="already an organization"):
        run("create_organization", "acme", "--name", "Another")
    with pytest.raises(CommandError, match="letters, digits"):
        run("create_organization", "a b")


def test_an_administrator_gets_a_password_that_is_printed_once_and_works(db: None) -> None:
    printed = run("create_admin", "alice@example.org")

    alice = User.objects.get(email="alice@example.org")
    assert alice.is_superuser
    assert alice.check_password(printed.split()[-1])


def test_an_administrator_takes_the_password_of_the_environment_silently(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALICES_PASSWORD", "correct horse battery")

    printed = run("create_admin", "alice@example.org", "--password-env", "ALICES_PASSWORD")

    assert User.objects.get(email="alice@example.org").check_password("correct horse battery")
    assert "correct horse" not in printed


def test_a_password_variable_that_is_not_set_and_a_wrong_address_are_refused(db: None) -> None:
    with pytest.raises(CommandError, match="NOWHERE"):
        run("create_admin", "alice@example.org", "--password-env", "NOWHERE")
    with pytest.raises(CommandError):
        run("create_admin", "not an address")
    assert not User.objects.filter(email="alice@example.org").exists()


def test_a_member_gets_an_account_a_role_and_sites(acme: Organization) -> None:
    site = Site.objects.create(organization=acme, name="Harbour")

    printed = run(
        "add_member", "bob@example.org", "--organization", "acme", "--role", "technician", "--site", "Harbour"
    )

    membership = Membership.objects.get(user__email="bob@example.org", organization=acme)
    assert membership.role == "technician"
    assert SiteLimit.objects.get(membership=membership).site == site
    assert membership.user.check_password(printed.split()[-1])


def test_an_unknown_site_or_organization_makes_no_member(acme: Organization) -> None:
    with pytest.raises(CommandError, match="no site"):
        run(
            "add_member", "bob@example.org", "--organization", "acme", "--role", "viewer", "--site", "Nowhere"
        )
    with pytest.raises(CommandError, match="no organization"):
        run("add_member", "bob@example.org", "--organization", "other", "--role", "viewer")
    assert not User.objects.filter(email="bob@example.org").exists()


def test_an_api_key_is_alone_on_the_last_line_and_works(acme: Organization) -> None:
    printed = run(
        *("create_api_key", "--organization", "acme", "--name", "billing"),
        *("--scope", "stations:read", "transactions:read", "--scope", "sites:read"),
    )

    key = keys.find(printed.splitlines()[-1], address="127.0.0.1")
    assert key == ApiKey.objects.get(organization=acme)
    assert set(key.scopes) == {"stations:read", "transactions:read", "sites:read"}


def test_an_unknown_scope_is_refused_with_those_there_are(acme: Organization) -> None:
    with pytest.raises(CommandError, match="stations:read"):
        run("create_api_key", "--organization", "acme", "--name", "x", "--scope", "everything")
    assert not ApiKey.objects.filter(organization=acme).exists()
