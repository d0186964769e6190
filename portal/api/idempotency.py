"""``Idempotency-Key`` on POST: parallel repeats give one effect, later ones the first answer, a refusal too."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import orjson
from django.db import IntegrityError
from django.db.models import Q
from django.db.transaction import atomic
from django.http import HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from portal.api.errors import PROBLEM, Conflicting, refusal
from portal.api.renderers import JsonRenderer
from portal.models import IdempotentAnswer

Answer = TypeVar("Answer", bound=HttpResponseBase)

KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=2)
TRIES = 3
REFUSED = 400
AT_WORK = "The first request with this idempotency key is still at work. Repeat it later."
SECRET_FIELDS = frozenset({"password", "secret", "key"})


def once(
    request: Request,
    work: Callable[[], Answer],
    digest: Callable[[], bytes],
    *,
    apart: bool = False,
    anew: bool = False,
) -> Answer | Response:
    """Run the work unless the same key has an answer already. Raises 409 for the same key with another body.

    What the work does and its answer are committed together, so that a process that is killed leaves both or
    neither. ``apart``: work that talks to others between commits of its own, and is safe to repeat by itself.
    ``anew``: what it answers is kept nowhere (a file with a person's data), so a repetition makes it again.
    ``digest`` tells bodies apart; it is asked only where there is a key. A refusal is an answer, unless it passes by
    itself (429, some 409) or something broke (5xx); to other clients of the organization it is not repeated.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return work()
    if not (1 <= len(key) <= 255 and key.isprintable()):
        raise ValidationError({"Idempotency-Key": "1 to 255 printable characters."})
    said = digest()
    row, fresh = _first_or_present(request, key, said)
    if not fresh:
        return _replay(row, said, work if anew else None)
    try:
        with nullcontext() if apart else atomic():
            response = work()
            if not _keep(row, response) and not apart:
                raise Conflicting(AT_WORK)
    except Exception as error:  # whatever it is, it is answered to the caller; a refusal is kept as well
        _keep_refusal(row, error, request)
        raise
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
    now, client = clock.now(), str(request.auth.subject_id)
    where = {"organization_id": request.auth.organization_id, "route": request.path, "key": key}
    outdated = Q(created_at__lt=now - KEPT) | Q(status=None, created_at__lt=now - ABANDONED)
    of_another = Q(status__gte=REFUSED) & ~Q(client=client)
    IdempotentAnswer.objects.filter(outdated | of_another, **where).delete()
    row = IdempotentAnswer(**where, client=client, body_digest=digest, created_at=now)
    try:
        with atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return IdempotentAnswer.objects.get(**where), False
    return row, True


def _replay(row: IdempotentAnswer, digest: bytes, again: Callable[[], Answer] | None) -> Answer | Response:
    if bytes(row.body_digest) != digest:
        raise Conflicting("This idempotency key was used with another body. Take a new key.")
    if row.status is None:
        raise Conflicting(AT_WORK)
    if row.status >= REFUSED:
        response: Answer | Response = Response(row.answer, status=row.status, content_type=PROBLEM)
    elif again is not None:
        response = again()
    else:
        response = Response(row.answer, status=row.status, headers=row.headers)
    response["Idempotent-Replayed"] = "true"
    return response


def _keep_refusal(row: IdempotentAnswer, error: Exception, request: Request) -> None:
    refused = refusal(error, request.path)
    if refused is None:
        row.delete()
    else:
        _keep(row, refused)


def _keep(row: IdempotentAnswer, response: HttpResponseBase) -> bool:
    """Whether the key is still ours: it took so long that a repetition may have begun anew."""
    answer = response.data if isinstance(response, Response) else None
    if isinstance(answer, dict):
        answer = {name: value for name, value in answer.items() if name not in SECRET_FIELDS}
    kept = IdempotentAnswer.objects.filter(pk=row.pk).update(
        status=response.status_code,
        answer=None if answer is None else _as_sent(answer),
        headers={name: response[name] for name in ("Location", "ETag") if name in response},
    )
    return bool(kept)


def _as_sent(answer: Any) -> Any:
    """Exact figures are no JSON by themselves."""
    return orjson.loads(JsonRenderer().render(answer))
