"""Secrets are masked before a frame leaves the process (ocpp.md section 5). Which actions can hold any is known."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings

from stations.domain.secrecy import MASK, PRIVATE_KEY, VALUE_NAMES, is_secret
from stations.ocpp import frames, guard
from stations.ocpp.frames import Frame

WITH_SECRETS = frozenset(
    {
        "ChangeConfiguration", "GetConfiguration", "SetVariables", "GetVariables", "NotifyReport", "NotifyEvent",
        "SetNetworkProfile", "GetLog", "GetDiagnostics", "UpdateFirmware", "SignedUpdateFirmware",
        "PublishFirmware", "DataTransfer", "CustomerInformation", "NotifyCustomerInformation",
    }
)  # fmt: skip
SECRET_VARIABLE = re.compile(
    r"passw|passphrase|secret|credential|token|psk"
    r"|(authori[sz]ation|private|shared|encryption|signing|access|api|vpn|wifi|master)[_\- ]?key",
    re.IGNORECASE,
)
CUSTOMER = "NotifyCustomerInformation"
VPN_SECRETS = frozenset({"password", "key"})
# Neither pattern can begin again inside of what it has looked at, so both take linear time on any text.
_URL_USER = re.compile(r"://[^/?#\s@]*@")
_URL_QUERY = re.compile(r"([?&][^=&?#\s]*=)[^&#\s]*")


def loggable(frame: Frame, action: str) -> str:
    """The text of a station's frame as it may be kept; ``action`` is that of the CALL it belongs to."""
    if frame.problem is not None and not isinstance(frame.payload, dict):
        return _of_unreadable(frame.text)
    if action not in WITH_SECRETS:
        return _without_private_keys(frame.text)
    head = [frame.type, frame.message_id, frame.action] if frame.action else [frame.type, frame.message_id]
    payload = _as_sent(frame) if action == CUSTOMER else frame.payload
    return _of_parts(frame.text, head, action, payload)


def loggable_own(text: str, action: str, payload: Any, head: list[Any]) -> str:
    """The text of our own frame as it may be kept; ``head`` is what stands before the payload."""
    if action not in WITH_SECRETS:
        return _without_private_keys(text)
    return _of_parts(text, head, action, payload)


def masked(payload: Any, action: str) -> Any:
    """The payload with every secret replaced by ``****``."""
    if action == "DataTransfer" and isinstance(payload, dict):
        return _data_transfer(payload)
    if action == CUSTOMER and isinstance(payload, dict) and "data" in payload:
        return {**payload, "data": MASK}
    return _plain(payload)


def _as_sent(frame: Frame) -> Any:
    """The payload before any repair: what is always masked must not lose what the station wrote beside it."""
    sent = _parsed(frame.text)
    return sent[3] if isinstance(sent, list) and len(sent) == 4 else frame.payload


def _of_parts(text: str, head: list[Any], action: str, payload: Any) -> str:
    hidden = masked(payload, action)
    return text if hidden == payload else frames.dumps([*head, hidden])


def _without_private_keys(text: str) -> str:
    if "PRIVATE KEY" not in text:
        return text
    return PRIVATE_KEY.sub(MASK, text)


def _of_unreadable(text: str) -> str:
    """What cannot be parsed is kept in escaped form, or not at all where it may hold a secret."""
    if SECRET_VARIABLE.search(text) or "PRIVATE KEY" in text:
        return MASK
    return _without_url_secrets(text).replace("\x00", "\\u0000")


def _masked(value: Any, *, within_secret: bool) -> Any:
    if isinstance(value, Mapping):
        return _masked_mapping(value, within_secret)
    if isinstance(value, list):
        return [_masked(item, within_secret=within_secret) for item in value]
    if isinstance(value, str):
        return _without_url_secrets(_without_private_keys(value))
    return value


def _masked_mapping(mapping: Mapping[str, Any], within_secret: bool) -> dict[str, Any]:
    within = within_secret or _names_a_secret(mapping)
    return {key: _masked_member(key, value, within) for key, value in mapping.items()}


def _masked_member(key: str, value: Any, within_secret: bool) -> Any:
    if isinstance(value, Mapping) and key == "vpn":
        return {name: MASK if name in VPN_SECRETS else _plain(item) for name, item in value.items()}
    secret = is_secret(key) or (within_secret and key in VALUE_NAMES)
    if secret and value is not None and not isinstance(value, Mapping | list):
        return MASK
    return _masked(value, within_secret=within_secret)


def _plain(value: Any) -> Any:
    return _masked(value, within_secret=False)


def _names_a_secret(mapping: Mapping[str, Any]) -> bool:
    name = mapping.get("key") or mapping.get("variable")
    if isinstance(name, Mapping):
        name = name.get("name")
    return isinstance(name, str) and SECRET_VARIABLE.search(name) is not None


def _data_transfer(payload: dict[str, Any]) -> dict[str, Any]:
    """A vendor's body: masked by the operator's paths and by names, as a whole where it cannot be read."""
    data = payload.get("data")
    if data is None:
        return payload
    body = _parsed(data) if isinstance(data, str) else data
    if isinstance(body, dict | list):
        hidden = _masked_names(body, _paths_of(str(payload.get("vendorId", ""))), ())
        shown = data if hidden == body else frames.dumps(hidden) if isinstance(data, str) else hidden
    else:
        shown = MASK if isinstance(data, str) and SECRET_VARIABLE.search(data) else data
    return {**payload, "data": _plain(shown)}


def _paths_of(vendor: str) -> frozenset[tuple[str, ...]]:
    paths = getattr(settings, "OCPP_DATA_TRANSFER_MASKS", {}).get(vendor, ())
    return frozenset(tuple(path.split(".")) for path in paths)


def _masked_names(value: Any, paths: frozenset[tuple[str, ...]], at: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {
            key: MASK
            if (*at, key) in paths or (SECRET_VARIABLE.search(key) and not isinstance(item, dict | list))
            else _masked_names(item, paths, (*at, key))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked_names(item, paths, at) for item in value]
    return value


def _parsed(text: str) -> Any:
    """``None`` for what is no JSON, or nested deeper than a frame may be."""
    if guard.is_deep(text.encode()):
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def _without_url_secrets(text: str) -> str:
    if "://" not in text:
        return text
    return _URL_QUERY.sub(rf"\1{MASK}", _URL_USER.sub(f"://{MASK}@", text))
