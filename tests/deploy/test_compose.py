"""deploy/compose: what is started is there, what is set is read, nothing is open that need not be (W-33)."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_django import Settings

from billing.documents import pdf
from core import keys
from tests.deploy.edges import DEPLOY, replaced
from tests.deploy.starting import check_command, drain_s, unknown_settings
from tests.running import ROOT

COMPOSE = DEPLOY / "compose"
DOCUMENT: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
PORTAL = ["setup", "gateway", "web", "worker", "beat", "ftp"]
REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)(:?[-?][^}]*)?\}")


@pytest.mark.parametrize("name", PORTAL)
def test_every_service_of_the_portal_starts_what_there_is(name: str) -> None:
    words = SERVICES[name]["command"]
    assert words[0] == "python"

    check_command(words[1:])


@pytest.mark.parametrize("name", PORTAL)
def test_every_variable_that_is_set_is_one_that_the_portal_reads(name: str) -> None:
    environment = SERVICES[name]["environment"]

    assert unknown_settings(environment) == set()
    assert {"SECRET_KEY", "DATA_KEYS", "ALLOWED_HOSTS", "DATABASE_URL", "VALKEY_URL"} <= set(environment)
    assert ("DATABASE_OWNER_URL" in environment) == (name == "setup")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", service["user"])
    assert "privileged" not in service


def test_only_the_edge_is_reached_from_outside_and_servers_reach_nothing_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["ftp", "nginx"]
    assert SERVICES["ftp"]["profiles"] == ["ftp"]
    assert SERVICES["nginx"]["networks"] == ["front"]
    assert {name for name in SERVICES if SERVICES[name]["networks"] == ["back"]} == {
        "postgres",
        "pgbouncer",
        "valkey",
    }
    assert DOCUMENT["networks"]["back"] == {"internal": True}


def test_the_schema_comes_first_and_chargers_are_sent_away_gently() -> None:
    for name in ("gateway", "web", "worker", "beat"):
        assert SERVICES[name]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
    for name in ("gateway", "web"):
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain_s()
        assert SERVICES[name]["healthcheck"]["test"]
    assert "--appendonly yes" in SERVICES["valkey"]["command"][2]


def test_processes_share_one_place_for_files_that_outlives_them() -> None:
    text = (COMPOSE / "Containerfile").read_text()

    assert "FILES_DIR=/srv/chargeyard/files DOCUMENTS_DIR=/srv/chargeyard/documents" in text
    assert "install -d -o 10001 -g 10001 -m 0700 /srv/chargeyard" in text
    for name in PORTAL:
        assert "files:/srv/chargeyard" in SERVICES[name]["volumes"]
    assert DOCUMENT["volumes"]["files"] == {}


def test_only_gateways_and_web_may_go_through_the_pooler() -> None:
    pooled = {name for name in PORTAL if "SERVING_DATABASE" in SERVICES[name]["environment"]["DATABASE_URL"]}

    assert pooled == {"gateway", "web"}


def test_every_file_that_is_mounted_or_copied_is_in_the_repository_or_made_by_prepare() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    places = [volume.split(":")[0] for volume in mounted if volume.startswith(".")]
    assert len(places) == 5
    assert [
        place for place in places if not place.startswith("./edge/") and not (COMPOSE / place).is_file()
    ] == []

    allowed = (ROOT / ".dockerignore").read_text().split("\n")
    for name in ("Containerfile", "pgbouncer.Containerfile"):
        text = (COMPOSE / name).read_text()
        lines = re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        sources = [source.rstrip("/") for line in lines for source in line.split()[:-1]]
        assert sources
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(f"!{part}" in allowed for part in (source, source.partition("/")[0])), source


def test_the_image_runs_as_nobody_in_particular_from_hashed_packages() -> None:
    text = (COMPOSE / "Containerfile").read_text()
    last = text[text.rindex("\nFROM ") :]

    assert "USER 10001:10001" in last
    added = re.findall(r"apt-get install -y --no-install-recommends ([^\\]+)", last)
    assert [words.split() for words in added] == [pdf.PACKAGES.split()], "no program that nobody needs"
    assert "/srv/chargeyard" in last
    assert "--require-hashes -r requirements/base.txt" in text
    [command] = re.findall(r"^CMD \[(.+)\]$", last, re.MULTILINE)
    check_command(re.findall(r'"([^"]+)"', command)[1:])
    packages = set(re.findall(r"^COPY (\w+)/ \1/$", last, re.MULTILINE))
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"} <= packages


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """deploy/ as a copy, after its preparation."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    prepare(tmp_path / "deploy")
    return tmp_path / "deploy/compose"


