"""Keyset pagination: stable while rows arrive, never counting, whatever the number of equal values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.signing import BadSignature, Signer
from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

MAX_LIMIT = 500
FORWARD, BACKWARD = "f", "b"


@dataclass(frozen=True, slots=True)
class Place:
    """Beyond which row to go on, in which direction; signed, so that only what we made comes back."""

    direction: str
    values: tuple[Any, ...]

    def sealed(self, salt: str) -> str:
        return Signer(salt=salt).sign_object([self.direction, *self.values])

    @staticmethod
    def opened(text: str, salt: str) -> "Place":
        """Raises 400 for what was not made here, or for another list or order."""
        try:
            direction, *values = Signer(salt=salt).unsign_object(text)
        except (BadSignature, UnicodeError) as error:
            raise ValidationError({"cursor": "Take it from “next” or “previous” of this list."}) from error
        return Place(direction, tuple(values))


class Cursor(CursorPagination):
    """``?limit=`` 1 to 500 (default 50), ``?ordering=`` one of the view's ``ordering_fields``."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = MAX_LIMIT
    ordering = "-id"

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        limit = self.get_page_size(request)
        ordering = self.get_ordering(request, queryset, view)
        self.salt = f"api.cursor:{queryset.model._meta.label}:{','.join(ordering)}"
        self.names = [name.lstrip("-") for name in ordering]
        self.base_url = request.build_absolute_uri()
        text = request.query_params.get(self.cursor_query_param)
        place = Place.opened(text, self.salt) if text is not None else None
        backward = place is not None and place.direction == BACKWARD
        found = list(_beyond(queryset, ordering, place)[: limit + 1])
        more, rows = len(found) > limit, found[:limit]
        self.rows = rows[::-1] if backward else rows
        self.after = backward or more
        self.before = more if backward else place is not None
        return self.rows

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
            raise ValidationError({"limit": f"A whole number from 1 to {MAX_LIMIT}."})
        return int(text)

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        """Fields that all go one way, the last of them the id, so that no two rows are equal."""
        default = tuple(getattr(view, "ordering", ("-id",)))
        asked = request.query_params.get("ordering")
        if asked is None:
            return default
        allowed = getattr(view, "ordering_fields", ())
        if asked.removeprefix("-") not in allowed:
            raise ValidationError({"ordering": f"Choose one of: {', '.join(allowed) or 'none'}."})
        if asked.removeprefix("-") == "id":
            return (asked,)
        return (asked, "-id" if asked.startswith("-") else "id")

    def get_next_link(self) -> str | None:
        return self._link(FORWARD, self.rows[-1]) if self.rows and self.after else None

    def get_previous_link(self) -> str | None:
        if not self.rows:
            return remove_query_param(self.base_url, self.cursor_query_param) if self.before else None
        return self._link(BACKWARD, self.rows[0]) if self.before else None

    def _link(self, direction: str, row: Any) -> str:
        values = tuple(_plain(getattr(row, name)) for name in self.names)
        sealed = Place(direction, values).sealed(self.salt)
        return replace_query_param(self.base_url, self.cursor_query_param, sealed)

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }


def walk(queryset: QuerySet[Any], ordering: tuple[str, ...], size: int) -> Iterator[list[Any]]:
    """All rows, so many at once, each piece looked up by the key of the row before it.

    Nothing stays open in the database between two pieces, however long their reader takes.
    """
    names = [name.lstrip("-") for name in ordering]
    place = None
    while rows := list(_beyond(queryset, ordering, place)[:size]):
        yield rows
        if len(rows) < size:
            return
        place = Place(FORWARD, tuple(getattr(rows[-1], name) for name in names))


def _beyond(queryset: QuerySet[Any], ordering: tuple[str, ...], place: Place | None) -> QuerySet[Any]:
    """The rows beyond the place, nearest first."""
    descending = ordering[0].startswith("-")
    names = [name.lstrip("-") for name in ordering]
    if place is not None:
        descending ^= place.direction == BACKWARD
        queryset = queryset.filter(_after(names, place.values, "lt" if descending else "gt"))
    return queryset.order_by(*(f"-{name}" if descending else name for name in names))


def _after(names: list[str], values: tuple[Any, ...], word: str) -> Q:
    """``(a, b) > (x, y)``, with a bound on ``a`` alone that an index can use."""
    beyond, equal = Q(), Q()
    for name, value in zip(names, values, strict=True):
        beyond |= equal & Q(**{f"{name}__{word}": value})
        equal &= Q(**{name: value})
    return Q(**{f"{names[0]}__{word}e": values[0]}) & beyond


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, int) else str(value)
