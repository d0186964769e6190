"""The authorization log by page and API: found, explained, adopted; nothing for strangers."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import clock
from core.access import Actor, Role
from core.models import Membership, Organization
from drivers.models import IdToken
from drivers.services import drivers
from stations.domain.events import TokenShown
from stations.domain.station import StationRef
from stations.models import AuthorizationAnswer, ChargingStation
from stations.services import access, authorization, sites
from tests import factories


@pytest.fixture
def token(actor: Actor) -> IdToken:
    """Of a blocked driver."""
    driver = factories.make_driver(actor, "Frida Abend")
    drivers.block(driver, reason="Unpaid", by=actor)
    return factories.make_token(actor, "04AABBCC", label="Pool car", driver=driver)


@pytest.fixture
def shown(station: ChargingStation, token: IdToken) -> None:
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    for value in (token.value, "UNKNOWN77"):
        authorization.for_authorize(side, TokenShown(value=value))


@pytest.fixture
def page(browser: Client, home: str, shown: None) -> Callable[[str], str]:
    return lambda query="": browser.get(f"{home}authorizations/{query}").content.decode()


def test_the_page_says_why_a_card_was_refused(page: Callable[[str], str]) -> None:
    text = page("")

    assert "The driver of the token is blocked." in text
    assert "This token is not known here." in text
    assert "Frida Abend" in text
    assert "Pool car" in text


def test_the_page_says_it_in_german(browser: Client, home: str, page: Callable[[str], str]) -> None:
    browser.post(f"{home}preferences/", {"language": "de"})

    assert "Der Fahrer des Tokens ist gesperrt." in page("")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=unknown77", ["UNKNOWN77"]),
        ("?q=frida", ["Pool car"]),
        ("?outcome=accepted", []),
        ("?outcome=refused", ["UNKNOWN77", "Pool car"]),
        ("?asked=start", []),
        ("?asked=authorize", ["UNKNOWN77", "Pool car"]),
        ("?station=yard", ["UNKNOWN77", "Pool car"]),
        ("?station=elsewhere", []),
    ],
)
def test_the_page_is_filtered(page: Callable[[str], str], query: str, found: list[str]) -> None:
    text = page(query).split("<tbody>")[-1]

    assert [name for name in ("UNKNOWN77", "Pool car") if name in text] == found


HTMX = {"HX-Request": "true"}


def news_of(client: Client, page: str) -> str:
    """What the page fetches when it hears of an answer."""
    [path] = re.findall(r'id="news"[^>]* hx-get="([^"]*)"', page)
    assert "live:authorization from:body" in page
    return " ".join(
        re.sub(r"<[^>]*>", " ", client.get(unescape(path), headers=HTMX).content.decode()).split()
    )


def test_d15_new_answers_are_counted_and_no_row_moves(
    browser: Client, page: Callable[[str], str], station: ChargingStation
) -> None:
    first, narrowed = page(""), page("?outcome=accepted")
    before = news_of(browser, first)
    noted(station, 3, token_value=["LATER"])
    [path] = re.findall(r'id="news"[^>]* hx-get="([^"]*)"', first)
    fragment = browser.get(unescape(path), headers=HTMX).content.decode()

    assert 'data-live="authorization"' in first
    assert before == "0"
    assert news_of(browser, first) == "3 new · show"
    assert "LATER" not in fragment
    assert "<table" not in fragment
    assert news_of(browser, fragment) == "3 new · show"
    assert news_of(browser, narrowed) == "1 new · show"
    assert news_of(browser, page("")) == "0"


def test_d15_the_first_answer_of_all_is_new(browser: Client, home: str, station: ChargingStation) -> None:
    empty = browser.get(f"{home}authorizations/?q=LATER").content.decode()
    noted(station, 60, token_value=["LATER"])

    assert news_of(browser, empty) == "50+ new · show"


def test_d15_an_older_page_tells_no_news(
    browser: Client, home: str, page: Callable[[str], str], station: ChargingStation
) -> None:
    noted(station, 60, token_value=["OLD"])
    older = AuthorizationAnswer.objects.filter(station=station).order_by("-id")[50]
    text = browser.get(f"{home}authorizations/?before={older.pk}").content.decode()

    assert "OLD" in text or "UNKNOWN77" in text
    assert not re.findall(r'id="news"[^>]* hx-get', text)


def test_the_news_in_german(
    browser: Client, home: str, page: Callable[[str], str], station: ChargingStation
) -> None:
    browser.post(f"{home}preferences/", {"language": "de"})
    first = page("")
    noted(station, 1, token_value=["LATER"])

    assert news_of(browser, first) == "1 neu · anzeigen"


def test_a_stranger_and_who_is_limited_hear_no_news(
    charlie: Client,
    home: str,
    organization: Organization,
    actor: Actor,
    station: ChargingStation,
    browser_of: Callable[[Membership], Client],
) -> None:
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Elsewhere"], by=actor)
    limited = browser_of(dan)
    page = limited.get(f"{home}authorizations/").content.decode()
    noted(station, 1, token_value=["LATER"])

    assert news_of(limited, page) == "0"
    nothing = "00000000-0000-0000-0000-000000000000"
    assert charlie.get(f"{home}authorizations/?since={nothing}", headers=HTMX).status_code == 404


def test_the_pages_of_token_and_driver_show_their_answers(
    browser: Client, home: str, token: IdToken, shown: None
) -> None:
    for path in (f"tokens/{token.pk}/", f"drivers/{token.driver_id}/"):
        text = browser.get(home + path).content.decode()
        assert "The driver of the token is blocked." in text
        assert "UNKNOWN77" not in text


def test_an_unknown_token_is_made_known_in_one_step(
    browser: Client, home: str, page: Callable[[str], str], organization: Organization
) -> None:
    assert page("?q=unknown77").count('name="value" value="UNKNOWN77"') == 1
    browser.post(f"{home}tokens/", {"value": "UNKNOWN77", "type": "ISO14443"})

    assert IdToken.objects.filter(organization=organization, value="UNKNOWN77").exists()


def test_who_may_not_see_drivers_does_not_see_the_log(
    organization: Organization, home: str, shown: None, browser_of: Callable[[Membership], Client]
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    answer = bob.get("/api/v1/authorizations/", headers={"X-Organization": organization.slug})

    assert bob.get(f"{home}authorizations/").status_code == 403
    assert answer.status_code == 403


def test_who_is_limited_to_another_site_finds_nothing(
    organization: Organization,
    actor: Actor,
    home: str,
    shown: None,
    browser_of: Callable[[Membership], Client],
) -> None:
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Elsewhere"], by=actor)
    client = browser_of(dan)

    assert "UNKNOWN77" not in client.get(f"{home}authorizations/").content.decode()
    listed = client.get("/api/v1/authorizations/", headers={"X-Organization": organization.slug})
    assert listed.json()["results"] == []


def test_the_api_lists_and_filters(
    browser: Client, organization: Organization, station: ChargingStation, token: IdToken, shown: None
) -> None:
    def ask(query: str = "") -> list[dict[str, object]]:
        headers = {"X-Organization": organization.slug}
        found: list[dict[str, object]] = browser.get(
            f"/api/v1/authorizations/{query}", headers=headers
        ).json()["results"]
        return found

    newest, oldest = ask()
    assert (newest["value"], newest["rule"], newest["token"]) == ("UNKNOWN77", "unknown", None)
    assert (oldest["verdict"], oldest["driver"]) == ("blocked", str(token.driver_id))
    assert [one["value"] for one in ask(f"?driver={token.driver_id}")] == ["04AABBCC"]
    assert [one["value"] for one in ask("?value=unknown77")] == ["UNKNOWN77"]
    assert ask("?accepted=true") == []
    assert len(ask(f"?accepted=false&station={station.pk}&verdict=unknown")) == 1


def test_a_stranger_finds_nothing(charlie: Client, home: str, shown: None, station: ChargingStation) -> None:
    own = charlie.get("/")["Location"]

    assert charlie.get(f"{home}authorizations/").status_code == 404
    assert "UNKNOWN77" not in charlie.get(f"{own}authorizations/").content.decode()
    slug = own.strip("/").split("/")[-1]
    listed = charlie.get("/api/v1/authorizations/", headers={"X-Organization": slug})
    assert listed.json()["results"] == []
    assert AuthorizationAnswer.objects.filter(station=station).count() == 2


# -- exact, however many are meant ----------------------------------------------------------------------------


def noted(station: ChargingStation, count: int, **about: object) -> list[AuthorizationAnswer]:
    """Answers of the past, oldest first."""
    rows = [
        AuthorizationAnswer(
            organization_id=station.organization_id, site_id=station.site_id, station=station, at=clock.now(),
            asked="authorize", verdict="accepted" if number % 2 else "blocked", rule="valid",
            **{name: each[number % len(each)] for name, each in about.items()},  # type: ignore[index, arg-type]
        )
        for number in range(count)
    ]  # fmt: skip
    return AuthorizationAnswer.objects.bulk_create(rows)


@pytest.fixture
def many(organization: Organization, station: ChargingStation) -> list[str]:
    """What was shown in 130 answers, each about a token of its own; newest first."""
    holders = IdToken.objects.bulk_create(
        IdToken(organization=organization, value=f"T{number:03}", label=f"Van {number}", type="Local")
        for number in range(130)
    )
    values = [f"V{number:03}" for number in range(130)]
    noted(station, 130, token=holders, token_value=values)
    return values[::-1]


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("?q=van", slice(None)),
        ("?q=VAN&outcome=accepted", slice(0, None, 2)),
        ("?q=van&station=yard", slice(None)),
        ("?station=yard", slice(None)),
        ("?station=yard&outcome=refused", slice(1, None, 2)),
    ],
)
def test_every_answer_is_found_newest_first_over_all_pages(
    browser: Client, home: str, many: list[str], query: str, chosen: slice
) -> None:
    address = f"{home}authorizations/{query}"
    pks = AuthorizationAnswer.objects.filter(token_value__in=many[chosen]).order_by("-id")
    times = [str(pk) for pk in pks.values_list("token_id", flat=True)]
    found: list[str] = []
    for _ in range(10):
        text = browser.get(address).content.decode()
        found += re.findall(r"/tokens/([0-9a-f-]{36})/", text.split("<tbody>")[-1].split("</tbody>")[0])
        older = re.search(r'href="(\?[^"]*before=[^"]*)"', text)
        if older is None:
            break
        address = f"{home}authorizations/{unescape(older[1])}"

    assert found == times
    assert len(found) == len(many[chosen])


def test_a_token_with_many_answers_hides_no_other(
    browser: Client, home: str, actor: Actor, station: ChargingStation
) -> None:
    rare = factories.make_token(actor, "04RARE", label="Van rare")
    noted(station, 1, token=[rare], token_value=["04RARE"])
    busy = factories.make_token(actor, "04BUSY", label="Van busy")
    noted(station, 60, token=[busy], token_value=["04BUSY"])
    first = browser.get(f"{home}authorizations/?q=van").content.decode()
    older = re.search(r'href="(\?[^"]*before=[^"]*)"', first)
    assert older is not None
    second = browser.get(f"{home}authorizations/{unescape(older[1])}").content.decode()

    assert first.count(f"/tokens/{busy.pk}/") == 50
    assert str(rare.pk) not in first
    assert second.count(f"/tokens/{busy.pk}/") == 10
    assert second.count(f"/tokens/{rare.pk}/") == 1


def test_the_log_is_read_by_the_index_of_each_token(
    browser: Client, home: str, organization: Organization, many: list[str]
) -> None:
    with CaptureQueriesContext(connection) as seen:
        browser.get(f"{home}authorizations/?q=van")
    asked = [one["sql"] for one in seen if "ARRAY(" in one["sql"] and "drivers_idtoken" in one["sql"]]
    assert len(asked) == 1
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {asked[0]}")
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "authorization_by_token" in plan
    assert "Seq Scan on stations_authorizationanswer" not in plan
