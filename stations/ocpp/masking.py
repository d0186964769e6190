"""Secrets are masked before a frame leaves the process (ocpp.md section 5). Which actions can hold any is known."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stations.domain.secrecy import (
    MASK,
    PRIVATE_KEY,
    SECRET_VARIABLE,
    VALUE_NAMES,
    is_secret,
    masked_address,
)
from stations.domain.vendor_data import Masks, body_shown, parsed, paths_of
from stations.ocpp import frames, schemas
from stations.ocpp.frames import Frame

WITH_SECRETS = frozenset(
    {
        "ChangeConfiguration", "GetConfiguration", "SetVariables", "GetVariables", "NotifyReport", "NotifyEvent",
        "SetNetworkProfile", "GetLog", "GetDiagnostics", "UpdateFirmware", "SignedUpdateFirmware",
        "PublishFirmware", "DataTransfer", "CustomerInformation", "NotifyCustomerInformation",
    }
)  # fmt: skip
CUSTOMER = "NotifyCustomerInformation"
NO_MASKS: Masks = {}
ERRORS = (frames.CALLERROR, frames.CALLRESULTERROR)
SECRET_MIN = 6
VPN_SECRETS = frozenset({"password", "key"})
_URL = re.compile(r':(?:\\?/){2}[^\s"]*')


def loggable(frame: Frame, action: str, masks: Masks | None = NO_MASKS) -> str:
    """The text of a station's frame as it may be kept; ``action`` is that of the CALL it belongs to.

    ``masks`` are the operator's paths in bodies of vendors, ``None`` while they are not known.
    """
    if frame.problem is not None and not isinstance(frame.payload, dict):
        return _of_unreadable(frame.text)
    if not schemas.is_known_anywhere(action):
        return _of_anything(frame.text)
    if action not in WITH_SECRETS:
        return _of_text(frame.text)
    if frame.type in ERRORS:
        return _of_anything(frame.text, with_bodies=True)
    head = [frame.type, frame.message_id, frame.action] if frame.action else [frame.type, frame.message_id]
    payload = _as_sent(frame) if action == CUSTOMER else frame.payload
    return _of_parts(frame.text, head, action, payload, masks)


def loggable_own(
    text: str, action: str, payload: Any, head: list[Any], masks: Masks | None = NO_MASKS
) -> str:
    """The text of our own frame as it may be kept; ``head`` is what stands before the payload."""
    if action not in WITH_SECRETS:
        return _of_text(text)
    return _of_parts(text, head, action, payload, masks)


def without(frame: Frame, secrets: frozenset[str]) -> None:
    """Hide in a reply what was secret in the CALL, wherever the station repeats it."""
    for secret in secrets:
        frame.text = frame.text.replace(frames.dumps(secret)[1:-1], MASK)
        frame.description = frame.description.replace(secret, MASK)
        frame.payload = _replaced(frame.payload, secret)


def secrets_of(payload: Any, action: str, masks: Masks | None = NO_MASKS) -> frozenset[str]:
    """The texts that are masked when the payload is logged, those apart that are too short to be told from others."""
    return frozenset(
        text for text in _hidden(payload, masked(payload, action, masks)) if len(text) >= SECRET_MIN
    )


def masked(payload: Any, action: str, masks: Masks | None = NO_MASKS) -> Any:
    """The payload with every secret replaced by ``****``."""
    if action == "DataTransfer" and isinstance(payload, dict):
        return _data_transfer(payload, masks)
    if action == CUSTOMER and isinstance(payload, dict) and "data" in payload:
        return {**payload, "data": MASK}
    return _plain(payload)


def _as_sent(frame: Frame) -> Any:
    """The payload before any repair: what is always masked must not lose what the station wrote beside it."""
    sent = parsed(frame.text)
    return sent[3] if isinstance(sent, list) and len(sent) == 4 else frame.payload


def _of_parts(text: str, head: list[Any], action: str, payload: Any, masks: Masks | None) -> str:
    hidden = masked(payload, action, masks)
    return text if hidden == payload else frames.dumps([*head, hidden])


def _replaced(value: Any, secret: str) -> Any:
    if isinstance(value, str):
        return value.replace(secret, MASK)
    if isinstance(value, Mapping):
        return {key: _replaced(item, secret) for key, item in value.items()}
    return [_replaced(item, secret) for item in value] if isinstance(value, list) else value


def _hidden(said: Any, shown: Any) -> Iterator[str]:
    if isinstance(said, str) and shown == MASK:
        yield said
    elif isinstance(said, Mapping) and isinstance(shown, Mapping):
        for key, value in said.items():
            yield from _hidden(value, shown.get(key))
    elif isinstance(said, list) and isinstance(shown, list):
        for value, other in zip(said, shown, strict=False):
            yield from _hidden(value, other)


def _of_anything(text: str, *, with_bodies: bool = False) -> str:
    """Whatever it belongs to: every name is looked at, and bodies of vendors are hidden as a whole."""
    said = parsed(text)
    if not isinstance(said, list):
        return _of_unreadable(text)
    shown = [part if with_bodies else _without_body(part) for part in _plain(said)]
    return text if shown == said else frames.dumps(shown)


def _without_body(part: Any) -> Any:
    return {**part, "data": MASK} if isinstance(part, dict) and isinstance(part.get("data"), str) else part


def _of_text(text: str) -> str:
    """Of an action whose messages hold no secret but, where a vendor likes it, keys and addresses."""
    return _without_url_secrets(_without_private_keys(text))


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


def _data_transfer(payload: dict[str, Any], masks: Masks | None) -> dict[str, Any]:
    """A vendor's body; hidden as a whole while the operator's paths are not known."""
    if payload.get("data") is None:
        return payload
    if masks is None:
        return {**payload, "data": MASK}
    paths = paths_of(masks, payload.get("vendorId"))
    return {**payload, "data": _plain(body_shown(payload["data"], paths))}


def _without_url_secrets(text: str) -> str:
    if "://" not in text and ":\\/\\/" not in text:
        return text
    return _URL.sub(lambda url: masked_address(url.group()), text)
