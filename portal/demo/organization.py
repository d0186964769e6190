"""The demo's organization with its sites, stations and tokens; made once, found again later."""

from datetime import timedelta

from billing.models import Seller
from billing.services import parties
from core import clock
from core.access import Actor, Role, system
from core.models import Organization, User
from core.services import accounts
from portal.demo import prices
from portal.demo.places import DRIVERS, ORGANIZATION, PLACES, STATIONS, DemoStation, Place
from portal.demo.registering import actor, register_station, register_tokens
from stations.models import ChargingStation, Connector, Site
from stations.services import sites
from stations.services import stations as station_service

SELLER = {
    "street": "Am Kai 1", "postal_code": "20457", "city": "Hamburg", "country": "DE",
    "vat_id": "DE136695976", "email": "billing@example.org",
}  # fmt: skip
JUST_MADE = timedelta(minutes=15)
PLUGS = {"DC": "cCCS2", "AC": "sType2"}


def ensure() -> tuple[Organization, dict[str, ChargingStation]]:
    """The organization and its stations by identity; a second call changes nothing."""
    organization = _organization()
    by = actor(organization, "demo")
    _admins(organization)
    register_tokens(DRIVERS, by=by, labels=DRIVERS)
    prices.ensure(organization, by=by)
    if not Seller.objects.filter(pk=organization.pk).exists():
        parties.save_seller(organization, SELLER, by=by)
    places = {place.name: _site(place, organization, by=by) for place in PLACES}
    return organization, {one.identity: _station(one, places[one.place], by=by) for one in STATIONS}


def _organization() -> Organization:
    slug, name = ORGANIZATION
    found = Organization.objects.filter(slug=slug, demo=True).first()
    if found is not None:
        return found
    fresh = _untouched()
    if fresh is None:
        return accounts.create_organization(slug, name=name, by=system("demo"), demo=True)
    fresh.slug, fresh.name, fresh.demo = slug, name, True
    fresh.save(update_fields=["slug", "name", "demo"])
    return fresh


def _untouched() -> Organization | None:
    """The first organization, where set-up made it a moment ago for this very demo and nobody used it."""
    everything = list(Organization.objects.all()[:2])
    if len(everything) != 1 or clock.now() - everything[0].created_at > JUST_MADE:
        return None
    return None if Site.objects.exists() else everything[0]


def _admins(organization: Organization) -> None:
    """The platform's administrators look after the demo."""
    for user in User.objects.filter(is_superuser=True, is_active=True):
        if not user.memberships.filter(organization=organization).exists():
            accounts.add_member(user.email, organization, Role.ADMIN, by=system("demo"))


def _site(place: Place, organization: Organization, *, by: Actor) -> Site:
    found = Site.objects.live().visible_to(by).filter(organization=organization, name=place.name).first()
    if found is not None:
        return found
    return sites.create(
        {
            "name": place.name,
            "address": place.address,
            "postal_code": place.postal_code,
            "city": place.city,
            "country": place.country,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "time_zone": place.time_zone,
        },
        by=by,
    )


def _station(planned: DemoStation, site: Site, *, by: Actor) -> ChargingStation:
    hardware = planned.hardware
    rated_w = hardware.watts * hardware.outlets
    values = {"name": planned.name, "site": site, "tags": ["demo"], "max_power_w": rated_w}
    station = register_station(planned.identity, values, by=by)
    for number in range(1, hardware.outlets + 1):
        evse = station_service.add_evse(station, number)
        Connector.objects.filter(evse=evse, type="").update(
            type=PLUGS[hardware.kind], max_power_w=hardware.watts
        )
    return station
