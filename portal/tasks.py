"""Celery's names for what the portal itself keeps tidy."""

from celery import shared_task
from django.core.management import call_command

from core.services import access_tokens, audit_chain, deliveries, mails, outbox
from core.turns import TURN_S
from portal.api import idempotency


@shared_task
def forget() -> None:
    """Drop idempotent answers older than a day, access tokens and browser sessions that ended, and old mails."""
    idempotency.forget_old()
    mails.forget()
    access_tokens.forget()
    call_command("clearsessions")


@shared_task
def seal_audit() -> None:
    """Link new entries of the audit to its chain."""
    audit_chain.extend()


@shared_task
def check_audit() -> None:
    """Walk the audit's chain once a day."""
    audit_chain.check_when_due()


@shared_task
def send_webhooks() -> None:
    """Give new events their places and send what is due to webhooks."""
    deliveries.run()


@shared_task
def forget_events() -> None:
    """Drop events, and with them deliveries, that are older than they are kept."""
    outbox.forget()


@shared_task
def send_mails() -> None:
    """Send the mails that wait."""
    mails.send_due(TURN_S)
