"""Sentences that services store are told in the reader's language, with what they are about in place."""

import pytest
from django.test import Client
from django.utils import translation

from core import clock
from core.models import Organization
from portal.dashboard import reasons, refusals
from portal.dashboard.sentences import FILLED, GAP, PLAIN, told
from stations.models import Alert, ChargingStation, Connection
from stations.services import alerts


@pytest.mark.parametrize(
    "template", [*PLAIN, *FILLED, *refusals.PLAIN, *refusals.FILLED, *reasons.PLAIN, *reasons.FILLED]
)
def test_each_sentence_has_its_german_twin_and_keeps_its_particulars(template: str) -> None:
    particulars = {name: f"X{name}X" for name in GAP.findall(template)}
    with translation.override("de"):
        german = told(template % particulars)

    assert german != template % particulars
    assert [text for text in particulars.values() if text not in german] == []
    assert told(template % particulars) == template % particulars


def test_a_text_of_a_station_stays_as_it_is() -> None:
    with translation.override("de"):
        assert told("Störung 7 %(x)s <b>") == "Störung 7 %(x)s <b>"


def test_alerts_and_refused_tries_are_told_in_german(
    browser: Client, home: str, organization: Organization, station: ChargingStation
) -> None:
    now = clock.now()
    alerts.raise_(
        "offline",
        station_id=station.pk,
        organization_id=organization.pk,
        severity=Alert.Severity.WARNING,
        detail="No connection since 2026-11-25 04:04 UTC.",
        at=now,
    )
    Connection.objects.create(
        organization=organization,
        station=station,
        identity=station.identity,
        outcome=Connection.Outcome.REFUSED,
        reason="no_credential",
        detail="It sent no password.",
        http_status=401,
        opened_at=now,
        closed_at=now,
    )
    browser.post(f"{home}preferences/", {"language": "de"})

    assert "Keine Verbindung seit 2026-11-25 04:04 UTC." in browser.get(f"{home}alerts/").content.decode()
    page = browser.get(f"{home}stations/{station.pk}/connect/").content.decode()
    assert page.count("Sie hat kein Passwort gesendet.") == 2
    assert "It sent no password" not in page
