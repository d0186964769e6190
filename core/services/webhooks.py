"""Webhooks as people and programs keep them (security.md W-26); ``deliveries`` sends.

Who makes one decides what leaves the organization: it takes the permission for programs' access at all
sites, and every type of event that is sent has to be readable by who asks for it.
"""

import base64
import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from core import audit, clock, egress, keys
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotPermitted
from core.models import Delivery, Event, Webhook
from core.models.webhooks import LEASE
from core.services import outbox, webhook_news

EDITABLE = frozenset({"name", "url", "types", "limits"})
MOST = 20
OVERLAP = timedelta(hours=24)
SEALED_FOR = "webhook"
SECRET_BYTES = 32


def create(values: Mapping[str, Any], *, by: Actor) -> tuple[Webhook, str]:
    """A new webhook and its secret, shown once. Raises :class:`Invalid` naming the field, :class:`Conflict`."""
    by.require_everywhere(Permission.ORG_API)
    webhook = Webhook(organization_id=by.home, created_by=by.label[:200])
    _assign(webhook, {"types": [], **values}, by)
    if Webhook.objects.live().filter(organization_id=by.home).count() >= MOST:
        raise Conflict(f"There are {MOST} webhooks already. Delete one first.")
    secret = _new_secret()
    webhook.sealed_secret = keys.seal(secret, purpose=SEALED_FOR)
    with atomic():
        webhook.save(force_insert=True)
        audit.record("webhook.created", webhook, by=by, changes={"url": [None, webhook.url]})
    return webhook, secret


def update(webhook: Webhook, values: Mapping[str, Any], *, by: Actor) -> Webhook:
    """Change what may be changed (``EDITABLE``). Raises as :func:`create` does."""
    _require_to_read(webhook, by)
    changes = audit.difference(webhook, values)
    _assign(webhook, values, by)
    with atomic():
        webhook.save(update_fields=list(values))
        audit.record("webhook.changed", webhook, by=by, changes=changes)
    return webhook


def pause(webhook: Webhook, *, by: Actor) -> Webhook:
    """Send nothing for now; what happens meanwhile waits. Raises :class:`Conflict` where it is switched off."""
    _require(webhook, by)
    if webhook.state == Webhook.State.DISABLED:
        raise Conflict("The webhook is switched off already, after failing for a day.")
    return _become(webhook, Webhook.State.PAUSED, "webhook.paused", by)


def resume(webhook: Webhook, *, by: Actor) -> Webhook:
    """Send again, what waits first and at once, however far ahead its next try was."""
    _require_to_read(webhook, by)
    webhook.disabled_at = webhook.failing_since = webhook.blocked_until = None
    with atomic():
        Delivery.objects.filter(_delayed(), webhook=webhook).update(next_try_at=clock.now())
        return _become(webhook, Webhook.State.ACTIVE, "webhook.resumed", by)


def become(webhook: Webhook, state: str, *, by: Actor) -> Webhook:
    """Pause or resume; a state that it has already is left. Raises :class:`Invalid` for ``disabled``."""
    if state == webhook.state:
        return webhook
    if state == Webhook.State.DISABLED:
        raise Invalid("Only failing for a day switches a webhook off. Pause it instead.", field="state")
    return (pause if state == Webhook.State.PAUSED else resume)(webhook, by=by)


def rotate(webhook: Webhook, *, by: Actor) -> str:
    """A new secret, shown once. For a day both sign, so that the receiver can change without a gap."""
    _require_to_read(webhook, by)
    secret = _new_secret()
    webhook.sealed_previous = webhook.sealed_secret
    webhook.previous_until = clock.now() + OVERLAP
    webhook.sealed_secret = keys.seal(secret, purpose=SEALED_FOR)
    with atomic():
        webhook.save(update_fields=["sealed_secret", "sealed_previous", "previous_until"])
        audit.record("webhook.secret_rotated", webhook, by=by)
    return secret


def retire(webhook: Webhook, *, by: Actor) -> None:
    """End the webhook: nothing is sent any more, also nothing of what waits."""
    _require(webhook, by)
    webhook.retired_at = clock.now()
    webhook.sealed_secret = webhook.sealed_previous = ""
    with atomic():
        webhook.save(update_fields=["retired_at", "sealed_secret", "sealed_previous"])
        audit.record("webhook.deleted", webhook, by=by)
        webhook_news.over.send(Webhook, webhook=webhook)


