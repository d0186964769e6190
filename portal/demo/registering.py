"""Registering simulated stations with the portal, so that their handshakes are accepted."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from core.access import Actor, system
from core.models import Organization
from drivers.models import IdToken
from drivers.services import tokens
from stations.models import ChargingStation
from stations.services import stations

PASSWORD_DIGITS = 40


def actor(organization: Organization, name: str) -> Actor:
    """The system, acting for one organization."""
    return replace(system(name), organization_id=organization.id)


def station_password(identity: str) -> str:
    """The password of a simulated station: made from the portal's own secret, so it is stored nowhere."""
    message = f"simulated station {identity}".encode()
    return hmac.digest(settings.SECRET_KEY.encode(), message, "sha256").hex()[:PASSWORD_DIGITS]


def register_station(identity: str, values: Mapping[str, Any], *, by: Actor) -> ChargingStation:
    """The station of that identity; made with :func:`station_password` where it is not there yet."""
    found = ChargingStation.objects.live().visible_to(by).filter(identity=identity).first()
    if found is not None:
        return found
    secret = station_password(identity)
    station, _ = stations.create({"identity": identity, **values}, by=by, password=secret)
    return station


def register_tokens(values: Iterable[str], *, by: Actor, labels: Mapping[str, str] | None = None) -> None:
    """Make the tokens known to the organization, where they are not yet."""
    mine = IdToken.objects.live().visible_to(by).filter(organization=by.organization_id)
    for value in values:
        known = mine.filter(value__iexact=value)
        if not known.exists():
            tokens.create(value=value, label=(labels or {}).get(value, "Simulated driver"), by=by)
