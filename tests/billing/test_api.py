"""Billing as a program reaches it: documents, money and decisions, for those whose they are (spec of the API)."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing.models import (
    BillingRun,
    Buyer,
    Cdr,
    DocumentType,
    Invoice,
    InvoiceState,
    Mandate,
    Payment,
    Refund,
    Wallet,
)
from billing.services import drafting, running
from core.access import Actor, Role
from core.models import AuditEntry, Organization
from stations.services import access, sites
from tests import factories
from tests.billing.conftest import THIS_MONTH, Charge, settle
from tests.billing.payments.conftest import PAYER_IBAN, Issued, issued
from tests.portal.api.conftest import client_with, results

__all__ = ["issued"]
TODAY = f"{THIS_MONTH}-01"
LISTS = ["cdrs", "invoices", "billing-runs", "billing-exceptions", "payments", "billing-accounts", "wallets",
         "mandates"]  # fmt: skip


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def api(organization: Organization) -> APIClient:
    return client_with(factories.make_key(organization))


@pytest.fixture
def stranger(organization: Organization) -> APIClient:
    """With a key of all scopes of another organization."""
    return client_with(factories.make_key(factories.make_organization()))


@pytest.fixture
def draft(charge: Charge, alice: Actor) -> Invoice:
    session = charge(12_345, minutes=1)
    settle()
    record = Cdr.objects.get(transaction=session)
    assert record.account is not None
    return drafting.draft(record.account, THIS_MONTH, by=alice)[0]


def ours(kind: Any, organization: Organization) -> Any:
    """The rows of Alice's; those of tests before stay in this database."""
    path = "payment__organization" if kind is Refund else "organization"
    return kind.objects.filter(**{"account__organization" if kind is Wallet else path: organization})


def paid(api: APIClient, invoice: Invoice, amount: str = "7.35", **headers: str) -> Any:
    body = {"amount": amount, "received_on": TODAY, "note": "Statement 7"}
    return api.post(f"/api/v1/invoices/{invoice.pk}/payments/", body, format="json", headers=headers)


def test_b14_a_draft_is_read_with_its_lines_and_issued_once(
    organization: Organization, api: APIClient, draft: Invoice
) -> None:
    path = f"/api/v1/invoices/{draft.pk}/"
    before = api.get(path).json()
    first = api.post(f"{path}issue/", headers={"Idempotency-Key": "one"})
    replayed = api.post(f"{path}issue/", headers={"Idempotency-Key": "one"})
    again = api.post(f"{path}issue/")

    assert (before["status"], before["number"], before["total"], before["overdue"]) == (
        *("draft", "", "7.35"),
        False,
    )
    assert [line["amount"] for line in before["lines"]] == ["7.35"]
    assert before["lines"][0]["cdr"] == str(ours(Cdr, organization).get().pk)
    assert first.status_code == 200
    assert first.json()["number"].endswith("-000001")
    assert (replayed.json(), replayed["Idempotent-Replayed"]) == (first.json(), "true")
    assert (again.status_code, again.json()["detail"]) == (409, "Only a draft can be issued.")
    assert [one["id"] for one in results(api.get("/api/v1/invoices/", {"status": "issued"}))] == [
        str(draft.pk)
    ]
    assert results(api.get("/api/v1/invoices/", {"status": "draft"})) == []


def test_a_document_that_is_known_already_is_not_sent_again(api: APIClient, draft: Invoice) -> None:
    path = f"/api/v1/invoices/{draft.pk}/"
    tag = api.get(path)["ETag"]

    assert api.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_b14_a_draft_is_discarded_and_its_session_free_again(api: APIClient, draft: Invoice) -> None:
    answer = api.post(f"/api/v1/invoices/{draft.pk}/discard/")

    assert answer.json()["status"] == "discarded"
    assert drafting.unbilled(draft.account, THIS_MONTH).count() == 1


