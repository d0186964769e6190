"""`manage.py verify_audit` finds what somebody with more rights than the portal did to the audit (W-27)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from core.models import AuditEntry, AuditSeal
from core.services import audit_chain
from tests import factories
from tests.running import ROOT


def verify(*words: str) -> tuple[int, str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings.test"}
    command = [sys.executable, "manage.py", "verify_audit", *words]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert not ran.stderr, ran.stderr
    return ran.returncode, ran.stdout


@pytest.fixture
def owner(committed: None) -> Iterator[psycopg.Connection[Any]]:
    """Somebody who may switch off the triggers."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        for table in ("core_auditentry", "core_auditseal"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield connection
        for table in ("core_auditentry", "core_auditseal"):
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.fixture
def entry(owner: psycopg.Connection[Any]) -> AuditEntry:
    organization = factories.make_organization()
    factories.make_member(organization)
    audit_chain.extend()
    return AuditEntry.objects.filter(organization=organization).earliest("id")


def test_w27_an_untouched_audit_has_no_finding_and_prints_its_last_link(entry: AuditEntry) -> None:
    code, said = verify()
    end = audit_chain.last()

    assert code == 0
    assert "0 findings" in said
    assert str(end) in said
    assert verify("--known", str(end))[0] == 0


def test_w27_a_changed_entry_is_found(entry: AuditEntry, owner: psycopg.Connection[Any]) -> None:
    owner.execute("UPDATE core_auditentry SET actor = 'user:nobody' WHERE id = %s", [entry.pk])
    code, said = verify()
    owner.execute("UPDATE core_auditentry SET actor = %s WHERE id = %s", [entry.actor, entry.pk])

    assert code == 1
    assert f"Entry {entry.pk} " in said
    assert verify()[0] == 0


def test_w27_a_deleted_entry_is_found(entry: AuditEntry, owner: psycopg.Connection[Any]) -> None:
    owner.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM core_auditentry WHERE id = %s", [entry.pk])
    owner.execute("DELETE FROM core_auditentry WHERE id = %s", [entry.pk])
    code, said = verify()
    owner.execute("INSERT INTO core_auditentry SELECT * FROM kept")

    assert code == 1
    assert f"Entry {entry.pk} " in said
    assert "deleted" in said
    assert verify()[0] == 0


def test_w27_an_entry_slipped_in_afterwards_is_found(
    entry: AuditEntry, owner: psycopg.Connection[Any]
) -> None:
    row = owner.execute(
        "INSERT INTO core_auditentry (at, actor, action, object_type, object_id, object_label, changes, reason,"
        " address, request_id) VALUES (now() - interval '2 days', 'user:x', 'x', '', '', '', '{}', '', '', '')"
        " RETURNING id"
    ).fetchone()
    code, said = verify()
    owner.execute("DELETE FROM core_auditentry WHERE id = %s", row)

    assert row
    assert code == 1
    assert f"Entry {row[0]} " in said
    assert "never linked" in said


def test_w27_a_chain_cut_off_at_its_end_is_found_by_the_link_noted_before(
    entry: AuditEntry, owner: psycopg.Connection[Any]
) -> None:
    end = audit_chain.last()
    assert end
    owner.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM core_auditseal WHERE number = %s", [end.pk])
    owner.execute(
        "CREATE TEMPORARY TABLE gone AS SELECT * FROM core_auditentry WHERE id = %s", [end.entry_id]
    )
    owner.execute("DELETE FROM core_auditseal WHERE number = %s", [end.pk])
    owner.execute("DELETE FROM core_auditentry WHERE id = %s", [end.entry_id])
    unnoticed, noticed = verify()[0], verify("--known", str(end))
    owner.execute("INSERT INTO core_auditentry SELECT * FROM gone")
    owner.execute("INSERT INTO core_auditseal SELECT * FROM kept")

    assert unnoticed == 0
    assert noticed[0] == 1
    assert "cut off" in noticed[1]


def test_w27_a_malformed_link_is_no_link(entry: AuditEntry) -> None:
    assert verify()[0] == 0
    assert verify("--known", "nonsense")[0] == 1
    result = audit_chain.last_check()
    assert result
    assert result.findings == 0  # who mistypes a link alarms nobody


@pytest.mark.parametrize("table", ["core_auditentry", "core_auditseal"])
@pytest.mark.parametrize("act", ["UPDATE {} SET {} = NULL", "DELETE FROM {}", "TRUNCATE {}"])
def test_w27_the_role_of_the_portal_can_change_neither_entries_nor_links(
    db: None, table: str, act: str
) -> None:
    factories.make_organization()
    audit_chain.extend()
    rows = AuditEntry.objects.count(), AuditSeal.objects.count()
    column = "reason" if table == "core_auditentry" else "digest"

    with pytest.raises(DatabaseError), atomic(), connection.cursor() as cursor:
        cursor.execute(act.format(table, column))

    assert (AuditEntry.objects.count(), AuditSeal.objects.count()) == rows
    assert min(rows) > 0
