"""``?search=``: rows that have a text in one of the columns that people know them by."""

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from django_filters.constants import EMPTY_VALUES


class Search(filters.CharFilter):
    """A part of the text of any of the columns, in whatever case."""

    def __init__(self, *columns: str) -> None:
        super().__init__(field_name=columns[0], lookup_expr="icontains")
        self.columns = columns

    def filter(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value in EMPTY_VALUES:
            return rows
        return rows.filter(reduce(or_, (Q(**{f"{name}__icontains": value}) for name in self.columns)))
