"""Signed meter values of a session as people read them (billing B-64)."""

from typing import Any

from django.utils.translation import gettext

from billing.ocmf.verifying import CODES
from billing.services import signed_values
from stations.models import Transaction


def shown(session: Transaction) -> dict[str, Any] | None:
    """Values, result, reasons in words and the key; ``None`` where there is nothing to tell."""
    told = signed_values.judge(session).content()
    if told is None:
        return None
    return {**told, "reasons": [gettext(CODES[code]) for code in told["reasons"]]}
