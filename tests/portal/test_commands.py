"""The commands of a person: accounts, members and keys, on the command line."""

import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from core.models import ApiKey, AuditEntry, Membership, Organization, User
from core.services import keys
from stations.models import Site, SiteLimit
from tests.portal.up import run_to_end

pytestmark = pytest.mark.django_db
KEYS = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DEPLOYED = {
    "SECRET_KEY": "of no deployment",
    "ALLOWED_HOSTS": "portal.example.org",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere",
    "DATABASE_POOL_TIMEOUT": "1",
}


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


def test_a_deployments_setup_makes_nobody_and_prints_no_password(db: None) -> None:
    User.objects.filter(is_superuser=True).update(is_active=False)  # who was there would hide a new one
    before = User.objects.count()

    assert run("setup", "--without-administrator") == ""
    assert User.objects.count() == before
    assert '"password"' in run("setup")


def test_a_member_gets_an_account_a_role_and_sites(acme: Organization) -> None:
    site = Site.objects.create(organization=acme, name="Harbour")

    printed = run(
        "add_member", "bob@example.org", "--organization", "acme", "--role", "technician", "--site", "Harbour"
    )

    membership = Membership.objects.get(user__email="bob@example.org", organization=acme)
    assert membership.role == "technician"
    assert SiteLimit.objects.get(membership=membership).site == site
    assert membership.user.check_password(printed.split()[-1])


def test_adding_a_member_again_lifts_no_limit_unless_told_so(acme: Organization) -> None:
    for name in ("Harbour", "Airport"):
        Site.objects.create(organization=acme, name=name)
    words = ("add_member", "bob@example.org", "--organization", "acme", "--role")
    run(*words, "technician", "--site", "Harbour")

    printed = run(*words, "admin")

    membership = Membership.objects.get(user__email="bob@example.org", organization=acme)
    assert membership.role == "admin"
    assert SiteLimit.objects.get(membership=membership).site.name == "Harbour"
    assert "at Harbour" in printed
    assert "Password" not in printed

    run(*words, "admin", "--site", "Airport")
    assert SiteLimit.objects.get(membership=membership).site.name == "Airport"
    limited = AuditEntry.objects.filter(action="member.limited", object_id=membership.pk).latest("id")
    assert limited.changes == {"sites": [["Harbour"], ["Airport"]]}


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


# -- as a process: what a person reads where the deployment is at fault -------------------------------------


def manage(place: Path, *words: str, **environment: str) -> tuple[int, str]:
    return run_to_end([sys.executable, "manage.py", *words, "--data-dir", str(place)], **environment)


def test_a_command_without_a_running_portal_says_so_in_one_line(tmp_path: Path) -> None:
    code, terminal = manage(tmp_path, "create_organization", "acme")

    assert code == 1
    assert f"No portal runs on the data directory {tmp_path}: start `manage.py up`" in terminal
    assert len(terminal.strip().splitlines()) == 1


def test_a_setting_that_cannot_be_read_is_named_in_one_line(tmp_path: Path) -> None:
    code, terminal = manage(tmp_path, "create_organization", "acme", OCPP_CALL_TIMEOUT="soon")

    assert code == 1
    assert terminal.startswith("OCPP_CALL_TIMEOUT cannot be read")
    assert len(terminal.strip().splitlines()) == 1


@pytest.mark.parametrize("keys_given", ["rubbish", "k1:AAAA", "k1:no base64"])
def test_data_keys_that_cannot_be_read_end_the_start_before_the_database_is_touched(
    tmp_path: Path, keys_given: str
) -> None:
    code, terminal = manage(tmp_path, "setup", **DEPLOYED, DATA_KEYS=keys_given)

    assert code == 1
    assert terminal.startswith("DATA_KEYS: the key")
    assert len(terminal.strip().splitlines()) == 1


def test_a_database_that_is_away_is_said_in_the_last_line(tmp_path: Path) -> None:
    code, terminal = manage(tmp_path, "create_organization", "acme", **DEPLOYED, DATA_KEYS=KEYS)

    assert code == 1
    assert terminal.splitlines()[-1].startswith("The database does not serve: ")
    assert "Traceback" not in terminal
