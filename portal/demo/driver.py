"""The demo's driver: one person with a card and an account, to see the drivers' pages with."""

from core.models import Organization, User
from drivers.models import Driver, IdToken
from drivers.services import drivers, tokens
from portal.demo.places import DRIVERS
from portal.demo.registering import actor

EMAIL = "driver@demo.example"


def ensure(organization: Organization) -> tuple[str, str | None]:
    """Address of the account, and its password where it was just made; a second call changes nothing."""
    card, name = next(iter(DRIVERS.items()))
    user = User.objects.filter(email=EMAIL).first()
    if user is not None and Driver.objects.live().filter(organization=organization, user=user).exists():
        return EMAIL, None
    by = actor(organization, "demo")
    token = (
        IdToken.objects.live().filter(organization=organization, value=card).select_related("driver").first()
    )
    made = (token.driver if token else None) or drivers.create(name=name, by=by)
    if token is not None and token.driver != made:
        tokens.update(token, {"driver": made}, by=by)
    _, password = drivers.open_account(made, EMAIL, by=by)
    return EMAIL, password
