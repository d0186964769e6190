"""What every intent says of itself, and how one is kept with its command."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from core.errors import Invalid
from stations.domain.words import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """``name`` is the command's word in the API, ``permission`` the word of what the actor must hold.

    ``effect_window_s`` says for how long after the answer its effect is awaited (``None``: there is none
    to see), ``needs`` what the station must be able to do, ``safe_to_repeat`` marks reads and triggers (M-09),
    ``may_wait`` whether it may wait for a station that is offline.
    """

    name: ClassVar[str]
    permission: ClassVar[str]
    effect_window_s: ClassVar[int | None] = None
    needs: ClassVar[Capability | None] = None
    safe_to_repeat: ClassVar[bool] = False
    may_wait: ClassVar[bool] = True


def to_json(intent: Intent) -> dict[str, Any]:
    """The intent's parameters as stored with the command; absent ones are left out."""
    return {key: _plain(value) for key, value in asdict(intent).items() if value is not None}


def restored(kind: type[Intent], parameters: Mapping[str, Any]) -> Intent:
    """The intent that :func:`to_json` stored. Raises :class:`Invalid` for an unknown or missing parameter."""
    unknown = set(parameters) - {f.name for f in fields(kind)}
    if unknown:
        raise Invalid(f"The command “{kind.name}” has no parameter “{min(unknown)}”.", field=min(unknown))
    try:
        intent: Intent = _typed(kind, parameters)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise Invalid(f"The command “{kind.name}” lacks a parameter: {error}.", field="command") from error
    return intent


def _plain(value: Any) -> Any:
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _typed(kind: Any, value: Any) -> Any:
    """The value as its declared type wants it: nested dataclasses, tuples of them, ids, times, decimals."""
    if value is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping):
        hints = _hints(kind)
        return kind(**{name: _typed(hints.get(name), inner) for name, inner in value.items()})
    if get_origin(kind) in (Union, UnionType):
        return _typed(next(option for option in get_args(kind) if option is not NoneType), value)
    if get_origin(kind) is tuple:
        return tuple(_typed(get_args(kind)[0], inner) for inner in value)
    if kind in (UUID, Decimal):
        return kind(str(value))
    return datetime.fromisoformat(value) if kind is datetime else value
