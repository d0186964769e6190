"""Bodies of vendors' messages as they may be kept: masked by the operator's paths and by names."""

from collections.abc import Mapping
from typing import Any

import orjson

from stations.domain.nesting import is_deep
from stations.domain.secrecy import MASK, PRIVATE_KEY, SECRET_VARIABLE

Path = tuple[str, ...]
Masks = Mapping[str, frozenset[Path]]
"""The masked paths of each vendor, by its id in lower case."""


def paths_of(masks: Masks, vendor_id: object) -> frozenset[Path]:
    """The paths of that vendor; of all vendors where none is named, as in an answer."""
    if vendor_id is None:
        return frozenset().union(*masks.values())
    return masks.get(str(vendor_id).lower(), frozenset())


def body_shown(data: Any, paths: frozenset[Path]) -> Any:
    """The body with what is secret in it replaced; as a whole where it cannot be read and may hold a secret.

    A text stays a text, and one that holds nothing secret stays as it is.
    """
    body = parsed(data) if isinstance(data, str) else data
    if isinstance(body, dict | list):
        hidden = _masked(body, paths, ())
        if hidden == body:
            return data
        return text_of(hidden) if isinstance(data, str) else hidden
    if isinstance(data, str) and (SECRET_VARIABLE.search(data) or PRIVATE_KEY.search(data)):
        return MASK
    return data


def text_of(data: Any) -> str:
    """The body as text: a text as it is, anything else as JSON with the digits of its numbers."""
    if data is None:
        return ""
    return data if isinstance(data, str) else orjson.dumps(data, default=_raw_number).decode()


def _raw_number(value: Any) -> orjson.Fragment:
    return orjson.Fragment(str(value).encode())


def _masked(value: Any, paths: frozenset[Path], at: Path) -> Any:
    if isinstance(value, Mapping):
        return {
            key: MASK
            if (*at, key) in paths or (SECRET_VARIABLE.search(key) and not isinstance(item, Mapping | list))
            else _masked(item, paths, (*at, key))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item, paths, at) for item in value]
    return value


def parsed(text: str) -> Any:
    """``None`` for what is no JSON, or nested deeper than a frame may be."""
    if is_deep(text.encode()):
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return None
