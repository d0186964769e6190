"""Examples for the documentation, made from the serializers, so that none lacks a field or has one too many."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework import serializers

from portal.api.errors import TITLES
from portal.api.example_values import BEGAN, LATER, NOW, OF, STATION, VALUES, WHOLE

PATCHED = ("name", "label", "automatic", "enabled", "accepts", "expires_at", "charging_profile", "url")
DETAILS: Mapping[int, str] = {
    400: "/time_zone: This field is required.",
    401: "Send the key as “Authorization: Bearer <key>”.",
    403: "This needs the scope “stations:write”.",
    404: "Not found.",
    409: "The present state does not allow it.",
    410: "Event 17 is not among those that are kept, which begin with 5120.",
    412: "The object was changed meanwhile. Read it again and repeat the change.",
    413: "A body has at most 1 MiB.",
    415: "Unsupported media type “text/plain” in request.",
    429: "Request was throttled. Expected available in 1 second.",
    503: "Somebody else is at work on this just now. Nothing was changed; try it again.",
}
CODES: Mapping[int, str] = {
    400: "invalid", 401: "not_authenticated", 403: "permission_denied", 404: "not_found", 409: "conflict",
    410: "gone", 412: "precondition_failed", 413: "too_large",
    415: "unsupported_media_type", 429: "throttled", 503: "busy",
}  # fmt: skip


class NoExample(LookupError):
    """A field whose example nobody wrote down: add it to ``example_values``."""


def example_of(serializer: Any) -> Any:
    """What an object of the serializer looks like on the wire."""
    if isinstance(serializer, serializers.ListSerializer):
        return [example_of(serializer.child)]
    if (whole := WHOLE.get(type(serializer).__name__)) is not None:
        return whole
    fields = serializer.fields.items()
    return {name: _value(serializer, name, field) for name, field in fields if not field.write_only}


def page_of(serializer: Any) -> dict[str, Any]:
    """A page of a list."""
    return {"results": [example_of(serializer)], "next": None, "previous": None}


def event_of(row: Mapping[str, Any]) -> str:
    """An event as it comes in a stream."""
    return f"id: {row['sequence']}\nevent: {row['type']}\ndata: {orjson.dumps(row).decode()}\n\n"


def body_of(serializer: Any, *, partial: bool = False) -> Any:
    """A body that can be sent; with ``partial`` it changes one field."""
    if type(serializer).__name__ in WHOLE:
        return WHOLE[type(serializer).__name__]
    whole = {
        name: _value(serializer, name, field)
        for name, field in serializer.fields.items()
        if not field.read_only and not field.write_only
    }
    chosen = next((name for name in PATCHED if name in whole), None)
    return {chosen: whole[chosen]} if partial and chosen else whole


def problem_of(status: int, path: str) -> dict[str, Any]:
    """An error answer."""
    errors = [{"pointer": "/time_zone", "code": "required", "detail": "This field is required."}]
    return {
        "type": "about:blank",
        "title": TITLES[status],
        "instance": path.replace("{id}", STATION),
        "request_id": "7f3c2a9e51d04b86",
        "status": status,
        "detail": DETAILS[status],
        "code": CODES[status],
        **({"errors": errors} if status == 400 else {}),
    }


def _value(owner: Any, name: str, field: Any) -> Any:
    for kind in type(owner).__mro__:
        if name in OF.get(kind.__name__, {}):
            return OF[kind.__name__][name]
    if isinstance(field, serializers.BaseSerializer):
        return example_of(field)
    if isinstance(field, serializers.ChoiceField):
        words = [str(word) for word in field.choices]
        return VALUES[name] if VALUES.get(name) in words else next(word for word in words if word)
    if isinstance(field, serializers.UUIDField) or name == "id":
        return VALUES.get(name, STATION)
    if isinstance(field, serializers.DateTimeField):
        return VALUES.get(name) or _instant(name)
    if name in VALUES:
        return VALUES[name]
    return _plain(type(owner).__name__, name, field)


def _instant(name: str) -> str:
    if name in (
        "valid_to",
        "retrieve_at",
        "install_at",
        "departure_at",
        "waits_until",
        "ends_at",
        "retry_at",
    ):
        return LATER
    return BEGAN if name in ("started_at", "created_at", "opened_at", "connected_since", "raised_at") else NOW


def _plain(owner: str, name: str, field: Any) -> Any:
    """Where any value will do; texts are always written down."""
    if isinstance(field, serializers.BooleanField):
        return False
    if getattr(field, "allow_null", False):
        return None
    if isinstance(field, serializers.IntegerField):
        return 1
    if isinstance(field, serializers.DictField):
        return {}
    raise NoExample(f"{owner}.{name}")
