"""The keys of an organization's provider: sealed, never shown, and tried by a harmless question (B-36, K-05)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django.db.transaction import atomic

from billing.models import ProviderKind, ProviderSettings
from billing.providers.base import PaymentProvider, ProviderRefused, ProviderUnclear, WrongKeys
from billing.providers.stripe import Stripe
from core import audit, clock, keys
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, Passing
from core.models import Organization

PURPOSE = "payment provider"
MAKERS: Mapping[str, Callable[[str, str], PaymentProvider]] = {ProviderKind.STRIPE.value: Stripe}


@atomic
def save(
    organization: Organization, *, key: str, webhook_secret: str, hold_amount: Decimal, by: Actor
) -> ProviderSettings:
    """Keep the keys; an empty one stays as it is. Raises :class:`Invalid` for what cannot be one."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    row = ProviderSettings.objects.select_for_update().filter(pk=organization.pk).first()
    known = row or ProviderSettings(organization=organization)
    for field, name, value in (
        ("key", "sealed_key", key.strip()),
        ("webhook_secret", "sealed_webhook_secret", webhook_secret.strip()),
    ):
        if value and (len(value) > 300 or not value.isascii() or not value.isprintable()):
            raise Invalid("This does not look like a key.", field=field)
        if value:
            setattr(known, name, keys.seal(value, purpose=PURPOSE))
        elif not getattr(known, name):
            raise Invalid("Both keys are needed.", field=field)
    if not Decimal(0) < hold_amount < Decimal(10_000):
        raise Invalid("A hold is above nothing and within reason.", field="hold_amount")
    known.hold_amount = hold_amount
    known.changed_at, known.changed_by = clock.now(), by.label[:200]
    known.save()
    audit.record("payment_provider.changed", known, by=by, changes={"keys": [audit.HIDDEN, audit.HIDDEN]})
    return known


@atomic
def forget(organization: Organization, *, by: Actor) -> None:
    """Take cards no more. Invoices and bank transfers go on."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    row = ProviderSettings.objects.filter(pk=organization.pk).first()
    if row is not None:
        audit.record("payment_provider.removed", row, by=by)
        row.delete()


def of(organization_id: UUID) -> PaymentProvider:
    """Raises :class:`Conflict` where none is set up or its keys cannot be opened."""
    row = ProviderSettings.objects.filter(pk=organization_id).first()
    if row is None:
        raise Conflict("No payment provider is set up here.")
    try:
        key = keys.unseal(row.sealed_key, purpose=PURPOSE)
        secret = keys.unseal(row.sealed_webhook_secret, purpose=PURPOSE)
    except (InvalidTag, LookupError, ValueError):
        raise Conflict("The keys of the payment provider cannot be read. Enter them again.") from None
    return MAKERS[row.kind](key, secret)


def test(organization: Organization, *, by: Actor) -> str:
    """What the provider answers to a harmless question. Raises :class:`Conflict` with its reason."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    try:
        return of(organization.pk).test()
    except (ProviderRefused, WrongKeys) as error:
        raise Conflict(f"The provider refuses: {error}") from error
    except ProviderUnclear as error:
        raise Passing("The provider did not answer. Try it again.", retry_after_s=10) from error
