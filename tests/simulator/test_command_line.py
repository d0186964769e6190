"""`manage.py simulate`, as a person types it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.csms import FakeCsms

ROOT = Path(__file__).resolve().parents[2]


async def launch(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "manage.py",
        "simulate",
        *words,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


async def simulate(*words: str) -> tuple[int, str]:
    process = await launch(*words)
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_the_scenarios_are_listed_without_any_settings():
    code, text = await simulate("--list")
    assert code == 0
    assert "half-open" in text


async def test_an_unregistered_identity_ends_with_the_reason_in_one_line():
    async with FakeCsms(passwords={}) as csms:
        code, text = await simulate("--url", csms.url, "--identity", "NOBODY")
    assert code == 1
    assert text.splitlines()[0] == "NOBODY: 401 unknown station or wrong password"


async def test_chargers_of_three_versions_end_their_sessions_when_they_are_told_to_stop(tmp_path):
    file = tmp_path / "passwords"
    file.write_text("CP0001:" + "ab" * 20 + "\nCP0002:second\nCP0003:third\n")
    known = {"CP0001": b"\xab" * 20, "CP0002": b"second", "CP0003": b"third"}
    words = ("--count", "3", "--version", "mixed", "--identity", "CP", "--password-file", str(file))
    async with FakeCsms(passwords=known) as csms:
        process = await launch("--url", csms.url, *words, "--speed", "60")
        await csms.eventually(lambda: started(csms) >= 3, seconds=40)
        process.terminate()
        await process.wait()

    assert process.returncode == 0
    assert csms.invalid == []
    assert started(csms) == ended(csms)


async def test_a_csms_that_has_stopped_answering_does_not_hold_up_the_end():
    async with FakeCsms() as csms:
        process = await launch("--url", csms.url, "--count", "2")
        await csms.eventually(lambda: started(csms) >= 2, seconds=40)
        csms.answers["StopTransaction"] = csms.answers["StatusNotification"] = None
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 12) == 0


async def test_a_simulation_ends_after_its_duration():
    async with FakeCsms() as csms:
        code, _ = await simulate("--url", csms.url, "--duration", "1", "--scenario", "idle")
    assert code == 0
    assert csms.of("BootNotification")


@pytest.mark.parametrize("address", ["portal", "https://portal.example.org/ocpp", "ws://"])
async def test_an_address_that_is_no_websocket_is_one_clear_line(address):
    code, text = await simulate("--url", address)
    assert code == 2
    assert "--url is an address like ws://" in text.splitlines()[-1]


async def test_a_file_that_is_not_there_is_one_clear_line():
    code, text = await simulate("--password-file", "/no/such/file")
    assert code == 2
    assert "cannot be read" in text.splitlines()[-1]


def started(csms: FakeCsms) -> int:
    return len(csms.of("StartTransaction")) + events(csms, "Started")


def ended(csms: FakeCsms) -> int:
    return len(csms.of("StopTransaction")) + events(csms, "Ended")


def events(csms: FakeCsms, kind: str) -> int:
    return len([one for one in csms.of("TransactionEvent") if one["eventType"] == kind])