def test_b17_an_issued_invoice_is_taken_back_by_a_credit_note(
    organization: Organization, api: APIClient, issued: Issued
) -> None:
    invoice = issued()
    path = f"/api/v1/invoices/{invoice.pk}/credit/"

    unreasoned = api.post(path, {}, format="json")
    answer = api.post(path, {"reason": "Wrong tariff"}, format="json")

    assert unreasoned.status_code == 400
    assert answer.status_code == 201
    assert (answer.json()["document_type"], answer.json()["credits"]) == ("381", str(invoice.pk))
    assert api.get(answer["Location"]).json()["number"].startswith("C-")
    assert api.get(f"/api/v1/invoices/{invoice.pk}/").json()["credit_notes"] == [answer.json()["id"]]
    assert ours(Invoice, organization).filter(document_type=DocumentType.CREDIT_NOTE).count() == 1


def test_b17_a_line_is_credited_in_part_by_key_and_never_above_it(api: APIClient, issued: Issued) -> None:
    path = f"/api/v1/invoices/{issued().pk}/"
    line = api.get(path).json()["lines"][0]["id"]

    def credit(*lines: object) -> Any:
        return api.post(f"{path}credit/", {"reason": "Out of order", "lines": list(lines)}, format="json")

    made = credit({"line": line, "amount": "2.00"})
    assert (made.status_code, made.json()["total"], made.json()["lines"][0]["credits"]) == (201, "2.00", line)
    for wrong in ([{"line": line, "amount": "5.36"}], [{"line": line}, {"line": line}], [], [{"line": 1}]):
        assert credit(*wrong).status_code in (400, 422), wrong
    read = api.get(path).json()
    assert (read["open_amount"], read["credit_notes"]) == ("5.35", [made.json()["id"]])


def test_b46_a_transfer_is_recorded_once_and_pays_the_invoice(
    organization: Organization, api: APIClient, issued: Issued
) -> None:
    invoice = issued()
    headers = {"Idempotency-Key": "statement-7"}
    first, again = paid(api, invoice, "10.00", **headers), paid(api, invoice, "10.00", **headers)
    told = api.get(first["Location"]).json()

    assert (first.status_code, again.json()) == (201, first.json())
    assert ours(Payment, organization).count() == 1
    assert (told["status"], told["captured"], told["unallocated"]) == ("received", "10.00", "2.65")
    assert [one["amount"] for one in told["allocations"]] == ["7.35"]
    shown = api.get(f"/api/v1/invoices/{invoice.pk}/").json()
    assert (shown["status"], shown["open_amount"]) == ("paid", "0.00")
    assert len(results(api.get(f"/api/v1/invoices/{invoice.pk}/payments/"))) == 1


@pytest.mark.parametrize("amount", ["0", "-1", "7.355", "1e30"])
def test_an_amount_that_is_none_is_refused(
    organization: Organization, api: APIClient, issued: Issued, amount: str
) -> None:
    answer = paid(api, issued(), amount)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/amount"
    assert not ours(Payment, organization).exists()


def test_b42_no_more_is_refunded_than_settles_nothing(
    organization: Organization, api: APIClient, issued: Issued
) -> None:
    payment = paid(api, issued(), "10.00").json()["id"]
    path = f"/api/v1/payments/{payment}/refund/"

    too_much = api.post(path, {"amount": "10.01", "reason": "Twice"}, format="json")
    settled = api.post(path, {"amount": "3.00", "reason": "Twice"}, format="json")
    fitting = api.post(path, {"amount": "2.65", "reason": "Twice"}, format="json")

    assert (too_much.status_code, settled.status_code, fitting.status_code) == (400, 409, 201)
    assert (fitting.json()["refunded"], fitting.json()["unallocated"]) == ("2.65", "0.00")
    assert [f"{one.amount:.2f}" for one in ours(Refund, organization)] == ["2.65"]


