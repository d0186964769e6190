"""What a page offers to a person, that person may do: every link leads somewhere, no form is refused by right."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from django.db.transaction import atomic, set_rollback
from django.test import Client

from core.access import Role
from core.models import Membership
from stations.models import Evse, Presence, SiteLimit, Transaction
from stations.services import access
from tests import factories
from tests.browser.furnishing import keep_free, support_the_grid
from tests.portal.walking import furnish, of_walk

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
OWN = ("/accounts/", "/preferences/")
"""What everybody may do with oneself: signing out, theme and language."""


@dataclass
class Form:
    """A form that posts: where to, and what it says if it is sent as it stands, once for each of its buttons."""

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def bodies(self) -> Iterator[dict[str, list[str]]]:
        """Nothing where no button that can be pressed sends it."""
        for name, value in self.buttons:
            yield {**self.values, name: [value]} if name else self.values


class Page(HTMLParser):
    """Links and posting forms of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.form: Form | None = None
        self.select: tuple[str, bool] | None = None
        self.off = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])
        if tag == "fieldset":
            self.off = "disabled" in told
        if tag == "form":
            self.form = Form(told.get("action", "")) if told.get("method") == "post" else None
            self.forms += [self.form] if self.form else []
        elif self.form is not None and "disabled" not in told and not self.off:
            self._control(self.form, tag, told)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        if tag == "select":
            self.select = None
        if tag == "fieldset":
            self.off = False

    def _control(self, form: Form, tag: str, told: dict[str, str]) -> None:
        name, value = told.get("name", ""), told.get("value", "")
        if "data-submit" in told:
            form.buttons.append(("", ""))
        if tag == "select":
            self.select = (name, False)
        elif tag == "option" and self.select and (not self.select[1] or "selected" in told):
            form.values[self.select[0]] = [value]
            self.select = (self.select[0], True)
        elif tag == "button" and told.get("type") != "button":
            form.buttons.append((name, value))
        elif tag == "input" and name and (told.get("type") not in ("checkbox", "radio") or "checked" in told):
            form.values.setdefault(name, []).append(value or "1")
        elif tag == "textarea" and name:
            form.values[name] = ["1"]


def walk(browser: Client, home: str) -> Iterator[tuple[str, Page]]:
    """The pages that links lead to, one of each kind, with what is on them. Each link is followed once."""
    followed, kinds, todo = set(), set(), [(home, "")]
    while todo:
        path, found_on = todo.pop(0)
        if path in followed:
            continue
        followed.add(path)
        answer = browser.get(path)
        assert answer.status_code in (200, 302), f"{path}, linked on {found_on}: {answer.status_code}"
        kind = UUID.sub("ID", path.split("?")[0])
        if answer.status_code == 302 or answer.streaming or kind in kinds or not path.startswith(home):
            continue
        kinds.add(kind)
        page = Page(answer.content.decode())
        todo += [(urljoin(path, link.split("#")[0]), path) for link in page.links if not link.startswith("#")]
        yield path, page


@pytest.fixture
def member(alice: Membership, request: pytest.FixtureRequest) -> Membership:
    """Of the role that the test names; one of them is limited to the site of the station."""
    things = furnish(alice.organization, alice, access.actor_of_member(alice))
    station, session, _ = of_walk(things)
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    Evse.objects.filter(pk=session.evse_id).update(active=session)
    support_the_grid(station)
    Transaction.objects.filter(pk=session.pk).update(status="active")
    station.reservations.update(status="expired", ended_at=station.created_at)
    keep_free(station)
    role, _sep, limited = request.param.partition(", ")
    made = factories.make_member(alice.organization, Role(role), "anyone")
    if limited:
        SiteLimit.objects.create(membership=made, site=station.site)
    return made


MEMBERS = [*(role.value for role in Role), "admin, limited", "technician, limited", "viewer, limited"]


@pytest.mark.parametrize("member", MEMBERS, indirect=True)
def test_every_link_leads_somewhere_and_no_form_is_refused_by_right(
    member: Membership, browser_of, home: str
) -> None:
    browser = browser_of(member)
    pages, refused = 0, []
    for path, page in walk(browser, home):
        pages += 1
        for form in page.forms:
            action = urljoin(path, form.action)
            if any(own in action for own in OWN):
                continue
            for body in form.bodies():
                with atomic():
                    status = browser.post(action, body).status_code
                    set_rollback(True)
                if status in (403, 404, 405) or status >= 500:
                    refused.append((path, action, body, status))

    assert pages > 15
    assert refused == []