def prepare(deploy: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    words = ["sh", str(deploy / "compose/prepare.sh"), *(names or ("charge.example.net", "ws.example.net"))]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)


def given(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_prepare_makes_secrets_and_an_edge_that_agree(prepared: Path, settings: Settings) -> None:
    made, edge = given(prepared / ".env"), prepared / "edge"

    wanted = {match[0] for match in REFERENCE.findall((COMPOSE / "compose.yaml").read_text())}
    required = {
        match[0] for match in REFERENCE.findall((COMPOSE / "compose.yaml").read_text()) if "?" in match[1]
    }
    optional = set(re.findall(r"^#([A-Z0-9_]+)=", (COMPOSE / "env.example").read_text(), re.MULTILINE))
    assert required <= set(made)
    assert {name for name in wanted - set(made) if not name.startswith(("FTP_", "FILES_S3_"))} == {
        *("CHARGEYARD_IMAGE", "SERVING_DATABASE", "DATABASE_PREPARE")
    }
    assert set(made) | optional | {"CHARGEYARD_IMAGE"} == wanted | {"COMPOSE_PROFILES"}
    assert made["PORTAL_HOST"] == "charge.example.net"
    assert all(
        len(value) >= 32 for name, value in made.items() if name.endswith(("PASSWORD", "SECRET", "KEY"))
    )
    settings.DATA_KEYS = made["DATA_KEYS"]
    assert keys.ids() == ("k1",)
    assert (prepared / ".env").stat().st_mode & 0o777 == 0o600

    texts = {path.name: path.read_text() for path in edge.rglob("*.conf")}
    assert f'"{made["OCPP_TRUSTED_PROXY_SECRET"]}"' in texts["secret.conf"]
    assert "example.org" not in texts["chargeyard.conf"]
    assert "server_name charge.example.net;" in texts["chargeyard.conf"]
    assert "gateway:8000" in texts["upstreams.conf"]


def test_prepare_again_keeps_every_secret(prepared: Path) -> None:
    before = (prepared / ".env").read_text(), (prepared / "edge/chargeyard/secret.conf").read_text()

    prepare(prepared.parent, "other.example.net", "ws.other.example.net")

    assert before == ((prepared / ".env").read_text(), (prepared / "edge/chargeyard/secret.conf").read_text())


def test_the_poolers_start_changes_what_it_means_to_change() -> None:
    script = (COMPOSE / "pgbouncer.sh").read_text()
    for old in re.findall(r"-e 's\|\^?([^|.]+)", script):
        replaced((DEPLOY / "pgbouncer/pgbouncer.ini").read_text(), {old.strip(): ""})


def test_no_secret_is_in_the_repository() -> None:
    for path in [*DEPLOY.rglob("*.example"), COMPOSE / "env.example"]:
        for name, value in given(path).items() if "env" in path.name else ():
            if re.search(r"SECRET|KEY|PASSWORD|TOKEN|DATABASE_URL|OWNER_URL|VALKEY_URL", name):
                assert value == "", f"{path.name}: {name}"
    tracked = subprocess.run(
        ["git", "ls-files", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [path for path in tracked if path.endswith((".env", ".key", ".pem", "/secret.conf"))]
