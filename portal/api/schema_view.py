"""``/schema/``: the description of the API, made once in each process, for nothing in it depends on who asks."""

from functools import lru_cache
from typing import Any

from django.utils import translation
from drf_spectacular import renderers
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.ratelimit import Counted
from portal.api.renderers import JsonRenderer

VERSION = "v1"


class Description(dict[str, Any]):
    """The whole description in one language; written down once in each form, which takes longer than to make it."""

    def __init__(self, content: Any) -> None:
        super().__init__(content)
        self.written: dict[str, bytes] = {}


class WrittenOnce(renderers.BaseRenderer):
    """Errors come as JSON, whatever was asked for."""

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        if not isinstance(data, Description):
            return JsonRenderer().render(data)
        if self.media_type not in data.written:
            data.written[self.media_type] = super().render(dict(data), accepted_media_type, renderer_context)
        return data.written[self.media_type]


class Yaml(WrittenOnce, renderers.OpenApiYamlRenderer):
    pass


class PlainYaml(WrittenOnce, renderers.OpenApiYamlRenderer2):
    pass


class Json(WrittenOnce, renderers.OpenApiJsonRenderer):
    pass


class PlainJson(WrittenOnce, renderers.OpenApiJsonRenderer2):
    pass


class SchemaView(Counted, SpectacularAPIView):
    api_version = VERSION
    renderer_classes = (Yaml, PlainYaml, Json, PlainJson)

    def _get_schema_response(self, request: Request) -> Response:
        headers = {"Content-Disposition": f'inline; filename="{self._get_filename(request, VERSION)}"'}
        return Response(_made(translation.get_language() or "en"), headers=headers)


@lru_cache(maxsize=4)
def _made(language: str) -> Description:
    with translation.override(language):
        return Description(SchemaGenerator(api_version=VERSION).get_schema(request=None, public=True))
