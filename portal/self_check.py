"""What an operator should know of this installation before trusting it (security.md W-37)."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import Count

from billing.documents import pdf
from core.services import data_keys
from stations.models import ChargingStation, StationCredential

FLOORS = {"Django": (5, 2, 13), "daphne": (4, 2, 2), "channels": (4, 3, 2), "ocpp": (2, 1, 0)}
POSTGRESQL_FLOOR = 15
SHORTEST_SECRET = 40
SHIPPED = ("development-only-key", "test-key-of-the-suite", "django-insecure")
SHIPPED_DATA_KEYS = (
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at; ``bad`` makes it a finding, whose text says what to do."""

    topic: str
    text: str
    bad: bool = False


def look() -> Iterator[Line]:
    """Every topic in order: profiles, TLS, secrets, versions, documents."""
    yield from _profiles()
    yield from _tls()
    yield from _secrets()
    yield from _versions()
    yield from _documents()


def _documents() -> Iterator[Line]:
    missing = pdf.missing()
    yield Line("documents", missing or "Invoices can be made as PDF", bad=bool(missing))


def _profiles() -> Iterator[Line]:
    stations = ChargingStation.objects.live().filter(enabled=True)
    used = stations.values_list("security_profile").annotate(n=Count("pk")).order_by("security_profile")
    counts = dict(used)
    for profile, number in counts.items():
        yield Line("profiles", f"Profile {profile}: {number} stations")
    for station in stations.filter(security_profile=0).order_by("identity")[:50]:
        yield Line(
            "profiles", f"{station.identity} connects without any proof. Give it a password.", bad=True
        )
    if settings.OCPP_ALLOW_UNAUTHENTICATED:
        yield Line("profiles", "OCPP_ALLOW_UNAUTHENTICATED is on. Switch it off.", bad=True)
    if counts.keys() & {2, 3} and not settings.OCPP_TRUSTED_PROXY_SECRET:
        yield Line(
            "profiles",
            "Stations of profile 2 or 3 cannot connect: set OCPP_TRUSTED_PROXY_SECRET here and at the proxy.",
            bad=True,
        )


def _tls() -> Iterator[Line]:
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme == "https":
        yield Line(
            "tls", f"{settings.PUBLIC_URL}: https, HSTS for {settings.SECURE_HSTS_SECONDS // 86_400} days"
        )
    elif _is_loopback(public.hostname or ""):
        yield Line("tls", f"{settings.PUBLIC_URL}: plain http, on this machine only")
    else:
        yield Line(
            "tls",
            f"{settings.PUBLIC_URL} is plain http: put a TLS proxy in front and set PUBLIC_URL to its https address.",
            bad=True,
        )


def _secrets() -> Iterator[Line]:
    faults = {
        "DEBUG is on. Switch it off: error pages tell everything.": settings.DEBUG,
        "SECRET_KEY is one that ships with the source. Make a random one.": settings.SECRET_KEY.startswith(
            SHIPPED
        ),
        "SECRET_KEY is short. Make a random one of 50 characters.": len(settings.SECRET_KEY)
        < SHORTEST_SECRET,
        "DATA_KEYS holds a key that ships with the source. Put a random one in front.": any(
            key in settings.DATA_KEYS for key in SHIPPED_DATA_KEYS
        ),
        "Valkey needs no password. Set one and put it into VALKEY_URL.": not urlsplit(
            settings.VALKEY_URL
        ).password,
        "ALLOWED_HOSTS allows every host. Name the portal's own.": "*" in settings.ALLOWED_HOSTS,
    }
    found = [text for text, true in faults.items() if true]
    found += [*data_keys.misfits(), *_missing_keys()]
    yield from (Line("secrets", text, bad=True) for text in found)
    if not found:
        yield Line("secrets", "none is a default")


def _missing_keys() -> Iterator[str]:
    live = StationCredential.objects.exclude(state=StationCredential.State.SUPERSEDED)
    for key_id in data_keys.missing():
        if number := live.filter(key_id=key_id).count():
            yield f"DATA_KEYS lacks the key {key_id!r}, which {number} passwords of stations need. Add it again."


def _versions() -> Iterator[Line]:
    for package, floor in FLOORS.items():
        version = metadata.version(package)
        text = f"{package} {version}"
        if _numbers(version) < floor:
            least = ".".join(map(str, floor))
            yield Line("versions", f"{text} has known holes. Install {least} or newer.", bad=True)
        else:
            yield Line("versions", text)
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    old = _numbers(version)[0] < POSTGRESQL_FLOOR
    yield Line(
        "versions",
        f"PostgreSQL {version}" + (" gets no fixes any more. Move to a newer one." if old else ""),
        old,
    )


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers: ``5.2.13rc1`` is ``(5, 2)``, below its release."""
    numbers = []
    for part in version.split(" ")[0].split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
