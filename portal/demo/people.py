"""The demo's drivers: everybody who has a name and a card."""

from core.models import Organization
from drivers.models import Driver, IdToken
from drivers.services import drivers, tokens
from portal.demo.places import DRIVERS, PEOPLE
from portal.demo.registering import actor


def ensure(organization: Organization) -> None:
    """One driver for each person's card; a second call changes nothing."""
    if Driver.objects.filter(organization=organization).exists():
        return
    by = actor(organization, "demo")
    cards = IdToken.objects.live().filter(organization=organization, driver=None)
    for card in cards.filter(value__in=list(DRIVERS)[:PEOPLE]).select_related("group").order_by("value"):
        tokens.update(card, {"driver": drivers.create(name=DRIVERS[card.value], by=by)}, by=by)
