"""OCMF: the signature over the bytes as received, and each failure with its own code (billing B-61, B-62)."""

import json
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from billing.ocmf import curves, verifying
from tests.billing.ocmf.signing import Meter, reading, sign_small

B, E = reading("B", 2107.38), reading("E", 2119.91)


def test_b62_the_example_bills_12_53_kwh_of_two_records() -> None:
    meter = Meter()
    pair = verifying.verify([meter.record(B), meter.record(E)], meter.public_key)

    assert (pair.valid, pair.reasons, pair.kwh) == (True, (), Decimal("12.53"))


def test_b62_begin_and_end_in_one_record_whose_second_reading_repeats_what_it_omits() -> None:
    meter = Meter()
    pair = verifying.verify([meter.record(B, {"TX": "E", "RV": 2119.91})], meter.public_key)

    assert pair.valid
    assert pair.end is not None
    assert (pair.end.unit, pair.end.status) == ("kWh", "G")


def test_b62_the_digits_of_a_value_are_kept_as_they_were_signed() -> None:
    meter = Meter()
    text = meter.record(B, E)
    assert '"RV":2107.38' in text
    signed = meter.record(reading("B", "PLACE"), E).replace('"PLACE"', "2107.3800")
    pair = verifying.verify([signed], meter.public_key)

    assert pair.begin is not None
    assert f"{pair.begin.value:f}" == "2107.3800"
    assert pair.reasons == ("signature_wrong",)


@pytest.mark.parametrize(("curve", "name"), [
    (ec.SECP256R1(), "ECDSA-secp256r1-SHA256"), (ec.SECP256K1(), "ECDSA-secp256k1-SHA256"),
    (ec.SECP384R1(), "ECDSA-secp384r1-SHA256"), (ec.BrainpoolP256R1(), "ECDSA-brainpool256r1-SHA256"),
    (ec.BrainpoolP384R1(), "ECDSA-brainpool384r1-SHA256"),
])  # fmt: skip
def test_b61_each_curve_is_verified(curve: ec.EllipticCurve, name: str) -> None:
    meter = Meter(curve)
    text = meter.record(B, E, algorithm=name)
    spaced = " ".join(meter.public_key[place : place + 4] for place in range(0, len(meter.public_key), 4))

    assert verifying.verify([text], spaced).valid
    assert verifying.verify([text.replace("2119.91", "2119.92")], spaced).reasons == ("signature_wrong",)
    assert verifying.verify([text], Meter(curve).public_key).reasons == ("signature_wrong",)


@pytest.mark.parametrize(("curve", "name"), [
    (curves.SECP192K1, "ECDSA-secp192k1-SHA256"), (curves.SECP192R1, "ECDSA-secp192r1-SHA256"),
])  # fmt: skip
def test_b61_the_small_curves_are_verified_too(curve: curves.Curve, name: str) -> None:
    payload = json.dumps({"PG": "T1", "MS": "1", "RD": [B, E]})
    key, signature = sign_small(curve, payload.encode())
    text = f"OCMF|{payload}|{json.dumps({'SA': name, 'SD': signature})}"

    assert verifying.verify([text], key).valid
    assert verifying.verify([text.replace("2119.91", "2119.92")], key).reasons == ("signature_wrong",)
    assert verifying.verify([text], key[:-2] + "00").reasons[0] == "key_unreadable"


def test_b61_a_bare_point_is_a_key_as_well() -> None:
    meter = Meter()
    assert verifying.verify([meter.record(B, E)], meter.public_key[-130:]).valid


@pytest.mark.parametrize(("readings", "fields", "code"), [
    ((E,), {}, "begin_missing"),
    ((B,), {}, "end_missing"),
    ((B, reading("X", 1), E), {}, "reading_between"),
    ((B, E), {"PG": "F1"}, "pagination_missing"),
    ((B, E), {"PG": ""}, "pagination_missing"),
    ((B, reading("E", 2119.91, EF="E")), {}, "error_flag"),
    ((B, reading("E", 2119.91, ST="T")), {}, "status_not_good"),
    ((B, reading("E", 2119.91, RU="Ah")), {}, "unit_unknown"),
    ((B, reading("E", "much")), {}, "value_unreadable"),
    ((B, reading("E", 2107.37)), {}, "register_fell"),
    ((B, reading("E", 2119.91, RI="01-00:B3.08.00*FF")), {}, "register_differs"),
])  # fmt: skip
def test_b62_each_failure_of_one_record_has_its_code(
    readings: tuple[dict[str, Any], ...], fields: dict[str, Any], code: str
) -> None:
    meter = Meter()
    assert verifying.verify([meter.record(*readings, **fields)], meter.public_key).reasons == (code,)
    assert code in verifying.CODES


