"""The fields of a tariff as an OCPI object, and an object as fields where they can say all of it."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from portal.dashboard.tariff_fields import MOST_ELEMENTS, PARTS, RANGES, minutes_of
from tariffs.structure import WEEKDAYS

Values = Mapping[str, Any]
OWN = frozenset({"elements", "currency", "type", "tax_included", "min_price", "max_price", "last_updated"})
"""What the fields say; all else of the object stays beside them: owner, id, texts, dates."""
_OLD, _NEW = ("excl_vat", "incl_vat"), ("before_taxes", "after_taxes")
_TEXTS = {
    "days": "day_of_week",
    "start_date": "start_date",
    "end_date": "end_date",
    "reservation": "reservation",
}


def compiled(head: Values, elements: Sequence[Values], kept: Values) -> dict[str, Any]:
    """The object that the cleaned values of the forms mean; an element that says nothing is left out."""
    words = {name: head[name] for name in ("currency", "type", "tax_included") if head.get(name)}
    sides = _NEW if head.get("tax_included") else _OLD
    limits = {f"{name}_price": _limit(head, name, sides) for name in ("min", "max")}
    made = [_element(values) for values in elements]
    return {
        **{name: value for name, value in kept.items() if name not in OWN},
        **words,
        **{name: limit for name, limit in limits.items() if limit},
        "elements": [one for one in made if one],
    }


def fields_of(content: Values) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the forms show of an object. Raises ``LookupError``, ``TypeError``, ``ValueError`` or ``AttributeError``
    for one of another shape, and passes over what they have no field for."""
    head = {name: content.get(name, "") for name in ("currency", "type", "tax_included")}
    for name in ("min", "max"):
        limit = content.get(f"{name}_price") or {}
        for side, words in zip(("excl", "incl"), zip(_OLD, _NEW, strict=True), strict=True):
            head[f"{name}_{side}"] = next((limit[word] for word in words if word in limit), "")
    elements = [_fields(one) for one in content["elements"]]
    if len(elements) > MOST_ELEMENTS:
        raise ValueError("There are more elements than fields.")
    return head, elements


def differences(ours: Any, theirs: Any, pointer: str = "") -> Iterator[str]:
    """The pointers at which two objects mean different things."""
    ours, theirs = _plain(ours), _plain(theirs)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in sorted({*ours, *theirs} - ({"last_updated"} if not pointer else set())):
            yield from differences(ours.get(name), theirs.get(name), f"{pointer}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{pointer}/{number}")
    elif ours != theirs or isinstance(ours, bool) is not isinstance(theirs, bool):
        yield pointer


def _limit(head: Values, name: str, sides: tuple[str, str]) -> dict[str, Decimal]:
    pair = zip(sides, (head.get(f"{name}_excl"), head.get(f"{name}_incl")), strict=True)
    return {side: value for side, value in pair if value is not None}


def _element(values: Values) -> dict[str, Any]:
    components = [
        {"type": part.dimension.value, **_component(values, part.name)}
        for part in PARTS
        if values.get(f"{part.name}_price") is not None
    ]
    rules = _restrictions(values)
    if not components and not rules:
        return {}
    return {"price_components": components, **({"restrictions": rules} if rules else {})}


def _component(values: Values, name: str) -> dict[str, Any]:
    said = {
        "price": values[f"{name}_price"],
        "vat": values.get(f"{name}_vat"),
        "step_size": values.get(f"{name}_step"),
    }
    return {word: value for word, value in said.items() if value is not None}


def _restrictions(values: Values) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    for name in ("start_time", "end_time"):
        if values.get(name) is not None:
            rules[name] = f"{values[name]:%H:%M}"
    for name, word in _TEXTS.items():
        if values.get(name):
            rules[word] = values[name].isoformat() if name.endswith("_date") else values[name]
    for quantity in RANGES:
        for side in ("min", "max"):
            value = values.get(f"{side}_{quantity}")
            if value is not None:
                rules[f"{side}_{'duration' if quantity == 'minutes' else quantity}"] = _bound(quantity, value)
    return rules


def _bound(quantity: str, value: Decimal) -> Decimal | int:
    if quantity != "minutes":
        return value
    seconds = value * 60
    return int(seconds) if seconds == seconds.to_integral_value() else seconds


def _fields(element: Values) -> dict[str, Any]:
    values: dict[str, Any] = {}
    names = {part.dimension.value: part.name for part in PARTS}
    for component in element["price_components"]:
        name = names[component["type"]]
        values |= {f"{name}_price": component["price"], f"{name}_vat": component.get("vat", "")}
        values |= {f"{name}_step": component["step_size"]} if component.get("step_size") else {}
    rules = element.get("restrictions") or {}
    for name in ("start_time", "end_time"):
        values[name] = rules.get(name, "")
    for name, word in _TEXTS.items():
        values[name] = rules.get(word, [] if name == "days" else "")
    for quantity in RANGES:
        for side in ("min", "max"):
            bound = rules.get(f"{side}_{'duration' if quantity == 'minutes' else quantity}", "")
            values[f"{side}_{quantity}"] = minutes_of(bound) if quantity == "minutes" else bound
    return values


def _plain(value: Any) -> Any:
    """Without the order, the zeros and the empty lists that mean nothing."""
    if isinstance(value, Mapping):
        empty = (("step_size", 0), ("restrictions", {}), ("day_of_week", []))
        return {
            name: inner for name, inner in value.items() if (name, inner) not in empty and inner is not None
        }
    if not isinstance(value, list | tuple):
        return value
    kinds = [one.get("type") if isinstance(one, Mapping) else one for one in value]
    if kinds and all(isinstance(kind, str) for kind in kinds) and len({*kinds}) == len(kinds):
        known = [*(part.dimension.value for part in PARTS), *WEEKDAYS]
        if {*kinds} <= {*known}:
            pairs = sorted(zip(kinds, value, strict=True), key=lambda pair: known.index(pair[0]))
            return [one for _kind, one in pairs]
    return list(value)
