"""The Display tab of a station, and the rules for vendors' messages."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from core import clock
from core.access import Role
from core.models import Membership, Organization
from stations.domain.words import Capability
from stations.models import (
    ChargingStation,
    Command,
    DataTransfer,
    DataTransferRule,
    DisplayMessage,
    Settlement,
    StationTariff,
)
from stations.services import learning
from tests import factories

EVIL = "<script>alert(1)</script>"
RULE = {"use": "answer", "vendor_id": "com.example", "accepts": "on", "masked_paths": "a.b\nc"}


@pytest.fixture
def message(station: ChargingStation) -> DisplayMessage:
    texts = [{"text": EVIL, "language": "en", "format": "utf8"}]
    return DisplayMessage.objects.create(
        station=station,
        number=7,
        priority="in_front",
        texts=texts,
        status="installed",
        created_at=clock.now(),
    )


def test_the_tab_shows_messages_tariffs_payments_and_vendors_messages(
    browser: Client, home: str, station: ChargingStation, message: DisplayMessage
) -> None:
    now = clock.now()
    StationTariff.objects.create(
        station=station,
        kind="default",
        tariff_id="DAY-1",
        status="refused",
        detail="TooManyElements",
        told_at=now,
    )
    Settlement.objects.create(
        station=station,
        psp_ref="psp-1",
        status="failed",
        amount=Decimal("12.340000"),
        settled_at=now,
        received_at=now,
    )
    DataTransfer.objects.create(station=station, direction="in", vendor_id="acme", data=EVIL, occurred_at=now)
    page = browser.get(f"{home}stations/{station.pk}/display/").content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    for words in ("Installed", "DAY-1", "TooManyElements", "12.34", "psp-1", "acme"):
        assert words in page


def test_the_part_after_a_push_equals_the_part_after_a_reload(
    browser: Client, home: str, station: ChargingStation, message: DisplayMessage
) -> None:
    url = f"{home}stations/{station.pk}/display/"
    part = browser.get(url, headers={"HX-Request": "true"}).content.decode()

    assert 'id="shown"' in part
    assert _without_tokens(part).strip() in _without_tokens(browser.get(url).content.decode())


def _without_tokens(page: str) -> str:
    lines = page.splitlines()
    return "\n".join(line.partition('<input type="hidden" name="csrf')[0] for line in lines)


def test_a_message_is_sent_read_back_and_cleared_by_commands(
    browser: Client, home: str, station: ChargingStation, message: DisplayMessage
) -> None:
    url = f"{home}stations/{station.pk}/display/"
    sent = browser.post(url, {"text": "Hello", "priority": "in_front", "language": "en"})
    browser.post(f"{url}read/")
    browser.post(f"{url}{message.pk}/clear/")
    wrong = browser.post(url, {"text": "", "priority": "loud"})
    past = browser.post(url, {"text": "x", "priority": "in_front", "ends_at": "2001-01-01T00:00"})

    names = list(Command.objects.filter(station=station).order_by("id").values_list("command", flat=True))
    assert (sent.status_code, wrong.status_code, past.status_code) == (302, 422, 422)
    assert names == ["set_display_message", "get_display_messages", "clear_display_message"]
    assert "Choose an end in the future" in past.content.decode()


def test_only_stations_that_can_have_the_tab(
    browser: Client, home: str, station: ChargingStation, actor: object
) -> None:
    learned = learning.by_version({}, "1.6", [Capability.DISPLAY, Capability.TARIFF], clock.now())
    ChargingStation.objects.filter(pk=station.pk).update(capabilities=learned, vendor="Acme")
    url = f"{home}stations/{station.pk}/"
    without = browser.get(url).content.decode()
    missing = browser.get(f"{url}display/").status_code
    rule = {"use": "display_text", "vendor_id": "v", "station_vendor": "acme", "template": "{text}"}
    assert browser.post(f"{home}data-transfer-rules/", rule).status_code == 302

    assert ("display/" in without, missing) == (False, 404)
    assert "display/" in browser.get(url).content.decode()
    assert "display/read/" not in browser.get(f"{url}display/").content.decode()


def test_viewers_and_strangers_send_nothing(
    viewer: Client, charlie: Client, home: str, station: ChargingStation, message: DisplayMessage
) -> None:
    url = f"{home}stations/{station.pk}/display/"
    for client, status in ((viewer, 403), (charlie, 404)):
        for path in (url, f"{url}read/", f"{url}{message.pk}/clear/"):
            assert client.post(path, {"text": "x", "priority": "in_front"}).status_code == status
    assert viewer.get(url).status_code == 200
    assert charlie.get(url).status_code == 404
    assert not Command.objects.filter(station=station).exists()


def test_rules_are_added_and_deleted_by_admins(browser: Client, home: str) -> None:
    url = f"{home}data-transfer-rules/"
    added, twice = browser.post(url, RULE), browser.post(url, RULE)
    rule = DataTransferRule.objects.get()
    listed = browser.get(url).content.decode()
    deleted = browser.post(f"{url}{rule.pk}/delete/")

    assert (added.status_code, twice.status_code, deleted.status_code) == (302, 422, 302)
    assert rule.masked_paths == ["a.b", "c"]
    assert "com.example" in listed
    assert not DataTransferRule.objects.exists()


def test_others_write_no_rules(
    browser: Client,
    charlie: Client,
    home: str,
    organization: Organization,
    browser_of: Callable[[Membership], Client],
) -> None:
    browser.post(f"{home}data-transfer-rules/", RULE)
    rule = DataTransferRule.objects.get()
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    for client, status in ((bob, 403), (charlie, 404)):
        assert client.post(f"{home}data-transfer-rules/", {**RULE, "vendor_id": "x"}).status_code == status
        assert client.post(f"{home}data-transfer-rules/{rule.pk}/delete/").status_code == status
    assert DataTransferRule.objects.count() == 1
