"""What a session costs, as the API tells it: amounts in text with their currency, line by line."""

from typing import Any

from rest_framework import serializers

from stations.models import SessionCost, Transaction


class CostView(serializers.Serializer):
    """Payable, rounded once to the minor unit of the currency."""

    excl_vat = serializers.CharField(allow_null=True, help_text="`null` where a tax is not known")
    incl_vat = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    final = serializers.BooleanField(help_text="`false`: so far")


class PriceLineView(serializers.Serializer):
    """Each line stands for its exact value; the lines add up to the exact total."""

    dimension = serializers.CharField()
    measured = serializers.CharField()
    billed = serializers.CharField()
    unit = serializers.CharField(allow_null=True)
    price = serializers.CharField(allow_null=True, help_text="`null` where nothing is priced")
    vat = serializers.CharField(allow_null=True)
    excl_vat = serializers.CharField(allow_null=True)
    incl_vat = serializers.CharField(allow_null=True)
    from_ = serializers.CharField(allow_null=True)
    to = serializers.CharField(allow_null=True)
    element = serializers.IntegerField(allow_null=True)
    component = serializers.IntegerField(allow_null=True)
    why = serializers.CharField()
    text = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        """``from`` is no name of Python's."""
        fields = super().get_fields()
        return {name.rstrip("_"): field for name, field in fields.items()}


class CostReviewView(serializers.Serializer):
    """Why a session could not be priced, and since when it waits for a person."""

    cause = serializers.CharField()
    detail = serializers.CharField()
    since = serializers.DateTimeField()


class StationCostView(serializers.Serializer):
    """What a station of OCPP 2.1 computed by itself. It is compared with the final cost and never billed."""

    excl_vat = serializers.DecimalField(18, 4, allow_null=True)
    incl_vat = serializers.DecimalField(18, 4, allow_null=True)
    currency = serializers.CharField()
    failed = serializers.BooleanField(help_text="The station says that it could not compute a cost")
    reason = serializers.CharField()
    differs = serializers.BooleanField(
        allow_null=True,
        help_text="By more than one minor unit, or it has none; `null` while ours is not final",
    )
    told_at = serializers.DateTimeField()


def cost_of(transaction: Transaction) -> dict[str, Any] | None:
    """The cost so far or in the end; ``None`` while it is not known."""
    cost: SessionCost | None = getattr(transaction, "cost", None)
    if cost is None or not cost.is_known:
        return None
    payable = cost.answer["payable"]
    return {
        "excl_vat": payable["excl_vat"],
        "incl_vat": payable["incl_vat"],
        "currency": cost.currency,
        "final": cost.is_final,
    }


def lines_of(transaction: Transaction, language: str) -> list[dict[str, Any]]:
    """The lines with their words in that language, else in English."""
    cost: SessionCost | None = getattr(transaction, "cost", None)
    if cost is None:
        return []
    names = PriceLineView().get_fields()
    texts = cost.texts.get(language) or cost.texts.get("en") or []
    return [
        {name: line.get(name) for name in names} | words
        for line, words in zip(cost.lines, texts, strict=True)
    ]


def review_of(transaction: Transaction) -> dict[str, Any] | None:
    """What a person has to decide; ``None`` where nothing is to be."""
    cost: SessionCost | None = getattr(transaction, "cost", None)
    if cost is None or not cost.cause:
        return None
    return dict(CostReviewView(cost).data)
