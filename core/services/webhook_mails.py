"""Mails about webhooks, to who administers the organization: nobody may look at a page for days."""

from django.conf import settings
from django.utils.translation import gettext, gettext_noop, override

from core.access import Role
from core.ids import uuid7
from core.models import Membership, Webhook
from core.services import mails

KIND = "webhook_disabled"
SUBJECT = gettext_noop("%(organization)s: a webhook was switched off")
TEXT = gettext_noop(
    "The address of the webhook “%(name)s” has failed for a day, at last like this:\n\n%(failure)s\n\n"
    "Nothing is sent to it any more; the events wait. Mend the address, then switch the webhook on again under "
    "Webhooks at %(portal)s\n"
)


def tell_disabled(webhook: Webhook, failure: str) -> None:
    """In the transaction that switches it off: one mail to each administrator, in their language."""
    admins = Membership.objects.filter(organization=webhook.organization_id, role=Role.ADMIN.value)
    for member in admins.select_related("user", "organization").order_by("pk"):
        words = {
            "organization": member.organization.name,
            "name": webhook.name or webhook.url,
            "failure": failure,
            "portal": settings.PUBLIC_URL,
        }
        with override(member.user.language or settings.LANGUAGE_CODE):
            subject, text = gettext(SUBJECT) % words, gettext(TEXT) % words
        mails.write(
            KIND,
            organization_id=webhook.organization_id,
            about=uuid7(),
            to=member.user.email,
            subject=subject,
            text=text,
        )
