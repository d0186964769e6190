"""The manners that every resource shares (spec of the API, section Manners)."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.conf import settings
from django.db.models import Model, QuerySet
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response

from core import audit, statements
from core.access import Actor
from core.models import Organization
from core.patience import patience
from portal.api import idempotency
from portal.api.errors import PreconditionFailed
from portal.api.filtering import filtered
from portal.api.pagination import Cursor, walk
from portal.api.parsers import JsonParser
from portal.api.ratelimit import Counted
from portal.api.renderers import CsvRenderer, JsonRenderer, csv_lines
from portal.downloads import streamed

REPLACING = frozenset({"PUT", "PATCH"})
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
ROWS_AT_ONCE = 50  # of an export; reading rows holds up all threads of the process


class StrictSerializer(serializers.Serializer):
    """Refuses fields that it does not know, so that a misspelt one is not lost."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError({name: "There is no such field." for name in unknown})
        wrong = self._of_wrong_type(data)
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**wrong, **error.detail}) from error
        if wrong:
            raise serializers.ValidationError(wrong)
        return self._whole(data, values) if isinstance(self.parent, serializers.ListSerializer) else values

    def _whole(self, data: Any, values: dict[str, Any]) -> dict[str, Any]:
        """An element of a list is written whole, also where the rest of its body is a part (PATCH)."""
        left_out = [field for field in self._writable_fields if field.get_value(data) is empty]
        lacking = {
            field.field_name: [field.error_messages["required"]] for field in left_out if field.required
        }
        if lacking:
            raise serializers.ValidationError(lacking)
        defaults = {field.source: field.default for field in left_out if field.default is not empty}
        return {name: one() if callable(one) else one for name, one in defaults.items()} | values

    def _of_wrong_type(self, data: Any) -> dict[str, str]:
        """What is written as another type may mean something else: ``0`` is no ``false``, ``2.10`` no ``"2.10"``.

        A table (``table`` of the context) knows texts only.
        """
        if self.context.get("table") or not isinstance(data, Mapping):
            return {}
        told = {
            name: _not_of_type(self.fields[name], value) for name, value in data.items() if value is not None
        }
        return {name: text for name, text in told.items() if text}


def _not_of_type(field: serializers.Field, value: Any) -> str:
    """Why the value is not of the field's JSON type; empty where it is."""
    if isinstance(field, serializers.BooleanField):
        return "" if isinstance(value, bool) else "Give true or false."
    if isinstance(field, serializers.IntegerField):
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return "" if whole and not isinstance(value, bool) else "Give a whole number."
    words = isinstance(field, serializers.ChoiceField) and all(isinstance(one, str) for one in field.choices)
    if words or isinstance(field, serializers.CharField | serializers.UUIDField):
        return "" if isinstance(value, str) else "Give a text, in quotation marks."
    return ""


