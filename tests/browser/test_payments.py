"""Pages of money without a violation that axe finds, in both themes, on desk and phone."""

import pytest

from core.access import Actor
from core.models import Membership, Organization
from tests.browser.conftest import DESK, PHONE, violations
from tests.portal.walking import furnish

PAGES = [
    *(
        "payments/",
        "payments/record/",
        "payments/bank/",
        "payments/accounts/",
        "payments/provider/",
        "payments/{payments}/",
    ),
    *("payments/accounts/{billing-accounts}/", "settings/payments/", "invoices/", "invoices/{invoices}/"),
    *("payments/bank/{bank-lines}/payer/?payer=a", "payments/debits/{debit-files}/", "settings/signing/"),
    *("payments/home-charging/?payer=a", "payments/hosts/?payer=a"),
    *(
        "settings/retention/?payer=a",
        "settings/signing/sites/",
        "invoices/records/{cdrs}/",
        "invoices/exceptions/",
    ),
]
OWN = ["/me/invoices/", "/me/wallets/{wallets}/", "/me/payments/{payments}/"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_of_money_can_be_used_by_everybody(
    open_page, organization: Organization, alice: Membership, actor: Actor, viewport, theme: str
) -> None:
    things = furnish(organization, alice, actor)
    page = open_page("/", viewport=viewport, theme=theme)
    places = [f"/o/{organization.slug}/{path.format(**things)}" for path in PAGES]
    found = {}
    for place in [*places, *(path.format(**things) for path in OWN)]:
        answer = page.goto(place)
        assert answer.status == 200, place
        page.locator("h1").wait_for()
        if wrong := violations(page):
            found[place] = wrong

    assert found == {}
