"""``Idempotency-Key`` on POST: parallel repeats give one effect, later ones the first answer."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta

import orjson
from django.db import IntegrityError
from django.db.transaction import atomic
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from portal.api.errors import Conflicting
from portal.api.renderers import JsonRenderer
from portal.models import IdempotentAnswer

KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=2)
TRIES = 3
AT_WORK = "The first request with this idempotency key is still at work. Repeat it later."
SECRET_FIELDS = frozenset({"password", "secret", "key"})


def once(
    request: Request, work: Callable[[], Response], digest: Callable[[], bytes], *, apart: bool = False
) -> Response:
    """Run the work unless the same key has an answer already. Raises 409 for the same key with another body.

    What the work does and its answer are committed together, so that a process that is killed leaves both or
    neither. ``apart``: work that talks to others between commits of its own, and is safe to repeat by itself.
    ``digest`` tells bodies apart; it is asked only where there is a key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return work()
    if not (1 <= len(key) <= 255 and key.isprintable()):
        raise ValidationError({"Idempotency-Key": "1 to 255 printable characters."})
    said = digest()
    row, fresh = _first_or_present(request, key, said)
    if not fresh:
        return _replay(row, said)
    try:
        with nullcontext() if apart else atomic():
            response = work()
            if not _keep(row, response) and not apart:
                raise Conflicting(AT_WORK)
    except BaseException:
        row.delete()  # the try left nothing behind, so the next one may do it
        raise
    return response


def forget_old() -> int:
    """Drop answers older than 24 h; the sweeper calls it."""
    return IdempotentAnswer.objects.filter(created_at__lt=clock.now() - KEPT).delete()[0]


def _first_or_present(request: Request, key: str, digest: bytes) -> tuple[IdempotentAnswer, bool]:
    """Who comes second may find that the first one failed meanwhile and left the key to the next."""
    for _ in range(TRIES):
        try:
            return _claim(request, key, digest)
        except IdempotentAnswer.DoesNotExist:
            continue
    raise Conflicting(AT_WORK)


def _claim(request: Request, key: str, digest: bytes) -> tuple[IdempotentAnswer, bool]:
    now = clock.now()
    where = {"organization_id": request.auth.organization_id, "route": request.path, "key": key}
    IdempotentAnswer.objects.filter(**where, created_at__lt=now - KEPT).delete()
    IdempotentAnswer.objects.filter(**where, status=None, created_at__lt=now - ABANDONED).delete()
    row = IdempotentAnswer(**where, body_digest=digest, created_at=now)
    try:
        with atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return IdempotentAnswer.objects.get(**where), False
    return row, True


def _replay(row: IdempotentAnswer, digest: bytes) -> Response:
    if bytes(row.body_digest) != digest:
        raise Conflicting("This idempotency key was used with another body. Take a new key.")
    if row.status is None:
        raise Conflicting(AT_WORK)
    return Response(row.answer, status=row.status, headers={**row.headers, "Idempotent-Replayed": "true"})


def _keep(row: IdempotentAnswer, response: Response) -> bool:
    """Whether the key is still ours: it took so long that a repetition may have begun anew."""
    answer = response.data
    if isinstance(answer, dict):
        answer = {name: value for name, value in answer.items() if name not in SECRET_FIELDS}
    kept = IdempotentAnswer.objects.filter(pk=row.pk).update(
        status=response.status_code,
        answer=orjson.loads(
            JsonRenderer().render(answer)
        ),  # as sent: exact figures are no JSON by themselves
        headers={name: response[name] for name in ("Location", "ETag") if name in response},
    )
    return bool(kept)
