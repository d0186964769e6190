"""One tariff for a page about it: fetched with its versions, and what an act on it is answered with."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse

from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, load
from portal.dashboard.pages import address
from portal.dashboard.sentences import told
from stations.services import tariff_assignments
from tariffs.models import Tariff, TariffVersion
from tariffs.pointers import InvalidDocument


def tariff_of(request: OperatorRequest, pk: UUID) -> Tariff:
    """The tariff with its versions. Raises :class:`core.errors.NotFound` for one that the person does not see."""
    rows = Tariff.objects.visible_to(request.actor).prefetch_related("versions")
    found: Tariff = load(rows, pk)
    return found


def newest(tariff: Tariff) -> TariffVersion:
    """The draft where one is open, else the version with the greatest number."""
    return next(iter(tariff.versions.all()))


def zone_name(request: OperatorRequest, tariff: Tariff | None = None) -> str:
    """The time zone of the sites where the tariff holds; that of the organization where they have several, or none."""
    found = tariff_assignments.time_zone_of(tariff) if tariff else None
    return found or request.place.organization.time_zone


def done(request: OperatorRequest, tariff: Tariff, act: Callable[[], object], words: str) -> HttpResponse:
    """Back to the page of the tariff, with what was done or why it was refused."""
    try:
        act()
    except InvalidDocument as error:
        for one in error.problems:
            messages.error(request, f"{one.pointer}: {told(one.message)}")
    except DomainError as error:
        messages.error(request, told(error.message))
    else:
        messages.success(request, words)
    return go(request, address(request, "tariff", tariff.pk))
