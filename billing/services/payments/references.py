"""The creditor reference of an invoice (ISO 11649): ``RF``, two check digits, the invoice's number (B-46)."""

import re
from collections.abc import Iterator
from uuid import UUID

from django.db.models import CharField, F, Func, QuerySet, Value
from django.db.models.functions import Upper
from stdnum import iso11649
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

from billing.models import DocumentType, Invoice

LONGEST_BODY = 21
_CANDIDATE = re.compile(r"(?=(RF(?:[ -]?[0-9A-Z]){3,30}))", re.IGNORECASE)  # a next one may begin within it
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9]")


def reference_of(invoice: Invoice) -> str:
    """The reference for transfers; empty for a draft. The same as long as the number is, so always."""
    body = plain(invoice.number)
    return f"RF{mod_97_10.calc_check_digits(body + 'RF')}{body}" if 0 < len(body) <= LONGEST_BODY else ""


def shown(reference: str) -> str:
    """In groups of four, as people read it."""
    return " ".join(reference[place : place + 4] for place in range(0, len(reference), 4))


def found_in(text: str) -> Iterator[str]:
    """Every reference with right check digits in a text, in its compact form, the longest reading first."""
    for readings in readings_in(text):
        yield from readings


def readings_in(text: str) -> Iterator[list[str]]:
    """As :func:`found_in`, by place: of the readings of one place one is meant."""
    for match in _CANDIDATE.finditer(text):
        compact = _NOT_PLAIN.sub("", match[1]).upper()
        ends = range(min(len(compact), LONGEST_BODY + 4), 4, -1)
        yield [compact[:end] for end in ends if _is_valid(compact[:end])]


def invoices_in(organization_id: UUID, text: str) -> list[Invoice]:
    """The invoices whose references stand in a text, in the order of the text, each once."""
    found: dict[UUID, Invoice] = {}
    for readings in readings_in(text):
        rows = (invoices_of(organization_id, one).select_related("account").first() for one in readings)
        named = next((one for one in rows if one is not None), None)
        if named is not None:
            found.setdefault(named.pk, named)
    return list(found.values())


def invoices_of(organization_id: UUID, reference: str) -> QuerySet[Invoice]:
    """The invoice that a reference or a number is of, however it is written."""
    body = plain(reference)
    body = body[4:] if _is_valid(body) else body
    bare = Func(
        F("number"), Value("[^A-Za-z0-9]"), Value(""), Value("g"),
        function="regexp_replace", output_field=CharField(),
    )  # fmt: skip
    issued = Invoice.objects.filter(organization_id=organization_id, document_type=DocumentType.INVOICE)
    return issued.exclude(number="").annotate(bare=Upper(bare)).filter(bare=body)


def plain(text: str) -> str:
    return _NOT_PLAIN.sub("", text).upper()


def _is_valid(text: str) -> bool:
    try:
        iso11649.validate(text)
    except ValidationError:
        return False
    return True
