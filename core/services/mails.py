"""Mails: written down with their cause, sent by a job, tried again while the mail server is away (M-05, F-25).

A mail may arrive twice where the process dies between sending and writing that down, so only what does no harm
twice goes this way (invoices have their own, `billing.services.delivering`).
"""

import json
import logging
import math
from collections.abc import Mapping
from datetime import timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.transaction import atomic

from core import clock, keys, turns
from core.models import Mail, MailState

logger = logging.getLogger(__name__)

SEALED_FOR = "mail"
TRIES = 10
AGAIN = timedelta(minutes=1)
LEASE = timedelta(minutes=5)
KEPT_FOR = timedelta(days=90)
UNREADABLE = "The key that sealed this mail is gone."


def write(kind: str, *, organization_id: UUID, about: UUID, to: str, subject: str, text: str) -> Mail:
    """Keep a mail to be sent, in the transaction of its cause. Once for each kind and ``about``."""
    content = {"to": to, "subject": " ".join(subject.split()), "text": text}
    sealed = keys.seal(json.dumps(content), purpose=SEALED_FOR)
    mail, _ = Mail.objects.get_or_create(
        kind=kind, about=about, defaults={"organization_id": organization_id, "sealed": sealed}
    )
    return mail


def take_back(kind: str, about: UUID) -> None:
    """Send it no more, where it has not left yet."""
    Mail.objects.filter(kind=kind, about=about, state=MailState.WAITING).delete()


def send_due(turn_s: float = math.inf) -> int:
    """Send what waits; how many were tried. Safe to run twice at once."""
    return turns.repeat(_send_next, turn_s)


def forget() -> int:
    """Drop rows of mails that left, or were given up, long ago; how many."""
    done = Mail.objects.exclude(state=MailState.WAITING)
    return done.filter(created_at__lt=clock.now() - KEPT_FOR).delete()[0]


def cause(why: Exception) -> str:
    """What is kept of a mail that failed: its kind and the server's codes, for its words may name the address."""
    codes: set[int] = set()
    if isinstance(why, SMTPRecipientsRefused):
        codes = {code for code, _words in why.recipients.values()}
    elif isinstance(why, SMTPResponseException):
        codes = {why.smtp_code}
    return " ".join([type(why).__name__, *map(str, sorted(codes))])


def _send_next() -> bool:
    with atomic():
        due = Mail.objects.filter(state=MailState.WAITING, next_try_at__lte=clock.now())
        mail = due.select_for_update(skip_locked=True).order_by("next_try_at", "id").first()
        if mail is None:
            return False
        mail.tries, mail.next_try_at = mail.tries + 1, clock.now() + LEASE
        mail.save(update_fields=["tries", "next_try_at"])
    try:
        _message(mail, json.loads(keys.unseal(mail.sealed, purpose=SEALED_FOR))).send()
    except (InvalidTag, KeyError):
        _settle(mail, MailState.FAILED, UNREADABLE)
    except (OSError, SMTPException, ValueError) as why:
        logger.warning("mail.failed", extra={"kind": mail.kind, "why": type(why).__name__})
        _settle(mail, MailState.WAITING if mail.tries < TRIES else MailState.FAILED, cause(why))
    else:
        _settle(mail, MailState.SENT)
    return True


def _settle(mail: Mail, state: MailState, reason: str = "") -> None:
    """Unless somebody else took it over meanwhile."""
    ours = Mail.objects.filter(pk=mail.pk, tries=mail.tries, state=MailState.WAITING)
    now = clock.now()
    if state == MailState.WAITING:
        later = now + AGAIN * 2 ** min(mail.tries, 8)
        ours.update(reason=reason[:300], next_try_at=later)
        return
    ours.update(state=state, sealed="", reason=reason[:300], sent_at=now if state == MailState.SENT else None)


def _message(mail: Mail, content: Mapping[str, str]) -> EmailMessage:
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">") or "localhost"
    return EmailMessage(
        content["subject"],
        content["text"],
        settings.DEFAULT_FROM_EMAIL,
        [content["to"]],
        headers={"Message-ID": f"<{mail.pk}@{host}>", "Auto-Submitted": "auto-generated"},
    )
