"""What is secret in messages and commands, known by its name (ocpp.md section 5)."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "****"
SECRET_NAME = re.compile(
    r"authorizationkey|passw|secret|token_?secret|private_?key|vpnkey|apikey", re.IGNORECASE
)
SECRET_VARIABLE = re.compile(
    r"passw|passphrase|secret|credential|token|psk"
    r"|(authori[sz]ation|private|shared|encryption|signing|access|api|vpn|wifi|master)[_\- ]?key",
    re.IGNORECASE,
)
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)
VALUE_NAMES = ("value", "attributeValue", "attribute_value", "actualValue")


def is_secret(name: str) -> bool:
    """Whether a value under this name must not be shown."""
    return SECRET_NAME.search(name) is not None


def masked(value: Any) -> Any:
    """The same structure with every secret replaced by ``****``."""
    if isinstance(value, Mapping):
        return _masked_mapping(value)
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    if isinstance(value, str) and "PRIVATE KEY" in value:
        return PRIVATE_KEY.sub(MASK, value)
    return value


def _masked_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    named_secret = _names_a_secret(mapping)
    return {
        key: MASK
        if value is not None
        and ((is_secret(key) and isinstance(value, str)) or (named_secret and key in VALUE_NAMES))
        else masked(value)
        for key, value in mapping.items()
    }


def _names_a_secret(mapping: Mapping[str, Any]) -> bool:
    name = mapping.get("key") or mapping.get("variable")
    if isinstance(name, Mapping):
        name = name.get("name")
    return isinstance(name, str) and is_secret(name)
