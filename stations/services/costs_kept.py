"""A price as it is stored: its figures, the whole of it as JSON, and what its lines say in each language."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils import translation

from stations.models.frozen_tariffs import Figures
from tariffs import answer, documents, parsing
from tariffs.pricing import Basis, Price
from tariffs.structure import Tariff


@lru_cache(maxsize=256)
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


def forget(cost: Figures) -> None:
    """No amount stands any more: what was shown may be wrong as well."""
    cost.currency, cost.answer, cost.texts = "", {}, {}
    cost.excl_vat = cost.vat = cost.incl_vat = None


def _told(tariff: Tariff, found: Price) -> tuple[dict[str, Any], dict[str, list[dict[str, str]]]]:
    told: dict[str, Any] = {}
    texts = {}
    for code, _name in reversed(settings.LANGUAGES):
        with translation.override(code):
            told = answer.as_json(tariff, found, for_persons=found.rounding.basis is Basis.GROSS)
        texts[code] = [{"why": line.pop("why"), "text": line.pop("text")} for line in told["lines"]]
    return told, texts