def test(webhook: Webhook, *, by: Actor) -> Delivery:
    """Send a ``webhook.test`` event to this webhook alone, even while it is paused; its delivery."""
    _require_to_read(webhook, by)
    data = {"webhook": str(webhook.pk), "by": by.label}
    with atomic():
        outbox.record(outbox.TEST, organization_id=webhook.organization_id, object_id=webhook.pk, data=data)
        audit.record("webhook.tested", webhook, by=by)
    outbox.relay(patiently=True)
    newest = Event.objects.filter(
        organization_id=webhook.organization_id, type=outbox.TEST, object_id=webhook.pk
    )
    return Delivery.objects.select_related("event").get(webhook=webhook, event=newest.latest("id"))


def redeliver(delivery: Delivery, *, by: Actor) -> Delivery:
    """Send it again, under the same event id, or now what waits for a later try.

    Raises :class:`Conflict` while it is being tried or nothing is sent.
    """
    webhook = delivery.webhook
    _require_to_read(webhook, by)
    if webhook.state != Webhook.State.ACTIVE:
        raise Conflict("The webhook sends nothing now. Resume it first.")
    over = Delivery.objects.filter(~Q(status=Delivery.Status.PENDING) | _delayed(), pk=delivery.pk)
    with atomic():
        if not over.update(
            status=Delivery.Status.PENDING, next_try_at=clock.now(), tries_before=delivery.tries
        ):
            raise Conflict("Its next try comes within a minute already.")
        audit.record("webhook.redelivered", webhook, by=by, changes={"event": [None, str(delivery.event_id)]})
    delivery.refresh_from_db()
    return delivery


def secrets_of(webhook: Webhook) -> list[str]:
    """The secrets that sign now, the newest first: two while one replaces the other."""
    sealed = [webhook.sealed_secret]
    if webhook.sealed_previous and webhook.previous_until and webhook.previous_until > clock.now():
        sealed.append(webhook.sealed_previous)
    return [keys.unseal(one, purpose=SEALED_FOR) for one in sealed]


def schemes_of(url: str) -> frozenset[str]:
    """https, and http where ``EGRESS_ALLOW`` names the target itself."""
    return frozenset(egress.PORTS) if egress.is_listed(url) else egress.HTTPS_ONLY


def deliveries_of(webhook: Webhook, *, by: Actor) -> QuerySet[Delivery]:
    """Its deliveries of events that the actor may read, with these."""
    rows = Delivery.objects.filter(webhook=webhook).select_related("event")
    readable = outbox.types_for(by)
    return rows if len(readable) == len(outbox.SCOPE_OF) else rows.filter(event__type__in=readable)


def _delayed() -> Q:
    """What nobody tries just now, and nobody would soon."""
    return Q(status=Delivery.Status.PENDING, next_try_at__gt=clock.now() + LEASE)


def _require(webhook: Webhook, by: Actor) -> None:
    by.require_everywhere(Permission.ORG_API)
    by.require(Permission.ORG_API, webhook)


def _require_to_read(webhook: Webhook, by: Actor) -> None:
    """Who decides where its events go, or who can sign them, has to be one who may read them."""
    _require(webhook, by)
    readable = outbox.types_for(by)
    for kind in webhook.types or sorted(outbox.SCOPE_OF):
        if kind not in readable:
            raise NotPermitted(
                f"The webhook sends events “{kind}”, which need the scope “{outbox.SCOPE_OF[kind]}”."
            )


def _become(webhook: Webhook, state: Webhook.State, action: str, by: Actor) -> Webhook:
    before, webhook.state = webhook.state, state
    if before == state:
        return webhook
    with atomic():
        webhook.save(update_fields=["state", "disabled_at", "failing_since", "blocked_until"])
        audit.record(action, webhook, by=by, changes={"state": [before, state.value]})
        webhook_news.over.send(Webhook, webhook=webhook)
    return webhook


def _assign(webhook: Webhook, values: Mapping[str, Any], by: Actor) -> None:
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(webhook, name, value)
    if "types" in values:
        webhook.types = _checked_types(values["types"], by)
    if "url" in values:
        _check_url(webhook.url)


def _checked_types(types: Iterable[str], by: Actor) -> list[str]:
    wanted, allowed = sorted(set(types)), outbox.types_for(by)
    for kind in wanted or sorted(outbox.SCOPE_OF):
        if kind not in outbox.SCOPE_OF:
            known = ", ".join(sorted(outbox.SCOPE_OF))
            raise Invalid(f"There is no event “{kind}”. Known are: {known}.", field="types")
        if kind not in allowed:
            raise Invalid(
                f"Events “{kind}” need the scope “{outbox.SCOPE_OF[kind]}”. Name others.", field="types"
            )
    return wanted


def _check_url(url: str) -> None:
    """What can be told of the address now; it is looked at again at every try."""
    try:
        egress.check(url, schemes=schemes_of(url))
    except egress.EgressRefused as refusal:
        raise Invalid(str(refusal), field="url") from refusal
    except egress.EgressFailed:
        return  # the name is not known yet; tries will tell


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
