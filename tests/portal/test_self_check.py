"""`manage.py self_check` on its command line: quiet where all is well, exit code 1 where it is not (W-37)."""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from core.models import AuditEntry
from portal import self_check
from portal.self_check import FLOORS
from stations.models import ChargingStation, StationCredential
from stations.services import access, stations
from tests import factories
from tests.running import ROOT

SOUND = {
    "SECRET_KEY": "vJ8-random-enough-for-this-test-0123456789-abcdefghij",
    "DATA_KEYS": "k1:Y0hXc2Rmb2lqd2VvaWZqb3dlaWZqb3dlaWZqb3dlaWY=",
    "ALLOWED_HOSTS": "portal.example.org",
    "PUBLIC_URL": "https://portal.example.org",
    "OCPP_TRUSTED_PROXY_SECRET": "set",
    "VALKEY_URL": "redis://:word@127.0.0.1:1/0",
}


def check(**changed: str) -> tuple[int, str]:
    """With production settings of an installation that is sound but for what is changed."""
    kept = {name: os.environ[name] for name in ("PATH", "DATABASE_URL", "DATA_DIR")}
    environment = {**kept, **SOUND, "DJANGO_SETTINGS_MODULE": "portal.settings.production", **changed}
    command = [sys.executable, "manage.py", "self_check"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert not ran.stderr, ran.stderr
    return ran.returncode, ran.stdout


def findings(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("FINDING")]


def test_w37_a_sound_installation_has_no_finding_and_lists_what_was_looked_at(committed: None) -> None:
    code, said = check()

    assert (code, findings(said)) == (0, [])
    for package in (*FLOORS, "PostgreSQL"):
        assert f"{package} " in said
    assert "https" in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"PUBLIC_URL": "http://portal.example.org"}, "plain http"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is short"),
        ({"SECRET_KEY": "django-insecure-" + "x" * 40}, "ships with the source"),
        ({"DATA_KEYS": "dev:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "DATA_KEYS"),
        ({"VALKEY_URL": "redis://127.0.0.1:1/0"}, "Valkey"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"OCPP_ALLOW_UNAUTHENTICATED": "1"}, "OCPP_ALLOW_UNAUTHENTICATED"),
    ],
)
def test_w37_what_is_wrong_is_a_finding_and_ends_with_1(
    committed: None, changed: dict[str, str], said: str
) -> None:
    code, printed = check(**changed)

    assert code == 1
    assert len(findings(printed)) == 1
    assert said in findings(printed)[0]


def test_w37_a_station_without_any_proof_is_a_finding_by_name(committed: None) -> None:
    actor = access.actor_of_member(factories.make_member(factories.make_organization()))
    station, _ = factories.make_station(actor)
    ChargingStation.objects.filter(pk=station.pk).update(security_profile=0)
    code, said = check()
    stations.retire(station, by=actor)

    assert code == 1
    assert [line for line in findings(said) if station.identity in line]
    assert check()[0] == 0


def test_k05_a_key_that_passwords_still_need_and_that_is_not_given_is_a_finding(committed: None) -> None:
    key_id = f"gone-{secrets.token_hex(4)}"
    actor = access.actor_of_member(factories.make_member(factories.make_organization()))
    station, _ = factories.make_station(actor)
    AuditEntry.objects.create(
        actor="system:up",
        action="data_key.first_used",
        object_type="data_key",
        object_id=key_id,
        object_label=key_id,
        changes={"fingerprint": [None, "00"]},
    )
    unused = check()
    passwords = StationCredential.objects.filter(station=station)
    before = passwords.get().key_id
    passwords.update(key_id=key_id)
    code, said = check()
    passwords.update(key_id=before)

    assert unused[0] == 0, unused[1]
    assert code == 1
    assert [line.partition("DATA_KEYS")[2] for line in findings(said)] == [
        f" lacks the key '{key_id}', which 1 passwords of stations need. Add it again."
    ]


def test_the_lock_file_keeps_the_floors() -> None:
    locked = Path(ROOT, "requirements/base.txt").read_text(encoding="utf-8")
    for package, floor in FLOORS.items():
        found = re.search(rf"(?im)^{package}==([\d.]+)", locked)
        assert found, package
        assert self_check._numbers(found[1]) >= floor


def test_the_secrets_that_up_makes_are_none_of_the_shipped_ones() -> None:
    assert len(secrets.token_urlsafe(50)) >= self_check.SHORTEST_SECRET
