"""Filters of lists: each parameter is known and its value understood, or the request is refused with 400."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

PAGING = ("limit", "cursor", "ordering")
FORMAT = "format"
FURTHEST = timedelta(hours=16)  # from UTC, that PostgreSQL reads
BOOLEANS: Mapping[str, bool] = {"true": True, "false": False, "1": True, "0": False}


def filtered(view: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
    """The rows that the request's parameters leave. Raises 400 naming each wrong parameter and what is allowed."""
    known = filters_of(view)
    given = view.request.query_params
    wrong = {name: text for name in given if (text := _complaint(name, given.getlist(name), known))}
    if wrong:
        raise ValidationError(wrong)
    if view.filter_class is None:
        return queryset
    filters = view.filter_class(given, queryset=queryset, request=view.request)
    if not filters.is_valid():
        raise ValidationError(
            {name: _allowed(known.get(name)) or texts for name, texts in filters.errors.items()}
        )
    return filters.qs


def filters_of(view: Any) -> Mapping[str, Any]:
    """The filters of a list by the name of their parameter."""
    return {} if view.filter_class is None else dict(view.filter_class.get_filters())


def choices_of(one: Any) -> list[str]:
    """The words that a filter knows; none where it takes any."""
    choices = one.extra.get("choices") or ()
    return [str(word) for word, _ in (choices() if callable(choices) else choices)]


def _complaint(name: str, texts: Iterable[str], known: Mapping[str, Any]) -> str:
    if name in PAGING or name == FORMAT:
        return "" if len(list(texts)) == 1 else "Give it once."
    if name not in known:
        return f"There is no such parameter. Known are: {', '.join(sorted((*known, *PAGING)))}."
    first, *more = texts
    if more:
        return "Give it once."
    if not first.strip() and name != "search":
        return "Give a value, or leave the parameter out."
    return "" if first == "" or _understood(known[name], first) else _allowed(known[name])


def _understood(one: Any, text: str) -> bool:
    """What a filter of django-filter would ignore or round."""
    if isinstance(one, django_filters.UUIDFilter | django_filters.ModelChoiceFilter):
        return text == text.strip()
    if isinstance(one, django_filters.BooleanFilter):
        return text.lower() in BOOLEANS
    if isinstance(one, django_filters.NumberFilter):
        return text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 19
    if isinstance(one, django_filters.IsoDateTimeFilter):
        return _is_instant(text)
    if isinstance(one, django_filters.DateFilter):
        return _is_day(text)
    return True


def _is_instant(text: str) -> bool:
    try:
        instant = datetime.fromisoformat(text)
        instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return abs(instant.utcoffset() or timedelta(0)) < FURTHEST


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _allowed(one: Any) -> str:
    """What the filter takes, in words; empty where any text will do."""
    if isinstance(one, django_filters.BooleanFilter):
        return "Choose one of: true, false."
    if isinstance(one, django_filters.NumberFilter):
        return "Give a whole number."
    if isinstance(one, django_filters.IsoDateTimeFilter):
        return "Give a time such as 2026-11-25T18:00:00Z."
    if isinstance(one, django_filters.DateFilter):
        return "Give a day such as 2026-11-25."
    if isinstance(one, django_filters.UUIDFilter):
        return "Give an id, which is a UUID."
    words = choices_of(one) if one is not None else []
    return f"Choose one of: {', '.join(words)}." if words else ""
