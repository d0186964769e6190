"""What a handler of the door reaches, read from its source: services, the events they take, actions, intents."""

import ast
import inspect
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import FunctionType, ModuleType
from typing import Any

from stations.domain.events import Stamp
from stations.domain.intents import Intent
from stations.ocpp.routing import Chosen, Collected, Decided, Direct

DOOR = "stations.ocpp"
SERVICES = "stations.services."
DOMAIN = "stations.domain."
STATION = "stations.domain.station"


@dataclass
class Reached:
    """``services`` by the name ``module.verb``, each with its events; ``facts`` go through the group commit."""

    services: dict[str, list[str]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    intents: list[type[Intent]] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)


def reached_by(start: Any) -> Reached:
    """Everything behind a route, a function or a module, as far as the door's own code goes."""
    reached, known, waiting = Reached(), set[int](), [start]
    while waiting:
        thing = waiting.pop(0)
        if id(thing) in known:
            continue
        known.add(id(thing))
        waiting += _look_at(thing, reached)
    return reached


@cache
def said_by(encode: Any) -> frozenset[str]:
    """Every text in an encoder and in what it calls; the actions among them are what it says."""
    return frozenset(reached_by(encode).texts)


def modules_below(package: str) -> list[ModuleType]:
    found = walk_packages(import_module(package).__path__, f"{package}.")
    return [import_module(one.name) for one in found]


def _look_at(thing: Any, reached: Reached) -> list[Any]:
    if isinstance(thing, Direct):
        return [thing.answer]
    if isinstance(thing, Decided):
        return [thing.handle]
    if isinstance(thing, Chosen):
        return [thing.pick]
    if isinstance(thing, Collected):
        reached.facts += [name for name in _returned(thing.decode) if name not in reached.facts]
        return [thing.decode, thing.answer]
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, type) and issubclass(thing, Intent):
        reached.intents.append(thing)
    if isinstance(thing, ModuleType):
        return list(_named(ast.parse(_source(thing)), vars(thing)))
    if isinstance(thing, FunctionType):
        return _look_at_function(thing, reached)
    return []


def _source(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def _look_at_function(function: FunctionType, reached: Reached) -> list[Any]:
    if function.__module__.startswith(SERVICES):
        module = function.__module__.removeprefix(SERVICES).partition(".")[0]
        reached.services.setdefault(f"{module}.{function.__name__}", _events(function))
        return []
    if not function.__module__.startswith(DOOR):
        return []
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    closure = inspect.getclosurevars(function).nonlocals
    names = {**function.__globals__, **closure}
    reached.texts.update(_texts(tree, names))
    return [*_named(tree, names), *closure.values()]


def _texts(tree: ast.AST, names: dict[str, Any]) -> Iterator[str]:
    """The texts that stand in the source or that its constants stand for."""
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) else None
        text = names.get(node.id) if isinstance(node, ast.Name) else value
        if isinstance(text, str):
            yield text


def _named(tree: ast.AST, names: dict[str, Any]) -> Iterator[Any]:
    """What the names in the source stand for, in the order of the source."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        thing = _resolved(node, names)
        if isinstance(thing, FunctionType | partial | type | Direct | Collected | Decided | Chosen):
            yield thing


def _resolved(node: ast.AST, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _resolved(node.value, names)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
    return None


def _events(function: FunctionType) -> list[str]:
    hints = {name: hint for name, hint in typing.get_type_hints(function).items() if name != "return"}
    return [event for hint in hints.values() for event in _of_domain(hint)]


def _returned(function: Any) -> list[str]:
    return _of_domain(typing.get_type_hints(function).get("return"))


def _of_domain(hint: Any) -> list[str]:
    """The events in a type, also in a list of them; who says them and when are none."""
    kinds = typing.get_args(hint) or (hint,)
    return [kind.__name__ for kind in kinds if isinstance(kind, type) and _is_event(kind)]


def _is_event(kind: type) -> bool:
    return kind.__module__.startswith(DOMAIN) and kind.__module__ != STATION and kind is not Stamp
