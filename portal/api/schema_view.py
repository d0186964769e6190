"""``/schema/``: the description of the API, made once in each process, for nothing in it depends on who asks."""

from functools import lru_cache
from typing import Any

from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

VERSION = "v1"


class SchemaView(SpectacularAPIView):
    api_version = VERSION

    def _get_schema_response(self, request: Request) -> Response:
        headers = {"Content-Disposition": f'inline; filename="{self._get_filename(request, VERSION)}"'}
        return Response(_made(translation.get_language() or "en"), headers=headers)


@lru_cache(maxsize=4)
def _made(language: str) -> Any:
    with translation.override(language):
        return SchemaGenerator(api_version=VERSION).get_schema(request=None, public=True)
