"""The audit log tells what the last walk over its chain found (dashboard section 4.16)."""

import os
import re
from datetime import timedelta
from html import unescape

import psycopg
import pytest
import time_machine
from django.test import Client

from core import clock
from core.access import Actor
from core.models import AuditCheck, AuditEntry
from core.services import audit_chain
from portal.dashboard import pages
from portal.tasks import check_audit
from stations.services import sites
from tests import factories


def page(browser: Client, address: str, **headers: str) -> str:
    return unescape(browser.get(address, headers=headers).content.decode())


def test_before_the_first_check_the_page_says_so(browser: Client, home: str) -> None:
    AuditCheck.objects.all().delete()

    assert "was not checked yet" in page(browser, f"{home}audit/")


def test_a_fine_chain_is_told_with_when_and_how_far(browser: Client, home: str) -> None:
    with time_machine.travel("2031-05-04 10:11:12Z", tick=False):
        result, _ = audit_chain.check()
    assert result.through
    text = page(browser, f"{home}audit/")

    assert "Chain of hashes checked 4 May 2031" in text
    assert f":{result.through:%M:%S} are as they were written" in text
    assert 'role="alert"' not in text


def test_a_broken_chain_is_a_banner_that_names_the_first_bad_entry(
    browser: Client, home: str, db: None
) -> None:
    AuditCheck.objects.create(
        at=clock.now(), links=9, findings=2, first_finding="Entry 71 (link 5) was deleted."
    )

    english, german = (
        page(browser, f"{home}audit/"),
        page(browser, f"{home}audit/", **{"Accept-Language": "de"}),
    )

    assert "2 findings" in english
    assert "The first: Entry 71 (link 5) was deleted." in english
    assert "2 Befunde" in german
    assert "Eintrag 71 (Glied 5) wurde gelöscht." in german


def test_a_search_looks_so_far_back_at_a_time_and_goes_on_where_it_stopped(
    browser: Client, home: str, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOK_AT_MOST", 5)
    sites.create({"name": "Hidden Yard", "time_zone": "UTC"}, by=actor)
    for number in range(7):
        sites.create({"name": f"Site {number}", "time_zone": "UTC"}, by=actor)

    first = page(browser, f"{home}audit/?q=hidden")
    older = re.search(r'href="(\?[^"]+)">Older', first)
    assert older is not None
    second = page(browser, f"{home}audit/{older[1]}")

    assert "Searched 5 entries." in first
    assert "Hidden Yard" not in first
    assert "Hidden Yard" in second
    assert "Site 6" not in second


def test_the_timetable_checks_once_a_day(db: None) -> None:
    AuditCheck.objects.all().delete()
    factories.make_organization()
    check_audit()
    check_audit()
    assert AuditCheck.objects.count() == 1

    with time_machine.travel(clock.now() + timedelta(hours=25)):
        check_audit()
    assert AuditCheck.objects.count() == 2


def test_w27_a_check_finds_what_was_changed_behind_our_back_and_keeps_it(committed: None) -> None:
    organization = factories.make_organization()
    audit_chain.extend()
    entry = AuditEntry.objects.filter(organization=organization).earliest("id")
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("ALTER TABLE core_auditentry DISABLE TRIGGER USER")
        owner.execute("UPDATE core_auditentry SET actor = 'user:nobody' WHERE id = %s", [entry.pk])
        try:
            result, told = audit_chain.check()
        finally:
            owner.execute("UPDATE core_auditentry SET actor = %s WHERE id = %s", [entry.actor, entry.pk])
            owner.execute("ALTER TABLE core_auditentry ENABLE TRIGGER USER")

    assert result.findings == len(told) == 1
    assert result.first_finding == told[0]
    assert f"Entry {entry.pk} " in told[0]
    assert audit_chain.last_check() == result
    assert audit_chain.check()[0].findings == 0


def test_old_results_are_dropped(db: None) -> None:
    AuditCheck.objects.bulk_create(
        AuditCheck(at=clock.now(), links=0, findings=0) for _ in range(audit_chain.CHECKS_KEPT + 20)
    )
    audit_chain.check()

    assert AuditCheck.objects.count() == audit_chain.CHECKS_KEPT
