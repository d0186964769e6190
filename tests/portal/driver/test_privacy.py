"""A driver takes along what is kept of the person, and nobody else's (B-67)."""

import io
import json
import zipfile

from django.test import Client

from core.access import Actor
from core.models import AuditEntry
from drivers.models import Driver, IdToken
from stations.models import ChargingStation
from tests.factories import sessions
from tests.portal.driver.conftest import CARD, proven, text_of
from tests.stations.ocpp.charging import priced


def test_b67_a_driver_downloads_details_cards_and_sessions_with_their_price_lines(
    phone: Client, dora: Driver, card: IdToken, actor: Actor, station: ChargingStation
) -> None:
    priced(actor)
    session = sessions.end(sessions.begin(station, token=CARD), 2000)
    sessions.end(sessions.begin(station, token="SOMEBODY"), 3000)
    phone.post(f"/me/stations/{station.pk}/favourite/")
    stale = phone.post(f"/me/details/{dora.pk}/export/")
    proven(phone)
    answer = phone.post(f"/me/details/{dora.pk}/export/")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        data, table = json.loads(archive.read("data.json")), archive.read("sessions.csv").decode()

    assert f"/me/details/{dora.pk}/export/" in text_of(phone.get("/me/details/"))
    assert stale["Location"] == "/accounts/reauthenticate/?next=%2Fme%2Fdetails%2F"
    assert answer["Content-Disposition"] == 'attachment; filename="charging-data.zip"'
    assert answer["Cache-Control"] == "private, no-store"
    assert (data["format"], data["driver"]["name"]) == ("chargeyard-driver-export/3", dora.name)
    assert [one["value"] for one in data["tokens"]] == [CARD]
    assert [one["station"] for one in data["favourites"]] == ["Yard 1"]
    assert [one["id"] for one in data["sessions"]] == [str(session.pk)]
    assert data["sessions"][0]["price"]["payable"]["incl_vat"] == "1.19"
    assert data["sessions"][0]["price"]["lines"][0]["dimension"] == "ENERGY"
    assert station.identity not in json.dumps(data)
    assert (data["invoices"], data["wallets"]) == ([], [])
    assert table.splitlines()[1].split(",")[-2:] == ["1.19", "EUR"]
    assert AuditEntry.objects.get(action="driver.exported").object_id == str(dora.pk)


def test_b67_nobody_else_has_it(dora: Driver, colleague: Client, charlie: Client, actor: Actor) -> None:
    url = f"/me/details/{dora.pk}/export/"

    assert [one.post(url).status_code for one in (colleague, charlie)] == [404, 404]
    assert Client().post(url)["Location"].startswith("/accounts/login/")
    assert not AuditEntry.objects.filter(action="driver.exported").exists()
