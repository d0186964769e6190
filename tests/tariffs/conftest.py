"""Fixtures of the tariffs' tests."""

from collections.abc import Iterator

import pytest
from django.utils import translation


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """Texts are English unless a test says otherwise, whatever language was read before."""
    with translation.override("en"):
        yield
