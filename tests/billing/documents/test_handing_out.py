"""Invoices as files over HTTP and the accountant's exports: who may, who may not (billing B-56, B-68)."""

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from lxml import etree

from billing.models import Invoice, Seller
from billing.services import exporting
from core.access import Actor, Role
from core.errors import Invalid, NotPermitted
from core.models import Membership, Organization
from tests import factories
from tests.billing.documents.test_documents import drafted, issued, made

__all__ = ["drafted", "issued"]
pytestmark = pytest.mark.usefixtures("committed")
Issued = Callable[..., Invoice]


def browser(membership: Membership) -> Client:
    client = Client()
    client.force_login(membership.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def api(organization: Organization, *scopes: str) -> Callable[..., Any]:
    key = factories.make_key(organization, *scopes)
    return lambda path, method="get", **more: getattr(Client(), method)(
        f"/api/v1/{path}", headers={"Authorization": f"Bearer {key}"}, **more
    )


def test_b56_a_key_reads_pdf_and_xml_and_a_stranger_finds_nothing(
    issued: Issued, organization: Organization
) -> None:
    invoice = issued()
    ask = api(organization, "invoices:read")
    assert ask(f"invoices/{invoice.pk}/pdf/").status_code == 409
    files = made(invoice)

    assert ask(f"invoices/{invoice.pk}/pdf/").content == files["pdf"]
    assert ask(f"invoices/{invoice.pk}/xml/").content == files["ubl"]
    assert ask(f"invoices/{invoice.pk}/xml/?syntax=cii").content == files["cii"]
    assert ask(f"invoices/{invoice.pk}/xml/?syntax=doc").status_code == 400
    stranger = api(factories.make_organization())
    assert stranger(f"invoices/{invoice.pk}/pdf/").status_code == 404
    assert api(organization, "stations:read")(f"invoices/{invoice.pk}/pdf/").status_code == 403
    assert ask(f"invoices/{uuid4()}/xml/").status_code == 404


def test_b57_the_sellers_data_are_read_and_changed_by_key(organization: Organization) -> None:
    ask = api(organization)
    assert ask("organization/seller/").json()["complete"] is True
    wrong = ask(
        "organization/seller/", "patch", data={"vat_id": "DE136695977"}, content_type="application/json"
    )
    assert wrong.status_code in (400, 422)
    right = ask("organization/seller/", "patch", data={"city": "Kiel"}, content_type="application/json")
    assert right.json()["city"] == "Kiel"
    assert Seller.objects.get(pk=organization.pk).vat_id == "DE136695976"


def test_b64_anybody_with_a_key_verifies_a_record(organization: Organization) -> None:
    from tests.billing.ocmf.signing import Meter, reading

    meter = Meter()
    texts = [meter.record(reading("B", 2107.38)), meter.record(reading("E", 2119.91))]
    ask = api(organization)
    body = {"ocmf": "\n".join(texts), "public_key": meter.public_key}
    answer = ask("tools/verify-ocmf/", "post", data=body, content_type="application/json").json()
    assert answer == {
        "valid": True, "reasons": [], "begin_kwh": "2107.38", "end_kwh": "2119.91", "energy_kwh": "12.53",
    }  # fmt: skip
    forged = {**body, "ocmf": body["ocmf"].replace("2119.91", "2120.91")}
    answer = ask("tools/verify-ocmf/", "post", data=forged, content_type="application/json").json()
    assert (answer["valid"], answer["reasons"]) == (False, ["signature_wrong"])
    timeless = {**body, "ocmf": meter.record(reading("B", 1, EF="t"), reading("E", 2)), "time_billed": True}
    answer = ask("tools/verify-ocmf/", "post", data=timeless, content_type="application/json").json()
    assert (answer["valid"], answer["reasons"]) == (False, ["time_error_flag"])


def test_gobd_tables_add_up_to_the_documents_and_are_described(
    issued: Issued, organization: Organization, alice: Actor
) -> None:
    invoice = issued()
    day = invoice.issued_on
    assert isinstance(day, date)
    archive = zipfile.ZipFile(io.BytesIO(exporting.gobd(organization, day, day, by=alice)))
    tables = {
        name: list(csv.DictReader(io.StringIO(archive.read(name).decode()), delimiter=";"))
        for name in archive.namelist() if name.endswith(".csv")
    }  # fmt: skip

    assert [(row["number"], row["net"], row["due"]) for row in tables["documents.csv"]] == [
        (invoice.number, "6.18", "7.35")
    ]
    assert sum(Decimal(row["net"]) for row in tables["lines.csv"]) == Decimal("6.18")
    assert sum(Decimal(row["amount"]) for row in tables["ledger.csv"]) == 0
    described = etree.fromstring(archive.read("index.xml"))
    assert sorted(one.text or "" for one in described.iterfind(".//URL")) == sorted(tables)
    booked = exporting.datev(organization, day, day, by=alice).decode().splitlines()
    assert booked[1].startswith("7,35;S;EUR;10000;8400;")


def test_exports_are_refused_to_who_may_not_and_for_no_period(
    organization: Organization, alice: Actor
) -> None:
    bob = factories.make_actor(organization, Role.TECHNICIAN, "bob")
    with pytest.raises(NotPermitted):
        exporting.gobd(organization, date(2026, 1, 1), date(2026, 1, 31), by=bob)
    with pytest.raises(Invalid):
        exporting.datev(organization, date(2026, 2, 1), date(2026, 1, 31), by=alice)
