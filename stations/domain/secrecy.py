"""What is secret in messages and commands, known by its name (ocpp.md section 5)."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MASK = "****"
SECRET_NAME = re.compile(
    r"authorizationkey|passw|secret|token_?secret|private_?key|vpn_?key|apikey|sim_?pin|customer_?identifier",
    re.IGNORECASE,
)
SECRET_VARIABLE = re.compile(
    r"passw|passphrase|secret|credential|token|psk"
    r"|(authori[sz]ation|private|shared|encryption|signing|access|api|vpn|wifi|master)[_\- ]?key",
    re.IGNORECASE,
)
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)
# No pattern can begin again inside of what it has looked at, so each takes linear time on any text.
URL_USER = re.compile(r":((?:\\?/){2})[^/?#\s@]*@")
URL_QUERY = re.compile(r"([?&][^=&?#\s]*=)[^&#\s]*")
OWN_TOKEN = re.compile(r"(/files/(?:firmware|logs)/)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
"""What opens a file of ours stands in the path: some stations drop the query, others add a name to the end."""
ADDRESS_NAMES = ("location", "remoteLocation")
"""Addresses of files: whoever has one with its query may often fetch or place the file."""
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
    if isinstance(value, Decimal):
        # Odd numbers are parsed exactly (P086); what is stored is plain JSON.
        return float(value)
    if isinstance(value, str) and "PRIVATE KEY" in value:
        return PRIVATE_KEY.sub(MASK, value)
    if isinstance(value, str) and "://" in value:
        return URL_USER.sub(rf":\1{MASK}@", value)
    return value


def masked_address(url: str) -> str:
    """The address of a file without what opens it: user information, the values of its query, our own tokens."""
    return OWN_TOKEN.sub(rf"\1{MASK}", URL_QUERY.sub(rf"\1{MASK}", URL_USER.sub(rf":\1{MASK}@", url)))


def _masked_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    named_secret = _names_a_secret(mapping)
    return {
        key: MASK
        if value is not None
        and ((is_secret(key) and isinstance(value, str)) or (named_secret and key in VALUE_NAMES))
        else masked_address(value)
        if key in ADDRESS_NAMES and isinstance(value, str)
        else masked(value)
        for key, value in mapping.items()
    }


def _names_a_secret(mapping: Mapping[str, Any]) -> bool:
    name = mapping.get("key") or mapping.get("variable")
    if isinstance(name, Mapping):
        name = name.get("name")
    return isinstance(name, str) and is_secret(name)