def test_b10_a_record_is_read_and_taken_back_once(
    organization: Organization, api: APIClient, charge: Charge
) -> None:
    session = charge(12_345, minutes=1)
    settle()
    record = results(api.get("/api/v1/cdrs/", {"transaction": str(session.pk)}))[0]
    path = f"/api/v1/cdrs/{record['id']}/credit/"
    made = api.post(path, {"reason": "Wrong tariff"}, format="json")
    again = api.post(path, {"reason": "Wrong tariff"}, format="json")

    assert (record["payable_incl_vat"], record["credit"]) == ("7.35", False)
    assert (made.status_code, again.status_code) == (201, 409)
    assert (made.json()["payable_incl_vat"], made.json()["credit_of"]) == ("-7.35", record["id"])
    assert ours(Cdr, organization).filter(credit=True).count() == 1


def test_b33_a_dry_run_writes_nothing_and_equals_what_is_issued(
    organization: Organization, api: APIClient, charge: Charge
) -> None:
    charge(12_345, minutes=1)
    settle()
    ask = {"period": THIS_MONTH, "dry_run": True}
    seen = api.post("/api/v1/billing-runs/", ask, format="json")

    assert (seen.status_code, [one["total"] for one in seen.json()["documents"]]) == (200, ["7.35"])
    assert not ours(BillingRun, organization).exists()
    assert not ours(Invoice, organization).exists()

    made = api.post("/api/v1/billing-runs/", {"period": THIS_MONTH}, format="json")
    second = api.post("/api/v1/billing-runs/", {"period": THIS_MONTH}, format="json")
    running.work()
    preview = api.get(f"{made['Location']}preview/").json()
    issuing = api.post(f"{made['Location']}issue/")
    running.work()
    told = api.get(issuing["Location"]).json()

    assert (made.status_code, second.status_code, issuing.status_code) == (201, 409, 201)
    assert [(one["total"], one["invoice"]) for one in preview["documents"]] == [
        ("7.35", str(ours(Invoice, organization).get().pk))
    ]
    assert (told["status"], told["accounts"]) == ("finished", {"open": 0, "done": 1, "failed": 0})
    assert [(one["documents"], one["total"]) for one in told["documents"]] == [(1, "7.35")]
    assert told["rates"] == [
        {"currency": "EUR", "category": "S", "vat_rate": "19.00", "total_excl_vat": "6.18", "vat": "1.17"}
    ]
    assert ours(Invoice, organization).get().state == InvoiceState.ISSUED


def test_b30_a_run_over_some_payers_leaves_the_others_to_the_next(
    organization: Organization, api: APIClient, stranger: APIClient, alice: Actor, charge: Charge
) -> None:
    for evse, name in ((1, "Ada"), (2, "Ben")):
        charge(12_345, minutes=1, evse_id=evse, driver=factories.make_driver(alice, name))
    settle()
    one, other = (row["id"] for row in results(api.get("/api/v1/billing-accounts/")))
    ask = {"period": THIS_MONTH, "accounts": [one]}

    assert stranger.post("/api/v1/billing-runs/", ask, format="json").status_code == 400
    seen = api.post("/api/v1/billing-runs/", {**ask, "dry_run": True}, format="json").json()
    assert [row["account"] for row in seen["documents"]] == [one]
    made = api.post("/api/v1/billing-runs/", ask, format="json")
    running.work()

    assert api.get(made["Location"]).json()["accounts"] == {"open": 0, "done": 1, "failed": 0}
    assert [str(row.account_id) for row in ours(Invoice, organization)] == [one]
    preview = api.get(f"{made['Location']}preview/").json()["documents"]
    assert [row["account"] for row in preview] == [one]
    api.post(f"{made['Location']}issue/")
    running.work()
    assert [(str(row.account_id), row.state) for row in ours(Invoice, organization)] == [(one, "issued")]
    api.post("/api/v1/billing-runs/", {"period": THIS_MONTH}, format="json")
    running.work()
    assert {str(row.account_id) for row in ours(Invoice, organization)} == {one, other}


