"""Which names an address reads from its query, form or body, heard while it reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.http import QueryDict
from rest_framework.fields import Field


@contextmanager
def overheard() -> Iterator[set[str]]:
    """The names asked of any query or form, and the fields looked for in any body, until it ends."""
    names: set[str] = set()

    def listening(method: Any) -> Any:
        def heard(self: Any, key: Any, *others: Any, **named: Any) -> Any:
            if isinstance(key, str):
                names.add(key)
            return method(self, key, *others, **named)

        return heard

    get_value = Field.get_value

    def looked_for(self: Any, data: Any) -> Any:
        names.add(self.field_name)
        return get_value(self, data)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("__getitem__", "__contains__", "_getlist"):
            patch.setattr(QueryDict, name, listening(getattr(QueryDict, name)), raising=False)
        patch.setattr(Field, "get_value", looked_for)
        yield names
