"""The units of deploy/systemd: what systemd itself says of them, and that what they start is there."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.edges import DEPLOY, find
from tests.deploy.starting import FAMILY_ENDS_S, check_command, drain_s, unknown_settings
from tests.running import ROOT

UNITS = DEPLOY / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
INSTALLED = "/opt/chargeyard"
MOST_EXPOSURE = 20  # tenths of systemd's own mark from 0 to 10


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units with the place of this checkout, each template with an instance."""
    place = tmp_path_factory.mktemp("units")
    shutil.copytree(UNITS, place, dirs_exist_ok=True)
    for path in (path for path in place.rglob("*") if path.is_file()):
        path.write_text(path.read_text().replace(INSTALLED, str(ROOT)))
    for template in place.glob("*@.service"):
        template.with_name(template.name.replace("@", "@1")).symlink_to(template.name)
    return place


def say(program: str, *words: str, units: Path) -> str:
    found = find(program, package="systemd", what="the systemd units")
    known = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:/lib/systemd/system"}
    done = subprocess.run([found, *words], env=known, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def options(path: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", path.read_text(), re.MULTILINE)


def test_systemd_finds_no_fault_in_any_unit(installed: Path) -> None:
    units = [
        str(path)
        for path in installed.iterdir()
        if path.suffix in {".service", ".target", ".timer"} and "@." not in path.name
    ]
    assert len(units) == len(SERVICES) + 2

    said = say("systemd-analyze", "verify", *units, units=installed)

    assert [line for line in said.splitlines() if "chargeyard" in line] == []


def test_systemd_calls_every_service_well_confined(installed: Path) -> None:
    services = [str(path) for path in installed.glob("*.service") if "@." not in path.name]

    said = say(
        *("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager"),
        *services,
        units=installed,
    )

    assert len(re.findall(r"Overall exposure level for chargeyard-\S+: (\d\.\d) OK", said)) == len(SERVICES)


def test_the_user_is_made_and_the_edges_user_may_reach_the_sockets(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()

    say("systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.conf"), units=UNITS)

    groups = (tmp_path / "etc/group").read_text()
    assert re.search(r"^chargeyard:x:\d+:(\S+,)?www-data$", groups, re.MULTILINE)
    assert re.search(
        r"^d /run/chargeyard +0750 chargeyard chargeyard -$", (UNITS / "tmpfiles.conf").read_text(), re.M
    )


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_every_service_starts_what_there_is(path: Path) -> None:
    [line] = options(path, "ExecStart")
    words = shlex.split(line.replace("%%", "%"))
    if words[:2] == ["/bin/sh", "-c"]:
        words = shlex.split(words[2].removeprefix("exec "))
    assert words.pop(0) == f"{INSTALLED}/.venv/bin/python"

    check_command(words)


def test_a_service_is_given_longer_to_end_than_it_takes() -> None:
    def patience(name: str) -> float:
        return float(options(UNITS / name, "TimeoutStopSec")[0])

    assert patience("chargeyard-gateway@.service") > drain_s()
    assert patience("chargeyard-web@.service") > drain_s()
    assert patience("chargeyard-up.service") > FAMILY_ENDS_S


def test_every_variable_of_the_env_files_is_one_that_the_portal_reads() -> None:
    names = {
        name
        for path in DEPLOY.glob("*.env.example")
        for name in re.findall(r"^#?([A-Z0-9_]+)=", path.read_text(), re.MULTILINE)
    }

    assert {"SECRET_KEY", "DATABASE_URL", "DATABASE_OWNER_URL"} <= names
    assert unknown_settings(names) == set()


def test_only_what_changes_the_schema_or_copies_it_knows_its_owner() -> None:
    knowing = {path.name for path in SERVICES if "/etc/chargeyard/owner.env" in path.read_text()}

    assert knowing == {"chargeyard-setup.service", "chargeyard-backup.service"}
    assert "DATABASE_OWNER_URL" not in (DEPLOY / "chargeyard.env.example").read_text()


def test_the_timetable_runs_once() -> None:
    beats = [path.name for path in SERVICES if " beat " in path.read_text()]

    assert beats == ["chargeyard-beat.service"]
