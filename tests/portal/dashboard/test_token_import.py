"""The page that imports tokens and drivers: looked at first, taken whole, or each wrong line named."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from billing.services import erasing
from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Organization
from drivers.models import Driver, IdToken, ImportedRow, TokenImport
from drivers.models.imports import UNDO_FOR
from drivers.services import budgets, imports, tokens
from drivers.services.tables import MOST_BYTES
from stations.domain.events import TokenShown
from stations.domain.station import StationRef
from stations.models import ChargingStation
from stations.services import access, authorization, sites
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


# -- wrong lines as a file ------------------------------------------------------------------------------------

WRONG = "Karte;Fahrer;Ablauf\n04AA;Frida;\n;Emil;\n04BB;=1+1;bald\n"


def test_wrong_lines_are_a_file_that_is_corrected_and_taken(
    organization: Organization, browser: Client, home: str, upload: Callable[..., HttpResponse]
) -> None:
    page = upload(WRONG)
    answer = browser.post(f"{home}tokens/import/", {"text": WRONG, "known": "skip", "act": "file"})
    file = answer.content.decode("utf-8-sig")

    assert page.status_code == 422
    assert "Wrong lines as a file" in page.content.decode()
    assert answer["Content-Disposition"] == 'attachment; filename="to-correct.csv"'
    assert answer["Cache-Control"] == "private, no-store"
    assert file.splitlines()[0] == "Karte;Fahrer;Ablauf;problem"
    assert file.splitlines()[1].startswith(";Emil;;value: The row has no value.")
    assert file.splitlines()[2].startswith("04BB;'=1+1;bald;expires_at: Write a date")
    assert len(file.splitlines()) == 3
    assert not IdToken.objects.filter(organization=organization).exists()

    mended = file.replace("\n;Emil", "\n04CC;Emil").replace("bald", "31.12.2030")
    assert "2 new tokens" in upload(mended).content.decode()


def test_the_lines_that_are_right_are_taken_when_somebody_says_so(
    organization: Organization, browser: Client, home: str
) -> None:
    body = {"text": WRONG, "known": "skip"}
    refused = browser.post(f"{home}tokens/import/", {**body, "act": "take"})
    none = IdToken.objects.filter(organization=organization).count()
    taken = browser.post(f"{home}tokens/import/", {**body, "act": "rest"})

    assert (refused.status_code, none, taken.status_code) == (422, 0, 302)
    assert [one.value for one in IdToken.objects.filter(organization=organization)] == ["04AA"]
    assert [one.name for one in Driver.objects.filter(organization=organization)] == ["Frida"]


def test_everything_that_is_wrong_is_told_at_once(upload: Callable[..., HttpResponse], actor: Actor) -> None:
    factories.make_token(actor, "04AA")
    page = upload("value,expires\n04AA,\n04BB,soon\n04CC,\n04CC,\n", known="refuse").content.decode()

    assert [f"Line {line}</strong>" in page for line in (2, 3, 4, 5)] == [True, True, False, True]


# -- taking it back -------------------------------------------------------------------------------------------


@pytest.fixture
def taken(organization: Organization, browser: Client, actor: Actor) -> Callable[..., str]:
    """Takes a table; the address of what it did."""

    def take(text: str, known: str = "update") -> str:
        body = {"text": text, "known": known, "act": "take"}
        answer = browser.post(f"/o/{organization.slug}/tokens/import/", body)
        assert answer.status_code == 302, answer.content.decode()
        return str(answer["Location"])

    return take


def undo(browser: Client, address: str) -> TokenImport:
    assert browser.post(address, {"act": "undo"}).status_code == 302
    return TokenImport.objects.get(pk=address.rstrip("/").rsplit("/", 1)[1])


def test_an_import_is_taken_back_as_if_it_had_not_been(
    organization: Organization, browser: Client, actor: Actor, taken: Callable[..., str]
) -> None:
    emil = factories.make_driver(actor, "Emil")
    old = factories.make_token(actor, "04AA", label="Old", driver=emil, expires_at=clock.now())
    before = imports.state_of(IdToken.objects.get(pk=old.pk))
    address = taken(TABLE.replace("Gruppe", "Label").replace("Vans", "New"))
    assert "2 of its tokens" not in browser.get(address).content.decode()
    assert "3 of its tokens" in browser.get(address).content.decode()
    batch = undo(browser, address)

    assert imports.state_of(IdToken.objects.get(pk=old.pk)) == before
    assert [one.value for one in IdToken.objects.live().filter(organization=organization)] == ["04AA"]
    assert list(Driver.objects.live().filter(organization=organization)) == [emil]
    assert (batch.kept, batch.undone_by) == (0, actor.label)
    assert AuditEntry.objects.get(action="tokens.import_undone").changes == {"taken_back": 3, "kept": 0}
    assert "Old" not in str(
        AuditEntry.objects.filter(action="token.changed").values_list("changes", flat=True)
    )
    assert "Taken back by" in browser.get(address).content.decode()


def test_taking_it_back_again_changes_nothing(
    organization: Organization, browser: Client, actor: Actor, taken: Callable[..., str]
) -> None:
    address = taken(TABLE)
    first = undo(browser, address)
    factories.make_token(actor, "04AA")
    written = AuditEntry.objects.count()
    again = undo(browser, address)

    assert again.undone_at == first.undone_at
    assert AuditEntry.objects.count() == written
    assert IdToken.objects.live().filter(organization=organization).count() == 1


def test_what_was_used_changed_or_built_upon_stays_with_the_reason(
    organization: Organization, browser: Client, actor: Actor, station: ChargingStation,
    taken: Callable[..., str],
) -> None:  # fmt: skip
    table = "value,driver\n04AA,Anna\n04BB,Ben\n04CC,Cora\n04DD,Dora\n04EE,Emil\n04FF,Fritz\n"
    address = taken(table)
    by = {
        one.value: one for one in IdToken.objects.filter(organization=organization).select_related("driver")
    }
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    authorization.for_authorize(side, TokenShown(value="04AA"))
    tokens.update(by["04BB"], {"label": "Ours"}, by=actor)
    budgets.set_(by["04CC"], [("energy_wh", Decimal(1000), "day")], by=actor)
    factories.make_token(actor, "0411", driver=by["04DD"].driver)
    tokens.retire(by["04EE"], by=actor)
    page = browser.get(address).content.decode()
    batch = undo(browser, address)

    reasons = {str(row.token or row.driver): row.kept_because for row in batch.rows.exclude(kept_because="")}
    assert reasons == {
        "04AA": "It was used since.", "Anna": "The driver has other tokens.",
        "Ours": "It was changed since.", "Ben": "The driver has other tokens.",
        "04CC": "Something was granted to it since.", "Cora": "The driver has other tokens.",
        "Dora": "The driver has other tokens.", "04EE": "It was ended since.",
    }  # fmt: skip
    assert all(reason in page for reason in set(reasons.values()))
    assert batch.kept == len(reasons)
    live = IdToken.objects.live().filter(organization=organization).values_list("value", flat=True)
    assert set(live) == {"04AA", "04BB", "04CC", "0411"}
    people = Driver.objects.live().filter(organization=organization).values_list("name", flat=True)
    assert set(people) == {"Anna", "Ben", "Cora", "Dora"}


def test_an_import_that_is_too_long_ago_is_not_taken_back_and_its_rows_are_forgotten(
    organization: Organization, browser: Client, taken: Callable[..., str]
) -> None:
    address = taken(TABLE)
    assert imports.forget(clock.now() + UNDO_FOR - timedelta(minutes=1)) == 0
    TokenImport.objects.filter(organization=organization).update(made_at=clock.now() - UNDO_FOR)
    answer = browser.post(address, {"act": "undo"})

    assert answer.status_code == 409
    assert IdToken.objects.live().filter(organization=organization).count() == 2
    assert imports.forget(clock.now()) == 3
    page = browser.get(address).content.decode()
    assert "2 new tokens" in page
    assert "too long ago" in page
    assert 'data-open="undo"' not in page


def test_an_erased_person_leaves_no_trace_in_an_import(
    organization: Organization, browser: Client, actor: Actor, taken: Callable[..., str]
) -> None:
    taken(TABLE)
    erasing.erase(Driver.objects.get(organization=organization), by=actor)

    assert not ImportedRow.objects.filter(batch__organization=organization).exists()


def test_strangers_and_who_may_not_take_nothing_back(
    organization: Organization, viewer: Client, charlie: Client, browser_of, actor: Actor,
    taken: Callable[..., str],
) -> None:  # fmt: skip
    address = taken(TABLE)
    sites.create({"name": "Harbour", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Harbour"], by=actor)
    people = (viewer, charlie, browser_of(dan))

    assert [one.get(address).status_code for one in people] == [403, 404, 403]
    assert [one.post(address).status_code for one in people] == [403, 404, 403]
    assert IdToken.objects.live().filter(organization=organization).count() == 2
