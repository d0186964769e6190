"""What an invoice asks for each cost centre of its payer (billing B-18)."""

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Sum, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from billing.models import Buyer, DocumentType, Invoice


@dataclass(frozen=True, slots=True)
class Centre:
    """``leading`` is gross or net by the invoice's basis; sessions without a cost centre have an empty one."""

    cost_centre: str
    sessions: int
    leading: Decimal
    net: Decimal
    currency: str


def of(invoice: Invoice) -> list[Centre]:
    """By name, those without one last; nothing where the payer does not ask for it, or did not when it was issued."""
    if invoice.document_type == DocumentType.SELF_BILLED or not _is_asked_for(invoice):
        return []
    named = invoice.lines.order_by().annotate(
        centre=Coalesce(KeyTextTransform("cost_centre", "cdr__content"), Value("", output_field=TextField()))
    )
    rows = named.values("centre").annotate(
        sessions=Count("cdr", distinct=True), leads=Sum("leading"), nets=Sum("net")
    )
    found = [
        Centre(row["centre"], row["sessions"], row["leads"], row["nets"], invoice.currency) for row in rows
    ]
    return sorted(found, key=lambda one: (not one.cost_centre, one.cost_centre))


def _is_asked_for(invoice: Invoice) -> bool:
    if invoice.snapshot:
        return bool(invoice.snapshot.get("by_cost_centre"))
    return Buyer.objects.filter(pk=invoice.account_id, by_cost_centre=True).exists()
