"""What a page does, as a call of the API that does the same (dashboard D-17)."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from core import clock
from tariffs import documents

HEADERS = '-H "Authorization: Bearer $KEY" -H "Content-Type: application/json"'


def reprice(tariff: Mapping[str, Any], since: datetime, until: datetime, site: UUID | None = None) -> str:
    """Past sessions by the tariff."""
    body = {
        "tariff": dict(tariff),
        "started_after": clock.to_wire(since),
        "started_before": clock.to_wire(until),
    }
    return _post("tools/reprice/", body if site is None else {**body, "site": str(site)})


def price(tariff: Mapping[str, Any], charge: Mapping[str, Any], zone: str) -> str:
    """An imagined session by the tariff."""
    return _post("tools/price/", {"tariff": dict(tariff), "charge": dict(charge), "time_zone": zone})


def _post(path: str, body: Mapping[str, Any]) -> str:
    address = f"{settings.PUBLIC_URL.rstrip('/')}/api/v1/{path}"
    return f"curl -X POST {address} {HEADERS} -d {shlex.quote(documents.dumps_any(dict(body)))}"
