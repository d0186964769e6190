"""The pain.008 of a debit file, always the same bytes (billing B-44)."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from sepaxml import SepaDD
from sepaxml.validation import ValidationError as NotThePattern
from sepaxml.validation import try_valid_xml

from billing.models import BankDetails, DebitFile, DebitItem, Mandate
from core import keys
from core.errors import Conflict

SCHEMA = "pain.008.001.08"
_NAMESPACE = f"{{urn:iso:std:iso:20022:tech:xsd:{SCHEMA}}}"


def rendered(row: DebitFile, items: Sequence[DebitItem], details: BankDetails) -> bytes:
    """The pain.008 of these rows: always the same bytes, with the same message id (B-44)."""
    config: dict[str, Any] = {
        "name": details.holder, "IBAN": details.iban, "batch": True, "creditor_id": details.creditor_id,
        "currency": row.currency, "instrument": items[0].mandate.type,
    }  # fmt: skip
    if details.bic:
        config["BIC"] = details.bic
    document = SepaDD(config, schema=SCHEMA, clean=True)
    for item in items:
        document.add_payment({
            "name": item.mandate.holder,
            "IBAN": keys.unseal(item.mandate.sealed_iban, purpose=Mandate.PURPOSE),
            "amount": int(item.amount.scaleb(2)),
            "type": item.sequence,
            "collection_date": row.collect_on,
            "mandate_id": item.mandate.reference,
            "mandate_date": item.mandate.signed_on,
            "description": item.invoice.number,
            "endtoend_id": item.end_to_end_id,
        })  # fmt: skip
    tree = ElementTree.fromstring(document.export(validate=False))
    _name_parts(tree, row)
    content: bytes = b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(tree, "utf-8")
    try:
        try_valid_xml(content, SCHEMA)
    except NotThePattern as error:
        raise Conflict(
            "The bank's format does not take these data. Check names and the creditor id."
        ) from error
    return content


def _name_parts(tree: ElementTree.Element, row: DebitFile) -> None:
    """The library draws ids and the time anew each time; here they are the row's."""
    for element in tree.iter(f"{_NAMESPACE}MsgId"):
        element.text = row.message_id
    for element in tree.iter(f"{_NAMESPACE}CreDtTm"):
        element.text = f"{row.made_at:%Y-%m-%dT%H:%M:%S}"
    for place, element in enumerate(tree.iter(f"{_NAMESPACE}PmtInfId"), 1):
        element.text = f"{row.message_id}-{place}"
