"""A webhook that was switched off needs a person (spec of the API, Webhooks): an alert of the organization."""

from typing import Any
from urllib.parse import urlsplit

from core import clock
from core.models import Webhook
from core.services import webhook_news
from stations.models import Alert
from stations.services import alerts

KIND = "webhook_disabled"


def listen() -> None:
    """From now on; once is enough."""
    webhook_news.switched_off.connect(_raise, dispatch_uid=f"{KIND}.raised")
    webhook_news.over.connect(_clear, dispatch_uid=f"{KIND}.cleared")


def _raise(sender: object, *, webhook: Webhook, failure: str, **_more: Any) -> None:
    name = webhook.name or urlsplit(webhook.url).hostname or ""  # the rest of an address may be secret
    alerts.raise_for_organization(
        KIND,
        organization_id=webhook.organization_id,
        severity=Alert.Severity.WARNING,
        detail=f"The webhook “{name[:200]}” failed for a day and was switched off: {failure}",
        at=clock.now(),
        subject=str(webhook.pk),
    )


def _clear(sender: object, *, webhook: Webhook, **_more: Any) -> None:
    alerts.clear_for_organization(
        KIND, organization_id=webhook.organization_id, at=clock.now(), subject=str(webhook.pk)
    )
