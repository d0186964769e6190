"""A session's page: signed readings are counted by their kind, and downloaded byte for byte."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.access import Role
from core.models import Membership, Organization
from stations.models import ChargingStation, Evse, SignedMeterData, Transaction
from tests import factories

OCMF = 'OCMF|{"FV":"1.0","ID":"04A1B2C3D4","RD":[{"RV":1.5}]}|{"SD":"3044"}'


@pytest.fixture
def session(station: ChargingStation, evse: Evse) -> Transaction:
    return Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=evse,
        reference="tx-1",
        started_at=clock.now(),
        last_event_at=clock.now(),
    )


@pytest.fixture
def page(home: str, session: Transaction) -> str:
    return f"{home}sessions/{session.pk}/"


def sign(session: Transaction, minute: int, data: str = OCMF, **changes: Any) -> None:
    values = {"context": "Sample.Periodic", "encoding": "OCMF", "signing_method": "ECDSA", **changes}
    at = session.started_at + timedelta(minutes=minute)
    SignedMeterData.objects.create(
        station=session.station,
        transaction=session,
        evse_id=1,
        occurred_at=at,
        data=data,
        digest=bytes([minute]),
        **values,
    )


def test_the_page_counts_them_by_encoding_and_method(
    browser: Client, page: str, session: Transaction
) -> None:
    without = browser.get(page).content.decode()
    sign(session, 2)
    sign(session, 1)
    sign(session, 3, encoding="EDL", signing_method="")
    text = browser.get(page).content.decode()

    assert "Signed readings" not in without
    assert '<span class="num">2</span> · OCMF · ECDSA' in text
    assert '<span class="num">1</span> · EDL' in text
    assert f'href="{page}signed/"' in text


def test_the_download_has_them_as_they_came_oldest_first(
    browser: Client, page: str, session: Transaction
) -> None:
    sign(session, 2, data="second <b>ä</b>")
    sign(session, 1, public_key="MFkw")
    answer = browser.get(f"{page}signed/")
    text = answer.content.decode()

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert f"public key: MFkw\n\n{OCMF}\n" in text
    assert text.index(OCMF) < text.index("second <b>ä</b>")


def test_a_session_without_any_gives_an_empty_text(browser: Client, page: str) -> None:
    answer = browser.get(f"{page}signed/")

    assert (answer.status_code, answer.content) == (200, b"")


def test_who_may_not_see_drivers_sees_how_many_and_no_token(
    organization: Organization,
    browser_of: Callable[[Membership], Client],
    charlie: Client,
    page: str,
    session: Transaction,
) -> None:
    sign(session, 1)
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    text = bob.get(page).content.decode()

    assert "OCMF · ECDSA" in text
    assert "/signed/" not in text
    assert bob.get(f"{page}signed/").status_code == 403
    assert charlie.get(f"{page}signed/").status_code == 404
