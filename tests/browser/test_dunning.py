"""Pages of reminders without a violation that axe finds, in both themes, on desk and phone."""

from decimal import Decimal

import pytest

from billing.models import Cdr, DunningKind, DunningStep, HoldKind, Invoice
from billing.services import drafting, issuing
from billing.services.dunning import holding, policies
from core import clock
from core.access import Actor
from core.models import Organization
from stations.services import stations
from tests import factories
from tests.billing.conftest import THIS_MONTH, settle
from tests.browser.conftest import DESK, PHONE, violations
from tests.factories import sessions
from tests.stations.ocpp.charging import priced

TERMS = policies.Terms("AT", "EUR", (policies.Step(DunningKind.REMINDER, 5, Decimal("2.50")),))


@pytest.fixture
def invoice(organization: Organization, actor: Actor) -> Invoice:
    """Reminded of for the last time, after a letter that failed; its payer is held."""
    priced(actor)
    station, _ = factories.make_station(actor)
    stations.add_evse(station, 1)
    token = factories.make_token(actor, driver=factories.make_driver(actor, "Anna"))
    session = sessions.end(sessions.begin(station, token=token.value), 12_345)
    settle()
    account = Cdr.objects.get(transaction=session).account
    assert account is not None
    made = issuing.issue(drafting.draft(account, THIS_MONTH, by=actor)[0], by=actor)
    now = clock.now()
    for kind, state in ((DunningKind.REMINDER, "failed"), (DunningKind.FINAL, "sent")):
        DunningStep.objects.create(
            invoice=made, kind=kind, taken_on=now.date(), taken_at=now, days=7, currency="EUR", state=state,
            open_amount=made.due, fee=Decimal("2.50"), subject="Please pay", body="Please pay.\n", sent_at=now,
            reason="550 no such mailbox" if state == "failed" else "",
        )  # fmt: skip
    policies.switch(organization, enabled=True, by=actor)
    policies.save_terms(organization, TERMS, by=actor)
    return made


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_pages_of_reminders_can_be_used_by_everybody(
    open_page, organization: Organization, actor: Actor, invoice: Invoice, viewport, theme: str
) -> None:
    page = open_page("/", viewport=viewport, theme=theme)
    home, found = f"/o/{organization.slug}/", {}
    places = [f"{home}{path}" for path in ("settings/dunning/", f"invoices/{invoice.pk}/")]
    places.append(f"{home}payments/accounts/{invoice.account_id}/")
    for held in (False, True):
        if held:
            holding.hold(invoice.account, HoldKind.DISPUTE, reason="Asks a lawyer", by=actor)
        for place in places:
            assert page.goto(place).status == 200, place
            page.locator("h1").wait_for()
            page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
            if wrong := violations(page):
                found[place] = wrong

    assert found == {}
