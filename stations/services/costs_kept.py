"""A price as it is stored: its figures, the whole of it as JSON, and what its lines say in each language."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.utils import translation

from stations.models import SessionCost
from stations.models.frozen_tariffs import Figures
from tariffs import answer, documents, parsing
from tariffs.pricing import Basis, Price
from tariffs.structure import Tariff
from tariffs.usage import CannotPrice

_TYPES: Mapping[str, str] = {
    "state": "text", "cause": "text", "detail": "text", "since": "timestamptz", "currency": "text",
    "excl_vat": "numeric", "vat": "numeric", "incl_vat": "numeric", "is_free": "boolean", "answer": "jsonb",
    "texts": "jsonb", "priced_until": "timestamptz", "measured_at": "timestamptz", "computed_at": "timestamptz",
    "prices": "jsonb", "price_changed_at": "timestamptz", "price_changes_at": "timestamptz",
}  # fmt: skip
COMPUTED = tuple(_TYPES)
"""What a price is written to; when and what was told of it is written by those who tell."""
_STORE = f"""
UPDATE stations_sessioncost SET {", ".join(f"{name} = n.{name}" for name in _TYPES)}
FROM jsonb_to_recordset(%s::jsonb) AS n(id uuid, {", ".join(f"{name} {kind}" for name, kind in _TYPES.items())})
WHERE transaction_id = n.id
"""


@lru_cache(maxsize=2048)
def parsed(document: str) -> Tariff:
    """The tariff of a frozen copy's text; what is published can always be read."""
    return parsing.parse_tariff(documents.loads(document))


def keep(cost: Figures, tariff: Tariff, found: Price) -> None:
    """Put the price into the row, which the caller saves."""
    payable = found.payable
    cost.currency = found.currency
    cost.excl_vat, cost.vat, cost.incl_vat = (
        None if side is None else side.amount for side in (payable.excl, payable.vat, payable.incl)
    )
    cost.answer, cost.texts = _told(tariff, found)


def require_taxes(found: Price) -> None:
    """Raise :class:`CannotPrice` where a price states no VAT: what is to be paid is half known then (T-32)."""
    if found.payable.vat is None:
        raise CannotPrice(
            "tax_unknown", "A price of the tariff states no VAT, so nobody knows the whole cost."
        )


def store(costs: Sequence[SessionCost]) -> None:
    """Write what was computed of many sessions by one statement; a person's decision is no part of it."""
    if not costs:
        return
    rows = [{"id": cost.pk, **{name: getattr(cost, name) for name in _TYPES}} for cost in costs]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [orjson.dumps(rows, default=str).decode()])


def forget(cost: Figures) -> None:
    """No amount stands any more: what was shown may be wrong as well."""
    cost.currency, cost.answer, cost.texts = "", {}, {}
    cost.excl_vat = cost.vat = cost.incl_vat = None


def _told(tariff: Tariff, found: Price) -> tuple[dict[str, Any], dict[str, list[dict[str, str]]]]:
    texts = {}
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            for_persons = found.rounding.basis is Basis.GROSS
            texts[code] = answer.sentences(tariff, found, for_persons=for_persons)
    return answer.figures(found), texts