@pytest.mark.parametrize(
    ("flags", "of_energy", "of_time"),
    [
        ("", (), ()),
        ("t", (), ("time_error_flag",)),
        ("E", ("error_flag",), ("error_flag",)),
        ("Et", ("error_flag",), ("error_flag", "time_error_flag")),
        ("tE", ("error_flag",), ("error_flag", "time_error_flag")),
        ("?", ("error_flag",), ("error_flag",)),
    ],
)
@pytest.mark.parametrize("place", ["begin", "between", "end"])
def test_b62_an_error_of_the_time_counts_where_time_is_billed_and_any_other_one_always(
    flags: str, of_energy: tuple[str, ...], of_time: tuple[str, ...], place: str
) -> None:
    """OCMF defines E for energy and t for time; a flag that it does not define is not trusted."""
    meter, told = Meter(), {"begin": "", "between": "", "end": "", place: flags}
    text = meter.record(
        {**B, "EF": told["begin"]}, reading("C", 2110.0, EF=told["between"]), {**E, "EF": told["end"]}
    )
    for time_billed, codes in ((False, of_energy), (True, of_time)):
        pair = verifying.verify([text], meter.public_key, time_billed=time_billed)
        assert pair.reasons == codes
    assert set(of_time) <= set(verifying.CODES)


def test_b62_an_error_flag_that_a_reading_omits_is_that_of_the_one_before() -> None:
    meter = Meter()
    text = meter.record({**B, "EF": "t"}, {"TX": "E", "RV": 2119.91})
    pair = verifying.verify([text], meter.public_key, time_billed=True)

    assert pair.end is not None
    assert (pair.end.errors, pair.reasons) == ("t", ("time_error_flag",))


@pytest.mark.parametrize(("fields", "code"), [
    ({"MS": "M-2"}, "meter_differs"),
    ({"GS": "G-2"}, "gateway_differs"),
    ({"ID": "04A2"}, "identification_differs"),
    ({"PG": "T9"}, "pagination_jumps"),
])  # fmt: skip
def test_b62_each_difference_of_two_records_has_its_code(fields: dict[str, Any], code: str) -> None:
    meter = Meter()
    texts = [meter.record(B), meter.record(E, **fields)]
    assert verifying.verify(texts, meter.public_key).reasons == (code,)


def test_b62_the_clock_counts_where_the_policy_asks_for_it() -> None:
    meter = Meter()
    text = meter.record(B, reading("E", 2119.91, TM="2026-03-31T11:00:00,000+0200 I"))

    assert verifying.verify([text], meter.public_key).valid
    reasons = verifying.verify([text], meter.public_key, synchronized=True).reasons
    assert reasons == ("clock_not_synchronized",)


@pytest.mark.parametrize(("text", "code"), [
    ("EDL40|x", "not_ocmf"), ("OCMF|{}", "signature_missing"), ("OCMF|{|{}", "payload_unreadable"),
    ("OCMF|{}|{", "signature_unreadable"), ('OCMF|{}|{"SD":"00"}', "readings_missing"),
    ("OCMF|[]|{}", "payload_unreadable"),
    ("OCMF|" + "[" * 9000 + "|{}", "payload_unreadable"), ("OCMF|" + "x" * 300_000, "too_long"),
    ('OCMF|{"RD":[1]}|{"SD":"00"}', "readings_missing"),
])  # fmt: skip
def test_b62_what_cannot_be_read_says_so(text: str, code: str) -> None:
    assert verifying.verify([text], Meter().public_key).reasons == (code,)
    assert code in verifying.CODES


@pytest.mark.parametrize(("sign", "code"), [
    ({"SD": "zz"}, "signature_encoding"), ({"SD": "00", "SE": "base64"}, "signature_encoding"),
    ({"SD": "3006020101020101", "SA": "RSA"}, "algorithm_unknown"), ({"SD": "3006020101020101"}, "signature_wrong"),
])  # fmt: skip
def test_b61_a_signature_that_is_none_says_so(sign: dict[str, str], code: str) -> None:
    payload = Meter().record(B, E).rpartition("|")[0]
    pair = verifying.verify([f"{payload}|{json.dumps(sign)}"], Meter().public_key)
    assert pair.reasons == (code,)


def test_b61_without_a_key_or_with_none_nothing_is_valid() -> None:
    text = Meter().record(B, E)
    assert verifying.verify([text], "").reasons == ("key_missing",)
    assert verifying.verify([text], "not a key").reasons == ("key_unreadable",)
