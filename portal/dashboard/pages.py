"""Rendering a page or its named part, and paging by key."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.dashboard.entry import BadAddress, OperatorRequest

PAGE_SIZE = 50
LOOK_AT_MOST = 20_000


def render_page(
    request: OperatorRequest, template: str, context: dict[str, Any], *, partial: str = "", status: int = 200
) -> HttpResponse:
    """The whole page, or the named part of it where htmx asks for a fragment."""
    name = f"{template}#{partial}" if partial and request.htmx else template
    response = render(request, name, context, status=status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "HX-Request, Cookie"
    return response


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page and the query strings of its neighbours (empty: there is none).

    ``looked_through``: the search looked at no more rows than these; what is older is behind ``older``.
    """

    rows: list[Any]
    older: str = ""
    newest: str = ""
    looked_through: int = 0


def page_by_id(rows: QuerySet[Any], query: dict[str, str], *, size: int = PAGE_SIZE) -> Page:
    """Newest first by id (which grows with time); ``before`` in the query is the key to go on from."""
    kept = {name: value for name, value in query.items() if name != "before" and value}
    found = rows.order_by("-id")
    before = query.get("before", "")
    if before:
        found = found.filter(id__lt=_key(rows, before))
    some = list(found[: size + 1])
    older = urlencode({**kept, "before": some[size - 1].pk}) if len(some) > size else ""
    return Page(some[:size], older, urlencode(kept) or "-" if before else "")


def page_searched(rows: QuerySet[Any], meant: Q, query: dict[str, str]) -> Page:
    """As :func:`page_by_id`, of the rows that are meant, for which no index is: ``LOOK_AT_MOST`` at a time."""
    before = query.get("before", "")
    reach = rows.order_by("-id")
    if before:
        reach = reach.filter(id__lt=_key(rows, before))
    last = next(iter(reach.values_list("pk", flat=True)[LOOK_AT_MOST - 1 : LOOK_AT_MOST]), None)
    if last is None:
        return page_by_id(rows.filter(meant), query)
    page = page_by_id(rows.filter(meant, id__gte=last), query)
    if page.older:
        return page
    kept = {name: value for name, value in query.items() if name != "before" and value}
    return replace(page, older=urlencode({**kept, "before": last}), looked_through=LOOK_AT_MOST)


def page_by_name(rows: QuerySet[Any], query: dict[str, str], *, by: str = "name") -> Page:
    """By the column and then by id; ``after`` and ``last`` in the query are name and id of the row to go on from."""
    kept = {name: value for name, value in query.items() if name not in ("after", "last") and value}
    found = rows.order_by(by, "id")
    last = query.get("last", "")
    if last:
        after, key = query.get("after", "").replace("\x00", ""), _key(rows, last)
        beyond = Q(**{f"{by}__gt": after}) | Q(**{by: after, "id__gt": key})
        found = found.filter(Q(**{f"{by}__gte": after}) & beyond)  # the bound alone is what an index can use
    some = list(found[: PAGE_SIZE + 1])
    older = ""
    if len(some) > PAGE_SIZE:
        end = some[PAGE_SIZE - 1]
        older = urlencode({**kept, "after": reduce(getattr, by.split("__"), end), "last": end.pk})
    return Page(some[:PAGE_SIZE], older, urlencode(kept) or "-" if last else "")


def count_of(rows: QuerySet[Any], by: str) -> dict[Any, int]:
    """How many rows there are to each value of the column; asked for the rows of one page alone."""
    return dict(rows.order_by().values_list(by).annotate(Count("pk")))


def _key(rows: QuerySet[Any], text: str) -> Any:
    """The text as a key of these rows. Raises :class:`BadAddress`."""
    field = rows.model._meta.pk
    try:
        return field.clean(text, None)
    except ValidationError as error:
        raise BadAddress(_("This page of the list does not exist. Begin with the newest entries.")) from error


def address(request: OperatorRequest, name: str, *args: object) -> str:
    """The address of a page inside the present organization."""
    return reverse(f"dashboard:{name}", args=[request.place.organization.slug, *args])