def test_no_month_is_refused(organization: Organization, api: APIClient) -> None:
    assert api.post("/api/v1/billing-runs/", {"period": "2026-13"}, format="json").status_code == 400
    assert not ours(BillingRun, organization).exists()


def test_b06_an_exception_is_decided_once(organization: Organization, api: APIClient, charge: Charge) -> None:
    first, second = charge(minutes=60, evse_id=1), charge(minutes=30, evse_id=1)
    settle()
    waiting, other = results(api.get("/api/v1/billing-exceptions/", {"open": "true"}))
    path = f"/api/v1/billing-exceptions/{waiting['id']}/resolve/"
    body = {"decision": "waived", "reason": "The meter is broken."}
    made, again = api.post(path, body, format="json"), api.post(path, body, format="json")

    assert (waiting["cause"], other["cause"]) == ("overlap", "overlap")
    assert {waiting["transaction"], other["transaction"]} == {str(first.pk), str(second.pk)}
    assert (made.json()["decision"], again.status_code) == ("waived", 409)
    left = results(api.get("/api/v1/billing-exceptions/", {"open": "true"}))
    assert [one["id"] for one in left] == [other["id"]]
    assert not ours(Cdr, organization).filter(transaction=waiting["transaction"]).exists()


def test_b26_a_payers_vat_id_is_checked_and_a_lost_race_is_told(api: APIClient, draft: Invoice) -> None:
    path = f"/api/v1/billing-accounts/{draft.account_id}/"
    tag = api.get(path)["ETag"]
    wrong = api.patch(path, {"country": "DE", "vat_id": "DE136695977"}, format="json")
    right = api.patch(
        path, {"country": "DE", "vat_id": "DE 136 695 976"}, format="json", headers={"If-Match": tag}
    )
    late = api.patch(path, {"city": "Kiel"}, format="json", headers={"If-Match": tag})

    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/vat_id")
    assert right.json()["buyer"]["vat_id"] == "DE136695976"
    assert right.json()["buyer"]["vat_id_checked_on"] is not None
    assert late.status_code == 412
    assert Buyer.objects.get(account=draft.account).city == ""


def test_b48_a_wallet_is_opened_once_and_its_entries_add_up(api: APIClient, draft: Invoice) -> None:
    body = {"account": str(draft.account_id)}
    made = api.post("/api/v1/wallets/", body, format="json")
    again = api.post("/api/v1/wallets/", body, format="json")
    path = made["Location"]

    assert made.json()["id"] == again.json()["id"]
    assert api.patch(path, {"credit_limit": "25"}, format="json").json()["available"] == "25.00"
    assert api.patch(path, {"credit_limit": "-1"}, format="json").status_code == 400
    assert results(api.get(f"{path}entries/")) == []


def test_b43_a_mandate_shows_the_end_of_its_iban_and_is_stopped(
    organization: Organization, api: APIClient, draft: Invoice
) -> None:
    body = {"account": str(draft.account_id), "iban": PAYER_IBAN, "holder": "Dora", "signed_on": TODAY}
    wrong = api.post("/api/v1/mandates/", {**body, "iban": "NL91ABNA0417164301"}, format="json")
    made = api.post("/api/v1/mandates/", body, format="json")

    assert (wrong.status_code, made.status_code) == (400, 201)
    assert (made.json()["iban_end"], PAYER_IBAN in made.content.decode()) == ("4300", False)
    assert api.delete(made["Location"]).status_code == 204
    assert api.delete(made["Location"]).status_code == 409
    assert ours(Mandate, organization).get().state == "stopped"


