"""People, organizations and stations for tests, each made through the services that people use.

Alice owns the organization (admin), Bob is her colleague (technician), Charlie a stranger (admin of
another organization).
"""

import io
import itertools
import secrets
from typing import Any

import orjson

from billing.services import parties
from core import access as core_access
from core import keys as core_keys
from core.access import Actor, Role
from core.models import Membership, Organization
from core.services import accounts, keys
from drivers.models import Driver, IdToken
from drivers.services import drivers, tokens
from stations.domain.intents import GetLog, from_json
from stations.domain.station import StationRef
from stations.models import ChargingStation, FirmwareImage, LogFile
from stations.services import access, commands, firmware_images, log_files, logs, stations

_numbers = itertools.count(1)
SYSTEM = core_access.system("tests")
SELLER = {
    "street": "Hafenstraße 1", "postal_code": "20457", "city": "Hamburg", "country": "DE",
    "vat_id": "DE136695976", "email": "billing@example.org",
}  # fmt: skip
PASSWORD = "correct horse battery staple"


def unique(prefix: str) -> str:
    """A name that no other test has used."""
    return f"{prefix}-{secrets.token_hex(3)}-{next(_numbers)}"


def make_organization(**details: Any) -> Organization:
    slug = unique("org")
    made = accounts.create_organization(slug, name=f"Operator {slug}", by=SYSTEM, **details)
    parties.save_seller(made, SELLER, by=SYSTEM)
    return made


def make_member(organization: Organization, role: Role = Role.ADMIN, name: str = "alice") -> Membership:
    membership, _ = accounts.add_member(f"{unique(name)}@example.org", organization, role, by=SYSTEM)
    membership.user.set_password(PASSWORD)
    membership.user.save(update_fields=["password"])
    return membership


def make_actor(organization: Organization, role: Role = Role.ADMIN, name: str = "alice") -> Actor:
    return access.actor_of_member(make_member(organization, role, name))


def make_key(organization: Organization, *scopes: str) -> str:
    """The secret of a new API key; all scopes where none is named."""
    return keys.create(organization, name=unique("key"), scopes=scopes or ("*",), by=SYSTEM)[1]


def make_station(by: Actor, *, password: str | None = None, **values: Any) -> tuple[ChargingStation, str]:
    """A station and its password."""
    values.setdefault("identity", unique("CP"))
    station, secret = stations.create(values, by=by, password=password)
    return station, secret or ""


def make_image(by: Actor, content: bytes = b"\x7fELF firmware", **values: Any) -> FirmwareImage:
    """A firmware image as an administrator uploads it; for every station where nothing else is said."""
    values.setdefault("version", "2.0")
    filename = values.pop("filename", "ac22-2.0.bin")
    return firmware_images.add(io.BytesIO(content), filename, values, by=by)


def make_log(station: ChargingStation, by: Actor, content: bytes = b"all is well\n") -> LogFile:
    """A log that the station was asked for and has uploaded to its target."""
    command = commands.issue(station, GetLog(kind="diagnostics"), by=by, if_offline="wait")
    wish = core_keys.unseal(command.sealed, purpose=commands.SEALED_FOR)
    intent = from_json(command.command, orjson.loads(wish))
    assert isinstance(intent, GetLog)
    logs.begin(StationRef(station_id=station.pk, organization_id=station.organization_id), intent)
    return log_files.receive(intent.location.rpartition("/")[2], "station.log", io.BytesIO(content))


def make_token(by: Actor, value: str | None = None, **details: Any) -> IdToken:
    return tokens.create(value=value or secrets.token_hex(7).upper(), by=by, **details)


def make_driver(by: Actor, name: str | None = None, **details: Any) -> Driver:
    return drivers.create(name=name or unique("Driver"), by=by, **details)
