"""Every address: a named permission, no change by GET, nothing for strangers (W-01, W-03, W-05)."""

import pytest
from django.apps import apps
from django.db.models import Model
from django.test import Client

from core.access import Permission, Role
from core.models import AuditEntry, Membership, Organization
from core.services.keys import PERMISSIONS_OF_SCOPE
from portal.api.permissions import HasPermission, IsKnown
from portal.urls import PUBLIC
from stations.services import access, sites
from tests import factories
from tests.portal.walking import Route, furnish, of_walk, patterns, routes

OBJECTS = [pattern for pattern, _ in patterns() if "<uuid:pk>" in pattern]
ACCOUNTS = "accounts/"
OWN = "me/"  # drivers' pages: what is the person's own
OF_ALL_SITES = {
    "drivers",
    "driver-groups",
    "token-groups",
    "tokens",
    "groups",
    "quirks",
    "data-transfer-rules",
    "firmware-images",
    "images",
}
TARIFFS = ("api/v1/tariffs/", "o/<slug:organization>/tariffs/")  # below a station they are its own


@pytest.fixture(scope="module")
def organization(for_all: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture(scope="module")
def alice(organization: Organization) -> Membership:
    return factories.make_member(organization)


@pytest.fixture(scope="module")
def furnished(organization: Organization, alice: Membership) -> dict[str, object]:
    return furnish(organization, alice, access.actor_of_member(alice))


@pytest.fixture
def things(furnished: dict[str, object], db: None) -> dict[str, object]:
    return furnished


def browser_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def with_key(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.mark.parametrize(("pattern", "url"), list(patterns()), ids=[pattern for pattern, _ in patterns()])
def test_w03_every_route_names_its_permission_or_is_on_the_list_of_public_ones(
    pattern: str, url: object
) -> None:
    view = url.callback  # type: ignore[attr-defined]
    if pattern.startswith("o/"):
        assert isinstance(view.permission, Permission)
    elif pattern.startswith("api/"):
        cls = view.view_class if hasattr(view, "view_class") else view.cls
        asked = view.initkwargs.get("permission_classes", cls.permission_classes)
        assert list(asked) == [IsKnown] or _names_its_scopes(cls), cls
    elif pattern.startswith(OWN):
        assert view.own is True
    elif not pattern.startswith(ACCOUNTS):
        assert url.name in PUBLIC  # type: ignore[attr-defined]


RESOURCES = {
    **{"firmware-images": "firmware", "firmware-rollouts": "firmware", "tools": "tariffs"},
    **{"bulk-commands": "commands", "scheduled-commands": "commands", "charging-policy": "tokens"},
    **{"bank-statements": "payments", "bank-lines": "payments", "debit-files": "payments"},
    "provider-movements": "payments",
    **{"home-agreements": "billing-accounts", "host-agreements": "billing-accounts"},
    **{"meter-keys": "organization", "quirks": "stations", "data-transfer-rules": "stations"},
}
OF_OTHERS = {
    "api/v1/invoices/<uuid:pk>/dunning/block-cards/": "tokens"
}  # its service asks for invoices as well


@pytest.mark.parametrize("pattern", [one for one, _ in patterns() if one.startswith("api/v1/")])
def test_a_scope_is_named_after_the_first_part_of_the_address(pattern: str) -> None:
    """Spec of the API, Ways in; below a station there are resources of their own."""
    first, *_ = pattern.removeprefix("api/v1/").split("/")
    [view] = [getattr(url.callback, "cls", None) for one, url in patterns() if one == pattern]
    named = {scope.partition(":")[0] for scope in getattr(view, "scopes", {}).values()}

    if not pattern.startswith("api/v1/stations/<uuid:pk>/"):
        assert named <= {OF_OTHERS.get(pattern, RESOURCES.get(first, first))}


def _names_its_scopes(cls: type) -> bool:
    served = {method for method in ("get", "post", "put", "patch", "delete") if hasattr(cls, method)}
    named = set(cls.scopes)  # type: ignore[attr-defined]
    reads = "get" not in served or named & {"read", "GET"}
    writes = not (served - {"get"}) or named - {"read", "GET"}
    known = set(cls.scopes.values()) <= set(PERMISSIONS_OF_SCOPE)  # type: ignore[attr-defined]
    return HasPermission in cls.permission_classes and known and bool(reads and writes)  # type: ignore[attr-defined]


def test_w03_nobody_gets_in_unknown(things: dict[str, object]) -> None:
    for route in routes(things):
        if route.is_api or route.is_dashboard or route.is_own:
            answer = Client().get(route.path)
            assert answer.status_code in (302, 401, 405), route
            if answer.status_code == 302:
                assert answer["Location"].startswith("/accounts/login/"), route


def counted() -> dict[str, int]:
    left_out = {
        "sessions.Session",
        "core.AuditEntry",
        "account.EmailAddress",
    }  # allauth's copy of a person's address
    kinds: list[type[Model]] = [one for one in apps.get_models() if one._meta.managed]
    return {one._meta.label: one.objects.count() for one in kinds if one._meta.label not in left_out}  # type: ignore[attr-defined]


def test_w05_no_get_changes_anything(
    organization: Organization, alice: Membership, things: dict[str, object]
) -> None:
    browser, program = browser_of(alice), with_key(factories.make_key(organization))
    station, session, key = of_walk(things)
    # That data left is written down, whoever fetches it.
    said = AuditEntry.objects.exclude(action__in=["list.exported", "log.read", "debit_file.fetched"])
    before, audited = counted(), said.count()
    for route in routes(things):
        if route.pattern.startswith(("o/", "api/", "c/", OWN, ACCOUNTS)) and "logout" not in route.pattern:
            (program if route.is_api else browser).get(f"{route.path}?check=1")
            (program if route.is_api else browser).head(f"{route.path}?check=1")
    fresh = of_walk(things)

    assert counted() == before
    assert said.count() == audited
    assert [vars_of(one) for one in fresh] == [vars_of(one) for one in (station, session, key)]


def vars_of(thing: Model) -> dict[str, object]:
    return {
        field.attname: getattr(thing, field.attname)
        for field in thing._meta.concrete_fields
        if field.name != "last_used_at"
    }


def test_w05_a_form_without_its_token_is_refused(alice: Membership, things: dict[str, object]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice.user)
    for route in routes(things):
        if route.is_dashboard or route.is_own:
            assert client.post(route.path).status_code in (403, 405), route
        elif route.is_api and "schema" not in route.pattern:
            assert client.post(route.path, "{}", content_type="application/json").status_code in (
                403,
                404,
                405,
            )


@pytest.mark.parametrize("pattern", OBJECTS)
def test_w01_an_object_of_another_organization_does_not_exist(
    things: dict[str, object], pattern: str
) -> None:
    charlie = factories.make_member(factories.make_organization(demo=True), name="charlie")
    browser, program = browser_of(charlie), with_key(factories.make_key(charlie.organization))
    own = {**things, "organization": charlie.organization.slug}

    _finds_nothing(
        _route(own, pattern), program if pattern.startswith("api/") else browser, things["identity"]
    )


@pytest.mark.parametrize(
    "pattern",
    [one for one in OBJECTS if not (OF_ALL_SITES & set(one.split("/")) or one.startswith(TARIFFS))],
)
@pytest.mark.parametrize("role", [Role.ADMIN, Role.TECHNICIAN])
def test_w01_an_object_of_another_site_does_not_exist(
    organization: Organization, alice: Membership, things: dict[str, object], pattern: str, role: Role
) -> None:
    actor = access.actor_of_member(alice)
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, role, "dan")
    access.limit_member(dan, ["Elsewhere"], by=actor)
    client = browser_of(dan)
    if pattern.startswith("api/"):
        client.defaults["HTTP_X_ORGANIZATION"] = organization.slug

    _finds_nothing(_route(things, pattern), client, things["identity"])


def _route(things: dict[str, object], pattern: str) -> Route:
    return next(route for route in routes(things) if route.pattern == pattern)


def _finds_nothing(route: Route, client: Client, identity: object) -> None:
    for method in ("get", "post", "patch", "put", "delete"):
        body = {} if method == "get" else {"data": "{}", "content_type": "application/json"}
        answer = getattr(client, method)(route.path, **body)
        allowed = (403, 404, 405) if route.name in NOT_THEIRS else (404, 405)
        assert answer.status_code in allowed, (method, route, answer.content[:300])
        assert str(identity).encode() not in answer.content


NOT_THEIRS = {  # needs what they may not do anywhere
    "user",
    "user_remove",
    "key_revoke",
    "key_rotate",
    "invoice",
    "invoice_issue",
    "invoice_discard",
    "invoice_credit",
    "invoice_dunning",
    "invoice_dunning_hold",
    "invoice_dunning_release",
    "invoice_dunning_again",
    "invoice_block_cards",
    "account_dunning",
    "account_dunning_hold",
    "account_dunning_release",
    "invoice_pdf",
    "invoice_xml",
    "record",
    "record_payer",
    "record_credit",
    "meter_key",
    "meter_key_retire",
    "retention_lift",
    "signing_policy",
    "invoice_payments",
    "invoice_run",
    "billing_account",
    "billing_exception",
    "billing_exception_resolve",
    "billing_exception_merge",
    "billing_run",
    "billing_run_preview",
    "billing_run_issue",
    "cdr",
    "cdr_credit",
    "cdr_payer",
    "invoice_charge",
    "invoice_announce_debit",
    "invoice_pay_out",
    "invoice_give_up",
    "home_agreement",
    "home_agreement_end",
    "host_agreement",
    "host_agreement_end",
    "payment_method",
    "bank_line",
    "bank_line_decide",
    "provider_movement",
    "provider_movement_explain",
    "provider_account_explain",
    "debit_file",
    "debit_file_content",
    "debit_file_collected",
    "debit_file_discard",
    "debit_file_download",
    "debit_file_decide",
    "debit_announce",
    "mandate",
    "payment",
    "payment_payer",
    "payment_settle",
    "payment_allocate",
    "payment_retry",
    "bank_decide",
    "bank_payer",
    "account",
    "account_mandate",
    "account_mandate_stop",
    "account_wallet",
    "account_limit",
    "payment_refund",
    "payment_return",
    "wallet",
    "wallet_entries",
    "invoice_exception_decide",
    "invoice_exception_merge",
    "station_password",
    "station_sign",
    "station_refuse",
    "customer",
    "customer_forget",
    "network_profile",
    "session_decide",
    "session_price_decide",
    "reservation_cost_decide",
    "site_tariff",
    "station_tariff",
    "transaction_repair",
    "webhook",
    "webhook_pause",
    "webhook_resume",
    "webhook_delete",
    "webhook_test",
    "webhook_rotate",
    "webhook_deliveries",
    "webhook_delivery",
    "webhook_redeliver",
}