def test_w01_a_stranger_finds_none_of_it_and_changes_nothing(
    organization: Organization, api: APIClient, stranger: APIClient, issued: Issued
) -> None:
    invoice = issued()
    payment = paid(api, invoice).json()["id"]
    said = AuditEntry.objects.count()
    asked: list[tuple[str, dict[str, Any]]] = [
        (f"invoices/{invoice.pk}/issue/", {}),
        (f"invoices/{invoice.pk}/discard/", {}),
        (f"invoices/{invoice.pk}/credit/", {"reason": "Mine"}),
        (f"invoices/{invoice.pk}/payments/", {"amount": "1.00", "received_on": TODAY}),
        (f"payments/{payment}/refund/", {"amount": "1.00", "reason": "Mine"}),
        (f"cdrs/{ours(Cdr, organization).get().pk}/credit/", {"reason": "Mine"}),
    ]

    for path, body in asked:
        assert stranger.post(f"/api/v1/{path}", body, format="json").status_code == 404, path
    mandate = {"account": str(invoice.account_id), "iban": PAYER_IBAN, "holder": "M", "signed_on": TODAY}
    assert stranger.post("/api/v1/mandates/", mandate, format="json").status_code == 400
    opened = stranger.post("/api/v1/wallets/", {"account": str(invoice.account_id)}, format="json")
    assert opened.status_code == 400
    for name in LISTS:
        assert results(stranger.get(f"/api/v1/{name}/")) == []
    assert not any(ours(kind, organization).exists() for kind in (Mandate, Wallet, Refund))
    assert AuditEntry.objects.count() == said


def test_w01_who_is_limited_to_a_site_sees_no_money_by_the_api(
    organization: Organization, alice: Actor, api: APIClient, issued: Issued
) -> None:
    paid(api, issued())
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    dan = factories.make_member(organization, Role.ADMIN, "dan")
    access.limit_member(dan, ["Elsewhere"], by=alice)
    limited = Client(headers={"X-Organization": organization.slug})
    limited.force_login(dan.user)

    for name in LISTS:
        assert results(limited.get(f"/api/v1/{name}/")) == [], name
    body = {"data": {"period": THIS_MONTH}, "content_type": "application/json"}
    assert limited.post("/api/v1/billing-runs/", **body).status_code == 403
    assert not ours(BillingRun, organization).exists()


@pytest.mark.parametrize("name", LISTS)
def test_a_key_without_the_scope_is_refused(organization: Organization, name: str) -> None:
    answer = client_with(factories.make_key(organization, "stations:read")).get(f"/api/v1/{name}/")

    assert (answer.status_code, f"{name}:read" in answer.json()["detail"]) == (403, True)


def test_payments_below_an_invoice_are_of_the_scopes_of_invoices(
    organization: Organization, issued: Issued
) -> None:
    invoice = issued()
    path = f"/api/v1/invoices/{invoice.pk}/payments/"
    reader, writer, others = (
        client_with(factories.make_key(organization, *scopes))
        for scopes in (["invoices:read"], ["invoices:write"], ["payments:read", "payments:write"])
    )

    assert "invoices:write" in paid(others, invoice).json()["detail"]
    assert "invoices:write" in paid(reader, invoice).json()["detail"]
    assert not ours(Payment, organization).exists()
    assert paid(writer, invoice).status_code == 201
    assert len(results(reader.get(path))) == len(results(reader.get(path, {"method": "bank_transfer"}))) == 1
    assert results(reader.get(path, {"search": "nothing like it"})) == []
    assert (others.get(path).status_code, writer.get(path).status_code) == (403, 403)
    charge = f"/api/v1/invoices/{invoice.pk}/charge/"
    assert "invoices:write" in others.post(charge, {}, format="json").json()["detail"]
    assert writer.post(charge, {}, format="json").status_code == 400


def test_lists_go_on_by_a_cursor_and_as_a_table(api: APIClient, issued: Issued) -> None:
    for _ in range(2):
        issued()
    first = api.get("/api/v1/invoices/", {"limit": 1}).json()
    rest = api.get(first["next"]).json()
    table = b"".join(api.get("/api/v1/invoices/", headers={"Accept": "text/csv"}).streaming_content)

    assert (len(first["results"]), len(rest["results"]), rest["next"]) == (1, 1, None)
    assert first["results"][0]["id"] != rest["results"][0]["id"]
    assert table.decode().count("2026-") >= 2
