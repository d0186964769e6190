"""Keyset pagination: stable while rows arrive, never counting."""

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

MAX_LIMIT = 500


class Cursor(CursorPagination):
    """``?limit=`` 1 to 500 (default 50), ``?ordering=`` one of the view's ``ordering_fields``."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = MAX_LIMIT
    ordering = "-id"

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit")
        if text is None:
            return self.page_size
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
            raise ValidationError({"limit": f"A whole number from 1 to {MAX_LIMIT}."})
        return int(text)

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        default = getattr(view, "ordering", ("-id",))
        asked = request.query_params.get("ordering")
        if asked is None:
            return tuple(default)
        allowed = getattr(view, "ordering_fields", ())
        if asked.removeprefix("-") not in allowed:
            raise ValidationError({"ordering": f"Choose one of: {', '.join(allowed) or 'none'}."})
        return (asked, "-id" if asked.startswith("-") else "id")

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
        }