class Resource(Counted):
    """One path of the API; ``scopes`` maps ``read`` and ``write`` to the scope that each needs."""

    scopes: ClassVar[Mapping[str, str]] = {}
    fixed: ClassVar[tuple[str, ...]] = ()
    parser_classes = (JsonParser,)
    serializer_class: ClassVar[type[serializers.BaseSerializer]]
    request: Request

    @property
    def actor(self) -> Actor:
        actor = self.request.auth
        assert isinstance(actor, Actor)
        return actor

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with patience(settings.LOCK_TIMEOUT_S), ExitStack() as self._held:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.read_body(request)
        super().initial(request, *args, **kwargs)
        if request.method in REPLACING:
            self._held.enter_context(atomic())
            statements.execute(_ALONE, [f"{self.actor.organization_id}:{request.path}"])

    def read_body(self, request: Request) -> None:
        """Read before a parser takes the stream: idempotency digests it."""
        request._request.body  # noqa: B018

    def body_digest(self) -> bytes:
        """What a repetition under the same idempotency key has to be equal in: body and parameters."""
        plain = self.request._request
        query = plain.META.get("QUERY_STRING", "")
        return hashlib.sha256(plain.body + (b"\x00" + query.encode() if query else b"")).digest()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(getattr(response, "accepted_renderer", None), CsvRenderer):
            response.accepted_renderer, response.accepted_media_type = JsonRenderer(), JsonRenderer.media_type
        response["Cache-Control"] = "no-store"
        return response

    def body(self, serializer: type[serializers.Serializer], *, partial: bool = False) -> dict[str, Any]:
        """The validated body; a 400 names every wrong field."""
        checked = serializer(data=self.request.data, partial=partial, context={"actor": self.actor})
        return self._checked(checked)

    def _checked(self, body: serializers.Serializer) -> dict[str, Any]:
        """A wrong body is told first, a lost race then; nobody else changes this address through the API meanwhile."""
        body.is_valid(raise_exception=True)
        if self.request.method in REPLACING and "If-Match" in self.request.headers and hasattr(self, "get"):
            present = self.get(self.request, *self.args, **self.kwargs)
            require_tag(self.request, present.headers.get("ETag", ""))
        return dict(body.validated_data)

    def replacement(
        self, serializer: type[serializers.Serializer], shown: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The validated body of a PUT; ``shown`` is what GET answers now.

        What was read may be put back: fields that nobody can write are not looked at, those that only POST
        sets (``fixed`` of the view) and the id must be the present ones. Required fields must be given.
        """
        data = self.request.data
        if not isinstance(data, Mapping):
            return self.body(serializer)
        known = serializer(context={"actor": self.actor}).fields
        others = {name: value for name, value in data.items() if name not in known and name in shown}
        self._require_present(others, shown)
        checked = serializer(
            data={name: value for name, value in data.items() if name not in others},
            context={"actor": self.actor},
        )
        return self._checked(checked)

    def _require_present(self, given: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
        wrong = [
            name
            for name in ("id", *self.fixed)
            if name in given and _plain(given[name]) != _plain(shown[name])
        ]
        if wrong:
            raise serializers.ValidationError({name: "This cannot be changed." for name in wrong})

    def once(self, work: Callable[[], Response], *, apart: bool = False) -> Response:
        """A POST's work under the request's idempotency key, if it has one (:func:`idempotency.once`)."""
        return idempotency.once(self.request, work, self.body_digest, apart=apart)

    def file_once(self, work: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """The same for a file that nobody keeps: a repetition makes it again, as it is then."""
        return idempotency.once(self.request, work, self.body_digest, anew=True)

    def represent(self, thing: Any, *, many: bool = False) -> Any:
        return self.serializer_class(
            thing, many=many, context={"actor": self.actor, "request": self.request}
        ).data


class ListResource(Resource):
    """A list: filters named after fields, cursor pagination, CSV."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    ordering_fields: ClassVar[tuple[str, ...]] = ("id",)
    filter_class: ClassVar[Any] = None
    pagination_class = Cursor

    @abstractmethod
    def rows(self) -> QuerySet[Any]:
        """What the actor may see, before filters."""

    def listing(self) -> Any:
        """The answer to GET: one page, or with ``Accept: text/csv`` all that the filters leave."""
        queryset = filtered(self, self.rows())
        if self.request.accepted_renderer.format == "csv":
            return self._csv(queryset)
        paginator = self.pagination_class()
        page = paginator.paginate_queryset(queryset, self.request, view=self)
        return paginator.get_paginated_response(self.represent(page, many=True))

    def _csv(self, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        paginator = self.pagination_class()
        paginator.get_page_size(self.request)
        ordering = paginator.get_ordering(self.request, queryset, self)
        pieces = walk(queryset, ordering, ROWS_AT_ONCE)
        return self.table_of(row for some in pieces for row in self.represent(some, many=True))

    def table_of(self, rows: Iterable[Mapping[str, Any]]) -> StreamingHttpResponse:
        """The rows as CSV, streamed; that they were taken out is noted in the audit."""
        organization = Organization.objects.get(pk=self.actor.home)
        filters = {name: [None, value] for name, value in self.request.query_params.items()}
        with atomic():
            audit.record(
                "list.exported", organization, by=self.actor, changes=filters, reason=self.request.path
            )
            return streamed(
                self.request._request,
                csv_lines(self._columns(), rows),
                content_type="text/csv; charset=utf-8",
                filename="export.csv",
                by=self.actor,
            )

    def _columns(self) -> list[str]:
        fields = self.serializer_class(context={"actor": self.actor}).fields
        return [name for name, field in fields.items() if not field.write_only]

    @property
    def paginator(self) -> Cursor:
        return self.pagination_class()


def found(queryset: QuerySet[Any], pk: UUID) -> Any:
    """The object of that id, or 404 without a word on whether it exists elsewhere."""
    thing = queryset.filter(pk=pk).first()
    if thing is None:
        raise Http404
    return thing


def with_defaults(values: Mapping[str, Any], model: type[Model], names: Iterable[str]) -> dict[str, Any]:
    """The values of a PUT, with the model's default for each named field that was left out."""
    return {**{name: model._meta.get_field(name).get_default() for name in names}, **values}


Body = type[serializers.Serializer]


def etag_of(data: Mapping[str, Any], body: Body | None = None) -> str:
    """``"<of what can be written>-<of all that is shown>"``; without ``body`` all can be written."""
    written = {name: data[name] for name in body().fields if name in data} if body else data
    return f'"{_fingerprint(written)}-{_fingerprint(data)}"'


def with_etag(request: HttpRequest | Request, data: Mapping[str, Any], body: Body | None = None) -> Response:
    """200 with ``ETag``, or for GET 304 where ``If-None-Match`` names it."""
    tag = etag_of(data, body)
    known = _tags(request.headers.get("If-None-Match"))
    if request.method in {"GET", "HEAD"} and (tag in known or "*" in known):
        return Response(status=304, headers={"ETag": tag})
    return Response(data, headers={"ETag": tag})


def require_match(request: HttpRequest | Request, data: Mapping[str, Any], body: Body | None = None) -> None:
    """412 where ``If-Match`` names other written values than the present ones.

    What a station reports meanwhile (a heartbeat, a meter value) changes its ``ETag`` but is no lost race.
    """
    if "If-Match" in request.headers:
        require_tag(request, etag_of(data, body))


def require_tag(request: HttpRequest | Request, present: str) -> None:
    """412 where ``If-Match`` names tags of other written values than the present one does."""
    wanted = _tags(request.headers.get("If-Match"))
    if (
        wanted
        and "*" not in wanted
        and present.partition("-")[0] not in {tag.partition("-")[0] for tag in wanted}
    ):
        raise PreconditionFailed


def _plain(value: Any) -> Any:
    """As it looks on the wire."""
    return orjson.loads(orjson.dumps(value, default=str))


def _fingerprint(data: Mapping[str, Any]) -> str:
    text = orjson.dumps(data, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:24]


def _tags(header: str | None) -> list[str]:
    """The tags of the header; a proxy that compresses marks ours as weak, which they are not."""
    return [tag.strip().removeprefix("W/") for tag in (header or "").split(",") if tag.strip()]
