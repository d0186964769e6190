"""The page that imports tokens and drivers: looked at first, taken whole, or each wrong line named."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from core.access import Actor, Role
from core.models import AuditEntry, Organization
from drivers.models import Driver, IdToken
from drivers.services import tokens
from drivers.services.tables import MOST_BYTES
from stations.services import access, sites
from tests import factories

TABLE = "Karte;Fahrer;Nummer;Gruppe;Ablauf\n04AA;Frida Müller;K-1;Vans;31.12.2030\n04BB;Frida Müller;K-1;;\n"


@pytest.fixture
def upload(browser: Client, home: str) -> Callable[..., HttpResponse]:
    def send(content: bytes | str, **more: Any) -> HttpResponse:
        raw = content.encode() if isinstance(content, str) else content
        file = SimpleUploadedFile("tokens.csv", raw, content_type="text/csv")
        answer: HttpResponse = browser.post(f"{home}tokens/import/", {"file": file, "known": "skip", **more})
        return answer

    return send


@pytest.fixture
def confirm(browser: Client, home: str) -> Callable[..., HttpResponse]:
    def send(text: str, known: str = "skip") -> HttpResponse:
        body = {"text": text, "known": known, "act": "take"}
        answer: HttpResponse = browser.post(f"{home}tokens/import/", body)
        return answer

    return send


@pytest.fixture(autouse=True)
def vans(actor: Actor) -> None:
    tokens.create_group(name="Vans", by=actor)


def test_a_look_says_what_would_happen_and_writes_nothing(
    organization: Organization, upload: Callable[..., HttpResponse]
) -> None:
    written = AuditEntry.objects.count()
    page = upload(TABLE).content.decode()

    assert "2 rows: 2 new tokens, 0 changed, 0 left as they are, 1 new drivers." in page
    assert "04AA, 04BB" in page
    assert (
        IdToken.objects.filter(organization=organization).count()
        == Driver.objects.filter(organization=organization).count()
        == 0
    )
    assert AuditEntry.objects.count() == written


def test_what_was_looked_at_is_taken_and_taking_it_again_changes_nothing(
    organization: Organization,
    confirm: Callable[..., HttpResponse],
) -> None:
    assert confirm(TABLE).status_code == 302
    first, second = IdToken.objects.filter(organization=organization).order_by("value")
    driver = Driver.objects.get(organization=organization)

    assert (driver.name, driver.reference) == ("Frida Müller", "K-1")
    assert first.driver == second.driver == driver
    assert (first.group.name, second.group) == ("Vans", None)
    assert first.expires_at.isoformat() == "2030-12-31T22:59:59+00:00"
    written = AuditEntry.objects.count()
    assert confirm(TABLE).status_code == 302
    assert (
        IdToken.objects.filter(organization=organization).count(),
        Driver.objects.filter(organization=organization).count(),
    ) == (2, 1)
    assert AuditEntry.objects.count() == written


def test_known_tokens_are_changed_or_refused_as_wished(
    organization: Organization, confirm: Callable[..., HttpResponse], actor: Actor
) -> None:
    token = factories.make_token(actor, "04AA", label="Old")
    table = "value,label\n04aa,New\n04CC,Other\n"
    refused = confirm(table, "refuse")
    count = IdToken.objects.filter(organization=organization).count()
    confirm(table, "update")
    token.refresh_from_db()

    assert (refused.status_code, count) == (422, 1)
    assert "already known" in refused.content.decode()
    assert (token.label, IdToken.objects.filter(organization=organization).count()) == ("New", 2)


def test_each_wrong_line_is_named_and_none_is_taken(
    organization: Organization, confirm: Callable[..., HttpResponse], actor: Actor
) -> None:
    factories.make_driver(actor, "Emil")
    factories.make_driver(actor, "Emil")
    table = "value,type,driver,group,expires\n"
    table += "A1,,,,\n,,,,2030-01-01\nA2,Card,,,\nA3,,Emil,,\nA4,,,Nobody,\nA5,,,,soon\n"
    answer = confirm(table)
    page = answer.content.decode()

    assert answer.status_code == 422
    for line, said in {
        3: "no value",
        4: "not a type",
        5: "Several drivers",
        6: "no such group",
        7: "a date",
    }.items():
        assert f"Line {line}</strong>" in page
        assert said in page
    assert IdToken.objects.filter(organization=organization).count() == 0


def test_a_driver_that_would_be_made_stays_away_where_a_later_line_is_wrong(
    organization: Organization,
    confirm: Callable[..., HttpResponse],
) -> None:
    assert confirm("value,driver\nA1,Frida\nA1,Frida\n").status_code == 422
    assert (
        Driver.objects.filter(organization=organization).count()
        == IdToken.objects.filter(organization=organization).count()
        == 0
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_whatever_a_spreadsheet_writes_is_read(
    upload: Callable[..., HttpResponse], encoding: str, delimiter: str
) -> None:
    table = "Wert;Bezeichnung;Fahrer\r\n04AA;'=1+1;Jörg Groß\r\n".replace(";", delimiter)
    page = upload(table.encode(encoding)).content.decode()

    assert "1 new tokens" in page
    assert "Jörg Groß" in page


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"label,type\nx,y\n", "one of them is"),
        (b"value\n", "rows below its head"),
        (b"value,token\na,b\n", "stands twice"),
        (b'value\n"open\n', "cannot be read"),
        (b"value\n" + b"a\n" * 2001, "rows below its head"),
        (b"value\n" + b"x" * MOST_BYTES, "too long"),
        (b"\x00\x01\x02", "no table of text"),
    ],
    ids=["empty", "no value", "no rows", "twice", "open quote", "too many", "too long", "binary"],
)
def test_what_is_no_table_is_refused_with_a_sentence(
    organization: Organization, upload: Callable[..., HttpResponse], content: bytes, said: str
) -> None:
    answer = upload(content)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert IdToken.objects.filter(organization=organization).count() == 0


def test_who_is_limited_to_a_site_and_who_may_not_manage_import_nothing(
    organization: Organization, actor: Actor, home: str, viewer: Client, charlie: Client, browser_of
) -> None:
    sites.create({"name": "Harbour", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Harbour"], by=actor)
    body = {"text": TABLE, "known": "skip", "act": "take"}
    answers = [one.post(f"{home}tokens/import/", body) for one in (browser_of(dan), viewer, charlie)]

    assert [one.status_code for one in answers] == [422, 403, 404]
    assert IdToken.objects.filter(organization=organization).count() == 0
