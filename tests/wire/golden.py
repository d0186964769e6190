"""Golden payloads: what stations send, kept as files beside this one."""

import copy
import functools
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def wire(name: str, **changes: Any) -> dict[str, Any]:
    """The payload of that name (``v201/StatusNotification.available``) with top-level fields replaced.

    A field changed to ``None`` is left out.
    """
    payload = {**copy.deepcopy(_load(name)), **changes}
    return {key: value for key, value in payload.items() if value is not None}


@functools.cache
def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return loaded
