"""Every address of the portal, made from its URLconf and filled with things that exist."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from core import clock
from core.access import Actor
from core.models import ApiKey, Membership, Organization
from core.services import keys
from stations.domain import intents
from stations.models import Alert, ChargingStation, InstalledProfile, Transaction
from stations.services import commands, stations
from stations.services.local_lists import holding
from tests import factories

CONVERTED = re.compile(r"<(\w+):(\w+)>")
RESET_KEY = "password/reset/key/1-set-password/"
SPELT = {  # regular expressions are spelt out here
    "account_confirm_email": "accounts/confirm-email/MQ:abc:def/",
    "account_reset_password_from_key": f"accounts/{RESET_KEY}",
}


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its pattern, its name, its view, and a path with everything filled in."""

    pattern: str
    name: str
    view: Any
    path: str

    @property
    def is_api(self) -> bool:
        return self.pattern.startswith("api/")

    @property
    def is_dashboard(self) -> bool:
        return self.pattern.startswith("o/")


def patterns() -> Iterator[tuple[str, URLPattern]]:
    """All of the URLconf but Django's admin pages, whose own tests are Django's."""
    return _walk(get_resolver().url_patterns, "")


def routes(things: Mapping[str, object]) -> Iterator[Route]:
    """``things`` maps the start of a path below organization or API to the id that stands there."""
    for pattern, url in patterns():
        name = url.name or ""
        path = SPELT.get(name) or _filled(pattern, things)
        yield Route(pattern, name, url.callback, f"/{path}")


def furnish(organization: Organization, alice: Membership, actor: Actor) -> dict[str, object]:
    """One of everything that an address can name, in Alice's organization."""
    station, _ = factories.make_station(actor)
    evse = stations.add_evse(station, 1)
    now = clock.now()
    session = Transaction.objects.create(
        organization=organization,
        site=station.site,
        station=station,
        evse=evse,
        reference="1",
        token_value="04A2B6C8DA",
        started_at=now,
        last_event_at=now,
    )
    alert = Alert.objects.create(
        organization=organization,
        station=station,
        kind="connector_faulted",
        severity="warning",
        raised_at=now,
        last_at=now,
    )
    command = commands.issue(station, intents.ResetStation(kind="on_idle"), by=actor)
    reserved = commands.issue(
        station, intents.ReserveNow(token_value="04A2B6C8DA", expires_at=now + timedelta(hours=1)), by=actor
    )
    profile = InstalledProfile.objects.create(
        station=station, evse_id=1, profile_id=7, purpose="tx_default_profile", stack_level=0, kind="absolute",
        source="CSO", content={}, installed_at=now,
    )  # fmt: skip
    key, _ = keys.create(organization, name="walked", scopes=["*"], by=actor)
    return {
        "organization": organization.slug,
        "identity": station.identity,
        "stations": station.pk,
        "sessions": session.pk,
        "transactions": session.pk,
        "alerts": alert.pk,
        "commands": command.pk,
        "reservations": reserved.parameters["reservation"],
        "charging-profiles": profile.pk,
        "local-lists": holding.row_of(station.pk).pk,
        "sites": station.site_id,
        "tokens": factories.make_token(actor).pk,
        "users": alice.pk,
        "developer": key.pk,
    }


def of_walk(things: Mapping[str, object]) -> tuple[ChargingStation, Transaction, ApiKey]:
    """The station, the session and the key that :func:`furnish` made."""
    return (
        ChargingStation.objects.get(pk=things["stations"]),
        Transaction.objects.get(pk=things["sessions"]),
        ApiKey.objects.get(pk=things["developer"]),
    )


def _walk(entries: list[Any], before: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in entries:
        pattern = f"{before}{entry.pattern}"
        if isinstance(entry, URLResolver):
            if entry.app_name != "admin":
                yield from _walk(entry.url_patterns, pattern)
        else:
            yield pattern, entry


def _filled(pattern: str, things: Mapping[str, object]) -> str:
    place = pattern.removeprefix("o/<slug:organization>/").removeprefix("api/v1/").partition("/")[0]

    def value(match: re.Match[str]) -> str:
        kind, _ = match.groups()
        if kind == "int":
            return "1"
        return str(things["organization"] if kind == "slug" else things[place])

    plain = CONVERTED.sub(value, pattern)
    return plain.replace("^v1/.*/$", "v1/nothing/here/")
