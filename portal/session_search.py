"""Charging sessions by what people know them by: their station, their token, OCPP's id of them."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from core.access import Actor, Permission
from drivers.models import IdToken
from stations.models import ChargingStation

FOUND_AT_MOST = 5000
NEWEST = ("-created_at", "-pk")
"""What is found of stations and tokens, where the words name more of them than can be looked for."""


def meant_by(words: str, actor: Actor) -> Q:
    """Sessions of the actor's organization that the words name; by tokens for those who may see drivers alone.

    Stations and tokens are found first and named by their ids: joined, the search would read every session. So are a
    token's whole value and OCPP's whole id, which have an index.
    """
    stations = ChargingStation.objects.visible_to(actor).filter(
        Q(identity__icontains=words) | Q(name__icontains=words)
    )
    meant = Q(station__in=_newest(stations)) | Q(reference__iexact=words)
    return meant | _of_tokens(words, actor) if actor.can(Permission.DRIVERS_VIEW) else meant


def _of_tokens(words: str, actor: Actor) -> Q:
    named = IdToken.objects.filter(organization_id=actor.organization_id, label__icontains=words)
    return Q(token__in=_newest(named)) | Q(token_value__iexact=words)


def _newest(found: QuerySet[Any]) -> list[UUID]:
    return list(found.order_by(*NEWEST).values_list("pk", flat=True)[:FOUND_AT_MOST])
