"""A tariff's life: draft, published and immutable, followed, withdrawn, retired (T-40, T-41)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, InternalError, connection
from django.db.transaction import atomic

from core import clock
from core.access import Actor, Role
from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.models import AuditEntry, Organization
from tariffs import documents, parsing, publishing
from tariffs.linter import Context
from tariffs.models import Tariff, TariffVersion
from tariffs.pointers import InvalidDocument
from tests import factories
from tests.tariffs.building import at, charging, component, document, element, payable, price

SIMPLE = document(element(component("ENERGY", "0.30", "19")))
DEARER = document(element(component("ENERGY", "0.45", "19")))
HOUR = timedelta(hours=1)


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization, Role.BILLING)


@pytest.fixture
def charlie(db: None) -> Actor:
    return factories.make_actor(factories.make_organization(), name="charlie")


def published(by: Actor, body: dict[str, Any] = SIMPLE, **options: Any) -> TariffVersion:
    return publishing.publish(publishing.create(body, by=by), by=by, **options)


def audited(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("id")


def test_t40_a_new_tariff_is_a_draft_that_keeps_every_digit(alice: Actor) -> None:
    draft = publishing.create(SIMPLE, by=alice)
    draft.refresh_from_db()

    assert (draft.state, draft.number, draft.currency) == ("draft", 1, "EUR")
    assert '"price":0.30,' in draft.document
    assert draft.content["elements"][0]["price_components"][0]["price"] == Decimal("0.30")
    assert audited("tariff.created").actor == alice.label


def test_t40_what_is_left_out_of_owner_and_id_is_made_up(alice: Actor) -> None:
    draft = publishing.create({"elements": [element(component("ENERGY", "0.30"))]}, by=alice)

    assert publishing.publish(draft, by=alice).state == "published"
    assert draft.content["currency"] == "EUR"
    assert draft.tariff.ocpi_id


def test_the_id_of_an_owner_is_taken_once_whatever_its_case(alice: Actor) -> None:
    publishing.create(SIMPLE, by=alice)
    with pytest.raises(Conflict):
        publishing.create({**SIMPLE, "id": "t1", "country_code": "nl"}, by=alice)
    other = publishing.create({**SIMPLE, "party_id": "ABC"}, by=alice)

    assert Tariff.objects.filter(ocpi_id__iexact="T1").count() == 2
    assert other.tariff.party_id == "ABC"


def test_t40_editing_a_published_tariff_opens_a_draft_and_leaves_it_as_it_is(alice: Actor) -> None:
    first = published(alice)
    draft = publishing.edit(first.tariff, DEARER, by=alice)
    again = publishing.edit(first.tariff, {**DEARER, "tariff_alt_url": "https://example.org"}, by=alice)
    first.refresh_from_db()

    assert (draft.number, draft.state, again.pk) == (2, "draft", draft.pk)
    assert first.content["elements"] == SIMPLE["elements"]
    assert audited("tariff.draft_opened").object_id == str(draft.pk)
    assert "0.45" in str(audited("tariff.draft_changed").changes)


def test_t40_a_published_version_cannot_be_changed_by_whatever_way(alice: Actor) -> None:
    first = published(alice)
    for change in (
        {"document": "{}"}, {"currency": "USD"}, {"number": 7}, {"state": "draft"},
        {"valid_from": first.valid_from - HOUR}, {"valid_to": clock.now() - HOUR},
    ):  # fmt: skip
        with pytest.raises((IntegrityError, InternalError)), atomic():
            TariffVersion.objects.filter(pk=first.pk).update(**change)
    with pytest.raises((IntegrityError, InternalError)), atomic():
        first.delete()
    fresh = TariffVersion.objects.get(pk=first.pk)

    assert (fresh.document, fresh.state, fresh.valid_to) == (first.document, "published", None)


def test_t40_publish_refuses_the_errors_of_the_linter_each_with_its_pointer(alice: Actor) -> None:
    wrong = document(element(component("ENERGY", "0.30"), min_kwh=5, max_kwh=5))
    draft = publishing.create(wrong, by=alice)
    with pytest.raises(InvalidDocument) as caught:
        publishing.publish(draft, by=alice)

    assert [one.pointer for one in caught.value.problems] == ["/elements/0/restrictions/max_kwh"]
    assert caught.value.problems[0].message.startswith("L02")
    assert TariffVersion.objects.get(pk=draft.pk).state == "draft"


def test_t50_where_it_is_used_decides_what_is_an_error(alice: Actor) -> None:
    with_fee = document(element(component("ENERGY", "0.30"), component("FLAT", "1.00")))
    draft = publishing.create(with_fee, by=alice)
    with pytest.raises(InvalidDocument, match="L04"):
        publishing.publish(draft, by=alice, context=Context(power_kw=Decimal(150)))

    assert publishing.publish(draft, by=alice).state == "published"


def test_t41_nothing_is_published_into_the_past(alice: Actor) -> None:
    draft = publishing.create(SIMPLE, by=alice)
    with pytest.raises(Invalid) as caught:
        publishing.publish(draft, by=alice, valid_from=clock.now() - HOUR)

    assert caught.value.field == "valid_from"
    assert TariffVersion.objects.get(pk=draft.pk).state == "draft"


def test_t41_the_next_version_ends_the_one_in_force_where_it_begins(alice: Actor) -> None:
    first = published(alice)
    start = clock.now() + HOUR
    second = publishing.publish(publishing.edit(first.tariff, DEARER, by=alice), by=alice, valid_from=start)
    first.refresh_from_db()

    assert (first.valid_to, second.valid_from, second.number) == (start, start, 2)
    assert list(TariffVersion.objects.in_force(clock.now())) == [first]
    assert list(TariffVersion.objects.in_force(start)) == [second]


def test_t41_versions_never_overlap_even_where_the_service_is_passed_by(alice: Actor) -> None:
    first = published(alice)
    now = clock.now()
    with pytest.raises(IntegrityError, match="tariff_versions_do_not_overlap"), atomic():
        TariffVersion.objects.create(
            tariff=first.tariff, number=9, state="published", document="{}", valid_from=now, published_at=now
        )


def test_t41_a_version_that_is_scheduled_is_not_passed_by_an_earlier_one(alice: Actor) -> None:
    first = published(alice)
    later = publishing.publish(
        publishing.edit(first.tariff, DEARER, by=alice), by=alice, valid_from=clock.now() + 2 * HOUR
    )
    draft = publishing.edit(first.tariff, SIMPLE, by=alice)
    with pytest.raises(Conflict):
        publishing.publish(draft, by=alice, valid_from=clock.now() + HOUR)
    publishing.withdraw(later, by=alice)
    first.refresh_from_db()

    assert (first.valid_to, TariffVersion.objects.get(pk=later.pk).state) == (None, "retired")
    assert publishing.publish(draft, by=alice, valid_from=clock.now() + HOUR).number == 3


def test_a_version_in_force_cannot_be_withdrawn(alice: Actor) -> None:
    first = published(alice)
    with pytest.raises(Conflict):
        publishing.withdraw(first, by=alice)


def test_t40_a_retired_tariff_holds_no_more_and_its_id_is_free(alice: Actor) -> None:
    first = published(alice)
    publishing.edit(first.tariff, DEARER, by=alice)
    publishing.retire(first.tariff, by=alice)
    first.refresh_from_db()
    tariff = Tariff.objects.get(pk=first.tariff_id)

    assert [one.state for one in tariff.versions.all()] == ["draft", "retired"]
    assert first.state == "retired"
    assert not TariffVersion.objects.in_force(clock.now()).exists()
    assert publishing.create(SIMPLE, by=alice).number == 1
    with pytest.raises(Conflict):
        publishing.edit(tariff, DEARER, by=alice)


def test_a_draft_that_was_never_published_can_be_thrown_away(alice: Actor) -> None:
    draft = publishing.create(SIMPLE, by=alice)
    publishing.discard(draft, by=alice)

    assert not Tariff.objects.filter(pk=draft.tariff_id).exists()
    assert audited("tariff.draft_discarded").actor == alice.label


def test_owner_and_id_stay_as_they_are(alice: Actor) -> None:
    draft = publishing.create(SIMPLE, by=alice)
    with pytest.raises(InvalidDocument) as caught:
        publishing.edit(draft.tariff, {**SIMPLE, "id": "T2"}, by=alice)

    assert caught.value.problems[0].pointer == "/id"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT, Role.TECHNICIAN])
def test_only_who_keeps_tariffs_may_write_them(organization: Organization, alice: Actor, role: Role) -> None:
    bob = factories.make_actor(organization, role, "bob")
    first = published(alice)
    for wish in (
        lambda: publishing.create(SIMPLE, by=bob),
        lambda: publishing.edit(first.tariff, DEARER, by=bob),
        lambda: publishing.retire(first.tariff, by=bob),
    ):
        with pytest.raises(NotPermitted):
            wish()


def test_a_stranger_finds_no_tariff(alice: Actor, charlie: Actor) -> None:
    first = published(alice)
    draft = publishing.edit(first.tariff, DEARER, by=alice)
    for wish in (
        lambda: publishing.edit(first.tariff, DEARER, by=charlie),
        lambda: publishing.publish(draft, by=charlie),
        lambda: publishing.discard(draft, by=charlie),
        lambda: publishing.withdraw(first, by=charlie),
        lambda: publishing.retire(first.tariff, by=charlie),
    ):
        with pytest.raises(NotFound):
            wish()
    assert not Tariff.objects.visible_to(charlie).exists()
    assert not TariffVersion.objects.visible_to(charlie).exists()


def test_the_table_is_the_applications_to_use(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_extension WHERE extname = 'btree_gist'")
        assert cursor.fetchone()[0] == 1


def test_t33_a_change_of_vat_is_a_new_version_from_its_date_and_the_old_one_keeps_its_rate(
    alice: Actor,
) -> None:
    old = published(alice)
    new_rate = document(element(component("ENERGY", "0.30", "20")))
    begins = clock.now() + 24 * HOUR
    new = publishing.publish(publishing.edit(old.tariff, new_rate, by=alice), by=alice, valid_from=begins)
    old.refresh_from_db()
    rates = [
        one.vat
        for version in (old, new)
        for _element, _place, one in parsing.parse_tariff(documents.loads(version.document)).components()
    ]

    assert rates == [Decimal(19), Decimal(20)]
    assert (old.number, new.number) == (1, 2)
    assert TariffVersion.objects.filter(tariff=old.tariff).count() == 2


def test_t33_without_a_rate_none_is_assumed(alice: Actor) -> None:
    """No rate of any country stands in the code: a component without one has no VAT."""
    version = published(alice, document(element(component("ENERGY", "0.30"))))
    session = charging(at("10:00"), 60, "10")
    cost = price(parsing.parse_tariff(documents.loads(version.document)), session)

    assert payable(cost) == ("3.00", "0.00", "3.00")
