"""What is too long or too odd for a column must not undo what a person does."""

from datetime import UTC, datetime

import pytest

from core.access import Role
from core.errors import Invalid
from core.models import AuditEntry
from core.services import accounts, keys
from drivers.models import IdToken
from drivers.services import tokens
from stations.services import access
from tests import factories

LONG_ADDRESS = f"{'a' * 60}@{'.'.join(['b' * 60] * 3)}.org"


def test_a_token_is_blocked_whatever_the_length_of_the_reason(db: None) -> None:
    alice = factories.make_actor(factories.make_organization())
    token = factories.make_token(alice)

    tokens.block(token, reason="lost\x00 " + "x" * 600, by=alice)

    entry = AuditEntry.objects.get(action="token.blocked", object_id=token.pk)
    assert IdToken.objects.get(pk=token.pk).status == "blocked"
    assert entry.reason.startswith("lost x")
    assert len(entry.reason) == 500


def test_a_person_with_a_very_long_address_can_work(db: None) -> None:
    organization = factories.make_organization()
    member, _ = accounts.add_member(LONG_ADDRESS, organization, Role.ADMIN, by=factories.SYSTEM)
    actor = access.actor_of_member(member)

    key, _ = keys.create(organization, name="n" * 150, scopes=["*"], by=actor)

    assert len(AuditEntry.objects.get(action="api_key.created", object_id=key.pk).actor) == 200


@pytest.mark.parametrize("year", [1, 1999, 9999])
def test_nothing_expires_at_a_time_that_cannot_be_shown(db: None, year: int) -> None:
    organization = factories.make_organization()
    alice = factories.make_actor(organization)
    odd = datetime(year, 1, 1, tzinfo=UTC)

    with pytest.raises(Invalid):
        keys.create(organization, name="x", scopes=["*"], by=alice, expires_at=odd)
    with pytest.raises(Invalid):
        tokens.create(value=factories.unique("T"), by=alice, expires_at=odd)
