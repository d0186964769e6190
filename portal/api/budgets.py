"""``budgets`` of tokens and drivers: how much they may charge."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from core.access import Actor
from drivers.models import BudgetKind, BudgetPeriod, Driver, IdToken
from drivers.services import budgets
from portal.api.fields import Number
from portal.api.resource import StrictSerializer

HELP = "The session that begins when one is used up is refused; one that reaches it is stopped"

UNITS = "In the unit of the kind; `cost` in the organization's currency, taxes included"


WORDS: Mapping[str, str] = {one.value: one.value for one in BudgetKind} | {BudgetKind.MONEY.value: "cost"}
KINDS: Mapping[str, str] = {word: kind for kind, word in WORDS.items()}
"""The contract says ``cost`` where the portal says money."""


class Kind(serializers.ChoiceField):
    """What a budget counts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(list(KINDS), **options)

    def to_internal_value(self, data: Any) -> str:
        return KINDS[super().to_internal_value(data)]

    def to_representation(self, value: str) -> str:
        return WORDS[value]


class BudgetBody(StrictSerializer):
    kind = Kind()
    limit = serializers.DecimalField(max_digits=13, decimal_places=3, help_text=UNITS)
    per = serializers.ChoiceField([one.value for one in BudgetPeriod], help_text="soc_percent: session only")


class WithBudgets(serializers.Serializer):
    """Written."""

    budgets = BudgetBody(many=True, required=False, max_length=10, help_text=HELP)


class BudgetView(serializers.Serializer):
    kind = Kind()
    limit = Number(help_text=UNITS)
    per = serializers.ChoiceField([one.value for one in BudgetPeriod])


def keep(thing: Any, wishes: Sequence[Mapping[str, Any]] | None, by: Actor) -> None:
    """Set what was written, if it was and the thing has budgets."""
    if wishes is not None and isinstance(thing, IdToken | Driver):
        budgets.set_(thing, [(one["kind"], one["limit"], one["per"]) for one in wishes], by=by)
