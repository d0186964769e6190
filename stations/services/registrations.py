"""A station comes in at the door: as one that is known, or one that makes itself known (P106)."""

import logging
from typing import Any

from django.db.transaction import atomic

from core import keys
from core.access import Actor, ActorKind
from core.errors import DomainError
from core.models import Organization
from stations.domain.words import Registration
from stations.models import StationCredential
from stations.services import connections, credentials, stations
from stations.services.connections import Candidate, Opened
from stations.services.credentials import StoredPassword

logger = logging.getLogger(__name__)

REGISTERED_ITSELF = "It registered itself without a password."


def register(identity: str, password: bytes | None, *, encrypted: bool) -> None:
    """Keep an unknown station as pending in the oldest organization; nothing where that is not possible."""
    owner = Organization.objects.order_by("created_at", "id").first()
    if owner is None:
        return
    by = Actor(kind=ActorKind.SYSTEM, label="system:auto_register", organization_id=owner.pk)
    values: dict[str, Any] = {"identity": identity, "registration": Registration.PENDING.value}
    if password is None:
        values |= {"security_profile": 0, "unauthenticated_reason": REGISTERED_ITSELF}
    else:
        values["security_profile"] = 2 if encrypted else 1
    try:
        with atomic():
            station, _ = stations.create(values, by=by)
            if password is not None:
                credentials.keep_brought(station, password)
    except DomainError as refusal:
        logger.info("ocpp.not_registered", extra={"station": identity, "cause": refusal.message})


def enter(
    candidate: Candidate, *, password: StoredPassword | None, presented: bytes, **socket: Any
) -> Opened:
    """Take the epoch for an admitted station; settle what its password tells: a change done (P018), an old
    key (K-05)."""
    opened = connections.open(candidate, **socket)
    if password is not None and password.state == StationCredential.State.NEXT:
        credentials.promote(password.id)
    if password is not None and password.key_id != keys.newest_id():
        credentials.renew(candidate.id, password, presented)
    return opened
