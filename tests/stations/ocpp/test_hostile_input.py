"""Messages made to cost much or to break something (security L-10, P065)."""

import json

import pytest

from stations.ocpp import frames, masking
from tests.stations.ocpp.opening import Open, is_alive, logged

MIB = 2**20
ODD_TEXTS = {
    "scheme": "://" + "a." * (MIB // 2),
    "schemes": "a://" * (MIB // 4),
    "separators": "://" + "?" * MIB,
    "keys": "://" + "&a" * (MIB // 2),
    "users": "://" + "a:" * (MIB // 2),
    "keys of certificates": "-----BEGIN PRIVATE KEY-----" * (MIB // 27),
    "ends of certificates": "-----BEGIN PRIVATE KEY-----" + "-----END " * (MIB // 9),
}


@pytest.mark.timeout(30)  # a pattern that looks at everything again from every place would take hours
@pytest.mark.parametrize("name", ODD_TEXTS)
def test_p021_a_text_of_a_mebibyte_is_masked_in_one_pass(name: str) -> None:
    wire = json.dumps([2, "1", "DataTransfer", {"vendorId": "v", "data": ODD_TEXTS[name]}])
    readable, unreadable = frames.parse(wire), frames.parse(f"x{ODD_TEXTS[name]}")

    assert masking.loggable(readable, "DataTransfer")
    assert masking.loggable(unreadable, "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://me:pw@host/x", "ftp://****@host/x"),
        ("see sftp://me:pw@host and http://a@b", "see sftp://****@host and http://****@b"),
        ("http://host/?a=1&b=2#c", "http://host/?a=****&b=****#c"),
        ("http://host/?x?a=1", "http://host/?x?a=****"),
        (f"ftp://me:{'p' * 5000}@host", "ftp://****@host"),
    ],
)
def test_p021_what_an_address_may_hide_is_masked(text: str, shown: str) -> None:
    payload = {"location": text}
    kept = masking.loggable_own("", "UpdateFirmware", payload, [2, "1", "UpdateFirmware"])

    assert json.loads(kept)[3] == {"location": shown}


@pytest.mark.parametrize("depth", [40, 254, 300, 900, 5000])
@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_l10_a_deeply_nested_text_with_a_secret_is_masked_and_costs_no_socket(
    open_station: Open, version: str, depth: int
) -> None:
    wire = open_station(version)
    body = '{"password":"geheim","n":' + "[" * depth + "]" * depth + "}"

    assert wire.call("DataTransfer", {"vendorId": "v", "data": body}, "deep")["status"] == "UnknownVendorId"

    assert is_alive(wire)
    assert "geheim" not in logged(wire.row, message_id="deep").text
