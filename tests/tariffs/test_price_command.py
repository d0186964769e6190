"""`manage.py price TARIFF.json CDR.json` as a person runs it (tariffs section 14)."""

import json
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parent.parent.parent
TARIFF = """{
  "country_code": "NL", "party_id": "CHY", "id": "T1", "currency": "EUR", "last_updated": "2026-01-01T00:00:00Z",
  "elements": [
    {"price_components": [{"type": "ENERGY", "price": 0.61, "vat": 21.0, "step_size": 1}],
     "restrictions": {"start_time": "06:30", "end_time": "21:15"}},
    {"price_components": [{"type": "ENERGY", "price": 0.43, "vat": 21.0, "step_size": 1},
                          {"type": "TIME", "price": 0.90, "vat": 21.0, "step_size": 1}]},
    {"price_components": [{"type": "FLAT", "price": 0.85, "vat": 21.0, "step_size": 1}]}
  ]}"""
CDR = """{
  "start_date_time": "2026-03-02T19:50:00Z", "end_date_time": "2026-03-02T21:05:00Z",
  "charging_periods": [
    {"start_date_time": "2026-03-02T19:50:00Z",
     "dimensions": [{"type": "ENERGY", "volume": 8.125}, {"type": "TIME", "volume": 0.4167}]},
    {"start_date_time": "2026-03-02T20:15:00Z",
     "dimensions": [{"type": "ENERGY", "volume": 13.4}, {"type": "TIME", "volume": 0.8333}]}],
  "total_cost": {"excl_vat": 12.69, "incl_vat": 15.3588}}"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    return write(tmp_path, "tariff", TARIFF), write(tmp_path, "cdr", CDR)


def write(directory: Path, name: str, content: str) -> str:
    path = directory / f"{name}.json"
    path.write_text(content, encoding="utf-8")
    return str(path)


def run(*words: str) -> tuple[int, Mapping[str, Any], str]:
    """The exit code, the answer and what was told on the other stream."""
    output, told, code = StringIO(), StringIO(), 0
    try:
        call_command("price", *words, stdout=output, stderr=told)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, json.loads(output.getvalue()), told.getvalue()


def test_the_example_is_answered_as_the_api_answers_it(files: tuple[str, str]) -> None:
    code, answer, told = run(*files, "--time-zone", "Europe/Amsterdam")

    assert (code, told) == (0, "")
    assert answer["total_cost"] == {"excl_vat": "12.6933", "incl_vat": "15.3588"}
    assert answer["total_energy_cost"] == {"excl_vat": "10.7183", "incl_vat": "12.9691"}
    assert answer["total_time_cost"] == {"excl_vat": "1.1250", "incl_vat": "1.3613"}
    assert answer["total_parking_cost"] == {"excl_vat": "0.0000", "incl_vat": "0.0000"}
    assert answer["total_fixed_cost"] == {"excl_vat": "0.8500", "incl_vat": "1.0285"}
    assert answer["total_reservation_cost"] == {"excl_vat": "0.0000", "incl_vat": "0.0000"}
    assert answer["payable"] == {"excl_vat": "12.69", "incl_vat": "15.36", "vat": "2.67"}
    assert (answer["currency"], answer["policy"], answer["warnings"]) == ("EUR", "session-vat-group/1", [])
    assert answer["lines"][1] == {
        "dimension": "ENERGY",
        "from": "2026-03-02T21:15:00.000+01:00",
        "to": "2026-03-02T22:05:00.000+01:00",
        "periods": [["2026-03-02T21:15:00.000+01:00", "2026-03-02T22:05:00.000+01:00"]],
        "measured": "13.4",
        "billed": "13.4",
        "unit": "kWh",
        "price": "0.43",
        "vat": "21",
        "excl_vat": "5.7620",
        "incl_vat": "6.9720",
        "element": 1,
        "component": 0,
        "added_by_step": "0",
        "why": "otherwise, not: 06:30–21:15",
        "text": "13.4 kWh at 0.43 € per kWh: otherwise, not: 06:30–21:15",
    }


def test_it_runs_from_the_shell_without_a_running_portal(files: tuple[str, str], tmp_path: Path) -> None:
    words = [
        sys.executable,
        "manage.py",
        "price",
        *files,
        "--time-zone",
        "Europe/Amsterdam",
        "--language",
        "de",
    ]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["lines"][2]["text"] == "75 min zu 0,015 € je Minute: jederzeit"


def test_a_free_session_pays_zero_and_not_nothing(files: tuple[str, str], tmp_path: Path) -> None:
    free = write(
        tmp_path,
        "free",
        TARIFF.replace("0.61", "0").replace("0.43", "0").replace("0.90", "0").replace("0.85", "0"),
    )
    _, answer, _ = run(free, files[1], "--time-zone", "Europe/Amsterdam")
    assert answer["payable"] == {"excl_vat": "0.00", "incl_vat": "0.00", "vat": "0.00"}


def test_the_basis_of_organizations_is_net(files: tuple[str, str]) -> None:
    _, answer, _ = run(*files, "--time-zone", "Europe/Amsterdam", "--basis", "net")
    assert answer["basis"] == "net"
    assert answer["payable"]["incl_vat"] == "15.35"


def test_a_tariff_by_local_time_asks_for_the_zone_of_the_site(files: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match="--time-zone") as refused:
        call_command("price", *files)
    assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="not a time zone"):
        call_command("price", *files, "--time-zone", "Europe/Atlantis")


def test_a_period_that_was_not_cut_is_a_finding(files: tuple[str, str], tmp_path: Path) -> None:
    uncut = write(tmp_path, "uncut", CDR.replace("20:15:00Z", "20:14:00Z"))
    code, answer, told = run(files[0], uncut, "--time-zone", "Europe/Amsterdam")
    assert (code, answer["warnings"]) == (1, ["uncut_period"])
    assert "uncut_period" in told


def test_an_error_of_the_linter_is_a_finding(files: tuple[str, str], tmp_path: Path) -> None:
    empty = write(tmp_path, "empty", TARIFF.replace('"start_time": "06:30"', '"max_kwh": 0'))
    code, _, told = run(empty, files[1], "--time-zone", "Europe/Amsterdam")
    assert code == 1
    assert "L02 /elements/0/restrictions/max_kwh" in told


def test_costs_of_the_record_are_compared_only_when_asked(files: tuple[str, str]) -> None:
    code, _, told = run(*files, "--time-zone", "Europe/Amsterdam", "--compare")
    assert code == 1
    assert told == "total_cost/excl_vat: 12.69 stated, 12.6933 computed\n"


def test_t56_costs_in_the_words_of_ocpi_2_3_0_are_compared_too(
    files: tuple[str, str], tmp_path: Path
) -> None:
    newer = write(
        tmp_path, "newer", CDR.replace("excl_vat", "before_taxes").replace("incl_vat", "after_taxes")
    )
    code, _, told = run(files[0], newer, "--time-zone", "Europe/Amsterdam", "--compare")
    assert (code, told) == (1, "total_cost/before_taxes: 12.69 stated, 12.6933 computed\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "not JSON"), ("[]", "tariff.json#"), ('{"currency": "EURO"}', "tariff.json#/currency")],
)
def test_an_unusable_tariff_names_file_and_pointer(
    files: tuple[str, str], tmp_path: Path, content: str, told: str
) -> None:
    with pytest.raises(CommandError, match=told) as refused:
        call_command("price", write(tmp_path, "tariff", content), files[1])
    assert refused.value.returncode == 2


def test_every_fault_of_a_record_is_told_at_once(files: tuple[str, str], tmp_path: Path) -> None:
    broken = write(tmp_path, "cdr", CDR.replace("8.125", '"8"').replace("2026-03-02T21:05:00Z", "late"))
    with pytest.raises(CommandError) as refused:
        call_command("price", files[0], broken, "--time-zone", "Europe/Amsterdam")
    assert "cdr.json#/end_date_time" in str(refused.value)
    assert "cdr.json#/charging_periods/0/dimensions/0/volume" in str(refused.value)


def test_disordered_periods_and_a_missing_file_are_refused(files: tuple[str, str], tmp_path: Path) -> None:
    disordered = write(tmp_path, "disordered", CDR.replace("20:15:00Z", "19:50:00Z"))
    with pytest.raises(CommandError, match="does not start after"):
        call_command("price", files[0], disordered, "--time-zone", "Europe/Amsterdam")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("price", files[0], str(tmp_path / "nowhere.json"))
    with pytest.raises(CommandError, match="no rounding policy"):
        call_command("price", *files, "--time-zone", "Europe/Amsterdam", "--policy", "x")


def test_t48_a_tariff_of_ocpp_21_is_priced_as_what_it_says_in_ocpi(tmp_path: Path) -> None:
    told = {
        "tariffId": "T1",
        "currency": "EUR",
        "energy": {"prices": [{"priceKwh": 0.5}], "taxRates": [{"type": "VAT", "tax": 20}]},
    }
    code, answer, findings = run(write(tmp_path, "tariff", json.dumps(told)), write(tmp_path, "cdr", CDR))

    assert (code, findings) == (0, "")
    assert answer["total_cost"] == {"excl_vat": "10.7625", "incl_vat": "12.9150"}


def test_t48_what_ocpi_has_no_word_for_is_refused_with_the_file_and_the_field(tmp_path: Path) -> None:
    price = {"priceKwh": 0.5, "conditions": {"evseKind": "DC"}}
    told = {"tariffId": "T1", "currency": "EUR", "energy": {"prices": [price]}}
    name = write(tmp_path, "tariff", json.dumps(told))
    with pytest.raises(CommandError) as refused:
        run(name, write(tmp_path, "cdr", CDR))

    assert refused.value.returncode == 2
    assert f"{name}#/energy/prices/0/conditions/evseKind: " in str(refused.value)


def test_t48_a_tariff_of_ocpp_21_without_its_currency_is_refused(tmp_path: Path) -> None:
    name = write(tmp_path, "tariff", json.dumps({"tariffId": "T1"}))
    with pytest.raises(CommandError) as refused:
        run(name, write(tmp_path, "cdr", CDR))

    assert refused.value.returncode == 2
    assert f"{name}#/currency: " in str(refused.value)


def test_t32_a_rate_that_the_tariff_does_not_name_is_named_beside_it(tmp_path: Path) -> None:
    body = {
        "currency": "EUR",
        "tax_included": "YES",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.6}]}],
    }
    files = write(tmp_path, "tariff", json.dumps(body)), write(tmp_path, "cdr", CDR)
    unknown = run(*files)
    known = run(*files, "--tax-rate", "ENERGY=20", "--tax-rate", "FLAT=7")

    assert unknown[1]["total_cost"] == {"excl_vat": None, "incl_vat": "12.9150"}
    assert (unknown[0], unknown[2]) == (1, "warning: tax_unknown\n")
    assert known[1]["total_cost"] == {"excl_vat": "10.7625", "incl_vat": "12.9150"}
    assert (known[0], known[2]) == (0, "")


@pytest.mark.parametrize(
    ("rate", "told"), [("ENERGY", "such as"), ("ENERGY=much", "such as"), ("ENERGY=101", "--tax-rate#/ENERGY"),
                       ("HEAT=1", "--tax-rate#/HEAT"), ("ENERGY=19", "--tax-rate#: A tariff of OCPI 2.2.1")],
)  # fmt: skip
def test_t32_a_rate_that_is_none_is_refused(files: tuple[str, str], rate: str, told: str) -> None:
    with pytest.raises(CommandError, match=told) as refused:
        call_command("price", *files, "--time-zone", "Europe/Amsterdam", "--tax-rate", rate)
    assert refused.value.returncode == 2
