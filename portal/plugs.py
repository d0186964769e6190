"""Names that people know the types of connectors by; the types are words of OCPP 2.0.1."""

from collections.abc import Mapping

PLUGS: Mapping[str, str] = {
    "cCCS1": "CCS 1",
    "cCCS2": "CCS 2",
    "cG105": "CHAdeMO",
    "cTesla": "Tesla",
    "cType1": "Type 1",
    "cType2": "Type 2",
    "sType2": "Type 2",
    "sType3": "Type 3",
    "sCEE-7-7": "Schuko",
    "s309-1P-16A": "CEE 16 A",
    "s309-1P-32A": "CEE 32 A",
    "s309-3P-16A": "CEE 3 × 16 A",
    "s309-3P-32A": "CEE 3 × 32 A",
}


def name(connector_type: str) -> str:
    """The common name, else the word itself."""
    return PLUGS.get(connector_type, connector_type)
