"""Signed chains on their way to stations: sent, sent again without an answer, and what the answer means."""

from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.db.transaction import atomic
from django.utils.module_loading import import_string

from core.access import Actor
from core.errors import DomainError
from stations.domain.certificates import SigningStatus
from stations.domain.intents import SendSignedCertificate
from stations.domain.words import CommandStatus
from stations.models import Command, SigningRequest
from stations.services import commands
from stations.services.certificates import signing

PATIENCE_S = 86_400
BETWEEN_TRIES = timedelta(minutes=1)


class Signer(Protocol):
    """Something that signs: an authority of our own or a remote one (C-01). May fail and is asked again then."""

    def sign(self, request: SigningRequest) -> str:
        """The chain as PEM, leaf first. Raises :class:`core.errors.DomainError` where it cannot now."""


def signer() -> Signer | None:
    """What ``CERTIFICATE_SIGNER`` names; ``None``: a person brings the chain."""
    return import_string(settings.CERTIFICATE_SIGNER)() if settings.CERTIFICATE_SIGNER else None


def sign_and_send(request: SigningRequest, chain: str, *, by: Actor) -> SigningRequest:
    """A person or program brings the chain; it leaves at once, or when the station is back."""
    with atomic():
        signed = signing.sign(request, chain, by=by)
        send(signed, by=by)
    return signed


def send(request: SigningRequest, *, by: Actor) -> Command:
    """The chain goes to the station."""
    return commands.issue(
        request.station,
        SendSignedCertificate(request=request.pk),
        by=by,
        patience_s=PATIENCE_S,
        if_offline="wait",
    )


def sweep(now: datetime) -> int:
    """Have signed what waits for a signer, send again what got no answer, tell of what is overdue."""
    done = _sign_waiting() + _send_again(now)
    signing.watch(now)
    return done


def _sign_waiting() -> int:
    asked = signer()
    waiting = SigningRequest.objects.filter(status=SigningStatus.WAITING.value).select_related("station")
    done = 0
    for request in waiting[:100] if asked else ():
        try:
            assert asked is not None
            sign_and_send(request, asked.sign(request), by=signing.SYSTEM)
            done += 1
        except DomainError as error:
            SigningRequest.objects.filter(pk=request.pk).update(detail=error.message[:500])
    return done


def _send_again(now: datetime) -> int:
    unsent = SigningRequest.objects.filter(
        status=SigningStatus.SIGNED.value, tries__gt=0, sent_at__lt=now - BETWEEN_TRIES
    ).select_related("station")
    done = 0
    for request in unsent.filter(station__presence__connected=True)[:100]:
        if _is_underway(request):
            continue
        try:
            send(request, by=signing.SYSTEM)
            done += 1
        except DomainError as error:
            SigningRequest.objects.filter(pk=request.pk).update(detail=error.message[:500])
    return done


def _is_underway(request: SigningRequest) -> bool:
    return Command.objects.filter(
        station=request.station,
        command=SendSignedCertificate.name,
        parameters__request=str(request.pk),
        status__in=[CommandStatus.PENDING.value, CommandStatus.SENT.value],
    ).exists()
