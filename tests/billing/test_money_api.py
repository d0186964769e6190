"""Bank, cards, debit files, payers and meters as a program reaches them (billing B-10, B-36, B-43 to B-46, B-61)."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import (
    BankDetails,
    BankLine,
    BillingAccount,
    Cdr,
    DebitFile,
    MeterKey,
    Method,
    Payment,
    ProviderSettings,
    SavedMethod,
)
from billing.services import signed_values
from billing.services.payments import calls, debits, receiving
from core import clock
from core.access import Actor
from core.models import AuditEntry, Organization
from stations.models import Transaction
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.ocmf.signing import Meter
from tests.billing.payments.conftest import COLLECT_ON, IBAN, PAYER_IBAN, Issued, bank, issued, sign, stripe
from tests.billing.payments.stripe_standin import KEY, SECRET, StandIn
from tests.portal.api.conftest import client_with, results

__all__ = ["bank", "issued", "stripe"]
pytestmark = pytest.mark.usefixtures("committed")
LISTS = ["bank-statements", "bank-lines", "debit-files", "payment-methods", "meter-keys"]


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def api(organization: Organization) -> APIClient:
    return client_with(factories.make_key(organization))


@pytest.fixture
def stranger(organization: Organization) -> APIClient:
    return client_with(factories.make_key(factories.make_organization()))


def post(api: APIClient, path: str, body: Any = None) -> Any:
    return api.post(f"/api/v1/{path}", body or {}, format="json")


def statement(api: APIClient, *rows: str) -> Any:
    content = "date;amount;text;name\n" + "".join(f"{THIS_MONTH}-01;{row}\n" for row in rows)
    return post(api, "bank-statements/", {"name": "may.csv", "content": content})


def card_of(account: BillingAccount) -> SavedMethod:
    return SavedMethod.objects.create(
        account=account, provider="stripe", customer="cus_1", reference="pm_1", label="Visa 4242"
    )


def test_b46_a_statement_settles_by_reference_and_its_other_lines_are_decided_one_by_one(
    api: APIClient, issued: Issued
) -> None:
    first, second = issued(), issued()
    rows = (f"7.35;{first.number};Dora", "3.00;Thanks;Nobody", "4.00;Thanks;Somebody", "5.00;Rent;Owner")
    made, again = statement(api, *rows), statement(api, *rows)
    broken = post(api, "bank-statements/", {"content": "hello"})
    assert (made.status_code, made.json()["lines_new"], again.status_code, broken.status_code) == (
        201, 4, 409, 400,
    )  # fmt: skip
    waiting = {
        one["amount"]: one["id"] for one in results(api.get("/api/v1/bank-lines/", {"status": "open"}))
    }
    assert set(waiting) == {"3.00", "4.00", "5.00"}

    paid = post(api, f"bank-lines/{waiting['3.00']}/decide/", {"invoice": str(second.pk)}).json()
    given = post(api, f"bank-lines/{waiting['4.00']}/decide/", {"account": str(second.account_id)}).json()
    left = post(api, f"bank-lines/{waiting['5.00']}/decide/", {"reason": "Rent of the yard"}).json()
    assert [one["status"] for one in (paid, given, left)] == ["matched", "matched", "left"]
    assert post(api, f"bank-lines/{waiting['5.00']}/decide/", {"reason": "Again"}).status_code == 409
    both = {"reason": "Rent", "account": str(second.account_id)}
    assert post(api, f"bank-lines/{waiting['5.00']}/decide/", both).status_code == 400

    settled = post(api, f"payments/{given['payment']}/allocate/", {"invoice": str(second.pk)})
    assert (settled.status_code, settled.json()["unallocated"]) == (200, "0.00")
    assert post(api, f"payments/{given['payment']}/allocate/", {"invoice": str(second.pk)}).status_code == 409
    shown = api.get(f"/api/v1/invoices/{second.pk}/").json()
    assert (shown["status"], shown["open_amount"]) == ("partly_paid", "0.35")


def test_a_statement_is_found_by_a_part_of_its_name(
    api: APIClient, stranger: APIClient, issued: Issued
) -> None:
    made = statement(api, f"7.35;{issued().number};Dora").json()

    def found(client: APIClient, **wanted: str) -> list[str]:
        return [row["id"] for row in results(client.get("/api/v1/bank-statements/", wanted))]

    assert found(api, search="MAY") == found(api) == [made["id"]]
    assert found(api, search="june") == found(stranger, search="may") == []


def test_b44_a_debit_file_is_made_read_and_collected_once(
    api: APIClient, bank: None, issued: Issued, alice: Actor
) -> None:
    invoice = issued(mandate={})
    body = {"collect_on": COLLECT_ON.isoformat()}
    made, again = post(api, "debit-files/", body), post(api, "debit-files/", body)
    assert (made.status_code, made.json()["total"], again.status_code) == (201, "7.35", 409)
    place = made["Location"]
    assert [one["invoice"] for one in api.get(place).json()["items"]] == [str(invoice.pk)]
    file = api.get(f"{place}file/")
    assert (file["Content-Type"], PAYER_IBAN.encode() in file.content) == ("application/xml", True)
    assert AuditEntry.objects.filter(action="debit_file.fetched", object_id=made.json()["id"]).count() == 1
    assert api.post(f"{place}collected/").json()["status"] == "collected"
    assert api.post(f"{place}discard/").status_code == 409
    assert api.get(f"/api/v1/invoices/{invoice.pk}/").json()["status"] == "paid"


def test_b44_what_would_be_collected_is_previewed_with_the_reason_of_what_is_not_and_announced(
    api: APIClient, stranger: APIClient, bank: None, issued: Issued, alice: Actor
) -> None:
    told, untold = issued(mandate={}), issued(driver=factories.make_driver(alice, email="uli@example.org"))
    sign(untold.account, alice)
    path, day = "/api/v1/debit-files/preview/", {"collect_on": COLLECT_ON.isoformat()}
    found = api.get(path, day).json()
    assert (found["count"], found["total"], [one["invoice"] for one in found["collected"]]) == (
        1, "7.35", [str(told.pk)],
    )  # fmt: skip
    (other,) = found["others"]
    assert (other["invoice"], other["obstacle"], other["may_be_announced"], other["announced_for"]) == (
        str(untold.pk), "not_announced", True, None,
    )  # fmt: skip
    for query in ({}, {"collect_on": "soon"}, {**day, "type": "GOLD"}, {**day, "type": ""}):
        assert api.get(path, query).status_code == 400, query

    announce = f"invoices/{untold.pk}/announce-debit/"
    assert post(stranger, announce, {}).status_code == 404
    made, again = post(api, announce, {}), post(api, announce, {})
    assert (made.status_code, made.json()["status"], made.json()["amount"], again.status_code) == (
        201, "waiting", "7.35", 409,
    )  # fmt: skip
    assert untold.debit_notices.count() == 1
    assert stranger.get(path, day).status_code == 409, "no account of its own"
    mandate = results(api.get("/api/v1/mandates/", {"account": str(untold.account_id)}))[0]
    assert mandate["expires_on"] > mandate["signed_on"]


def test_b43_the_bank_account_is_changed_in_part_and_a_wrong_iban_refused(
    api: APIClient, organization: Organization
) -> None:
    path = "/api/v1/organization/bank-account/"
    assert api.get(path).json()["iban"] == ""
    assert api.patch(path, {"iban": IBAN}, format="json").status_code == 400
    assert api.patch(path, {"iban": "DE00", "holder": "Yard"}, format="json").status_code == 400
    assert not BankDetails.objects.filter(pk=organization.pk).exists()
    assert api.patch(path, {"iban": IBAN, "holder": "Yard"}, format="json").status_code == 200
    assert api.patch(path, {"notice_days": 5}, format="json").json() == {
        "holder": "Yard", "iban": IBAN, "bic": "", "creditor_id": "", "notice_days": 5, "first_as_frst": False,
    }  # fmt: skip


def test_k05_a_providers_keys_are_written_tested_and_forgotten_and_never_shown(
    api: APIClient, stripe: StandIn, organization: Organization
) -> None:
    path = "/api/v1/organization/payment-provider/"
    shown = api.patch(path, {"hold_amount": "45.00"}, format="json")
    tested = api.post(f"{path}test/")
    assert (shown.json()["configured"], shown.json()["hold_amount"], tested.status_code) == (
        True, "45.00", 200,
    )  # fmt: skip
    assert not {KEY, SECRET} & set(api.get(path).content.decode().split('"'))
    assert api.delete(path).status_code == 204
    assert (api.get(path).json()["configured"], api.post(f"{path}test/").status_code) == (False, 409)
    assert not ProviderSettings.objects.filter(pk=organization.pk).exists()


def test_b36_a_card_is_charged_once_and_a_refused_charge_is_tried_again_as_another_payment(
    api: APIClient, stripe: StandIn, issued: Issued
) -> None:
    invoice = issued()
    card = card_of(invoice.account)
    path = f"invoices/{invoice.pk}/charge/"
    first, same = post(api, path, {"method": str(card.pk)}), post(api, path, {"method": str(card.pk)})
    key = first.json()["id"]
    assert (first.status_code, same.json()["id"], first.json()["status"]) == (201, key, "pending")
    assert api.delete(f"/api/v1/payment-methods/{card.pk}/").status_code == 409
    assert api.post(f"/api/v1/payments/{key}/retry/").status_code == 409

    stripe.decline = True
    calls.run()
    refused = api.get(f"/api/v1/payments/{key}/").json()
    assert refused["status"] == "failed", refused
    again = api.post(f"/api/v1/payments/{key}/retry/")
    assert (again.status_code, again.json()["status"], again.json()["amount"]) == (201, "pending", "7.35")
    assert again.json()["id"] != key
    assert Payment.objects.get(pk=key).state == "failed"
    stripe.decline = False
    calls.run()
    assert api.get(f"/api/v1/invoices/{invoice.pk}/").json()["status"] == "paid"
    assert api.delete(f"/api/v1/payment-methods/{card.pk}/").status_code == 204
    assert results(api.get("/api/v1/payment-methods/")) == []


def test_b10_a_record_without_a_payer_is_given_a_company_that_was_opened(
    api: APIClient, charge: Charge, organization: Organization
) -> None:
    session = charge(12_345, minutes=1)
    Transaction.objects.filter(pk=session.pk).update(driver=None)
    settle()
    assert post(api, "billing-accounts/", {"name": "Kai AG", "time_zone": "Mars"}).status_code == 400
    company = post(api, "billing-accounts/", {"name": "Kai AG"})
    record = results(api.get("/api/v1/cdrs/", {"no_account": "true"}))[0]
    body = {"account": company.json()["id"], "reason": "Their pool car"}
    made, again = (post(api, f"cdrs/{record['id']}/payer/", body) for _ in range(2))

    assert (company.status_code, company.json()["kind"]) == (201, "company")
    assert (made.status_code, made.json()["account"], made.json()["replaces"]) == (
        201, company.json()["id"], record["id"],
    )  # fmt: skip
    assert again.status_code == 409
    assert Cdr.objects.filter(transaction=session).count() == 3


def test_b61_a_meters_key_is_registered_and_retired(api: APIClient, organization: Organization) -> None:
    meter = Meter(serial="M-9")
    body = {"serial": "M-9", "public_key": meter.public_key}
    assert post(api, "meter-keys/", {**body, "public_key": "hello"}).status_code == 400
    made = post(api, "meter-keys/", body)
    assert made.status_code == 201
    assert (api.delete(made["Location"]).status_code, api.delete(made["Location"]).status_code) == (204, 409)
    assert api.get(made["Location"]).json()["retired_at"] is not None
    assert MeterKey.objects.filter(organization=organization).live().count() == 0


def test_b12_what_became_of_each_session_adds_up_and_days_that_are_none_are_refused(
    api: APIClient, stranger: APIClient, issued: Issued
) -> None:
    issued()
    path = "/api/v1/billing/reconciliation/"
    found = api.get(path).json()
    assert (found["ended"], found["counts"]["billed"], found["differences"]) == (1, 1, [])
    assert sum(found["counts"].values()) == found["ended"]
    assert stranger.get(path).json()["ended"] == 0
    for query in ("from=soon", "from=2026-12-02&to=2026-12-01", "from=2020-01-01", "to=0001-01-01"):
        assert api.get(f"{path}?{query}").status_code == 400, query


def test_b46_who_paid_is_told_once(api: APIClient, issued: Issued, alice: Actor) -> None:
    account = issued().account
    payment = receiving.book(
        organization_id=account.organization_id, account=None, amount=Decimal(5), currency="EUR",
        method=Method.BANK_TRANSFER, received_on=clock.now().date(), by=alice,
    )  # fmt: skip
    made, again = (post(api, f"payments/{payment.pk}/payer/", {"account": str(account.pk)}) for _ in range(2))
    assert (made.json()["account"], made.json()["unallocated"], again.status_code) == (
        str(account.pk), "5.00", 409,
    )  # fmt: skip


def test_w01_a_stranger_finds_and_changes_nothing_of_it(
    api: APIClient, stranger: APIClient, bank: None, issued: Issued, alice: Actor, organization: Organization
) -> None:
    invoice = issued(mandate={})
    account, today = {"account": str(invoice.account_id)}, clock.now().date()
    statement(api, "3.00;Thanks;Nobody")
    line = BankLine.objects.get(organization=organization)
    row, card = debits.make_file(organization, COLLECT_ON, by=alice), card_of(invoice.account)
    key = signed_values.register_key(organization, "M-9", Meter().public_key, by=alice)
    payment = receiving.book(
        organization_id=organization.pk, account=None, amount=Decimal(5), currency="EUR",
        method=Method.BANK_TRANSFER, received_on=today, by=alice,
    )  # fmt: skip
    said = AuditEntry.objects.filter(organization=organization).count()
    for path, body in (
        (f"bank-lines/{line.pk}/decide/", {"reason": "Mine"}),
        (f"debit-files/{row.pk}/collected/", {}),
        (f"debit-files/{row.pk}/discard/", {}),
        (f"payments/{payment.pk}/payer/", account),
        (f"payments/{payment.pk}/allocate/", {"invoice": str(invoice.pk)}),
        (f"payments/{payment.pk}/retry/", {}),
        (f"invoices/{invoice.pk}/charge/", {"method": str(card.pk)}),
        (f"cdrs/{Cdr.objects.get(lines__invoice=invoice).pk}/payer/", {**account, "reason": "Mine"}),
    ):
        assert post(stranger, path, body).status_code == 404, path
    for path in (f"debit-files/{row.pk}/file/", f"payment-methods/{card.pk}/", f"meter-keys/{key.pk}/"):
        assert stranger.get(f"/api/v1/{path}").status_code == 404, path
    for path in (f"payment-methods/{card.pk}/", f"meter-keys/{key.pk}/"):
        assert stranger.delete(f"/api/v1/{path}").status_code == 404, path
    assert post(stranger, "billing-accounts/", {"name": "Mine"}).status_code == 201, "an account of its own"
    assert not BillingAccount.objects.filter(organization=organization, name="Mine").exists()
    for name in LISTS:
        assert results(stranger.get(f"/api/v1/{name}/")) == [], name
    assert AuditEntry.objects.filter(organization=organization).count() == said
    assert DebitFile.objects.get(pk=row.pk).state == "open"


@pytest.mark.parametrize("name", LISTS)
def test_a_key_without_the_scope_is_refused(organization: Organization, name: str) -> None:
    client = client_with(factories.make_key(organization, "stations:read"))
    assert client.get(f"/api/v1/{name}/").status_code == 403
