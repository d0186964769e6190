"""What services say as a sentence, told in the reader's language.

Alerts and refused connections keep the sentence of their moment in English, with what it was about filled
in; refusals are raised so. Those that are known here are told in the chosen language; any other stays as it is.
"""

import re
from functools import cache

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

from portal.dashboard import reasons, refusals

PLAIN = (
    _("Reported lost."),
    _("It was used since."),
    _("It was changed since."),
    _("It was ended since."),
    _("Something was granted to it since."),
    _("The driver has other tokens."),
    _("Whose or in which group it was before is no more."),
    _("The connection is closed."),
    _("Too many messages wait for this station."),
    _("Priority charging is off."),
    _("Priority charging is on."),
    _("All parts arrived."),
    _("No answer was recorded. It may have been carried out."),
    _("The station is not connected."),
    _("It was not sent in time."),
    _("It sent no password."),
    _("It sent a password, but none has been issued for this station. Make a new one."),
    _("It sent an Authorization header that is not one of HTTP Basic."),
    _("It sent the 20 bytes instead of the 40 digits of the password; OCPP 2 takes the digits as text."),
    _("The user name it sent is not its identity; both must be the same."),
    _("It called without encryption, which its security profile needs. Change ws:// to wss://."),
    _("The station is switched off in its settings."),
    _("Too many connections a second from its address."),
    _("Too many refused tries in a minute; the next one counts when the minute is over."),
    _("The station needs a client certificate, and no proxy that checks certificates is set up here."),
    _("The station booted again."),
    _("The message arrived."),
    _("There is no such reservation at this station."),
    _("The car told what it needs."),
    _("To see what holds now."),
    _("The station says that the connector is unlocked."),
    _("The connection was lost before the answer. It may have been carried out."),
    _("It is of several payments whose amounts are not told or do not add up to it. Say whose it is."),
    _("The payer sent another amount, such as before charges. Confirm what it pays."),
    _("It names invoices of several payers. Confirm one, or name the payer."),
    _("The bank reversed a booking of money that went out. Confirm what it pays, or say what it is."),
    _("The bank reversed a booking of money that came in, but none like it is known. Say what it is."),
    _("It is a credit of direct debits, but of another amount than theirs. Say what it is."),
    _("What it is a credit of was credited already. Say what it is."),
    _("This direct debit came back already; such as a fee may be booked apart. Say what it is."),
    _("It is less than what was collected by this direct debit. Say what it is."),
    _("A part of this direct debit was refunded before it came back. Say what it is."),
    _("The bank reversed this booking. Say of both what they are."),
    _("There is nothing to announce any more."),
    _("The station is set to no authentication, which is switched off here (OCPP_ALLOW_UNAUTHENTICATED)."),
)
FILLED = (
    _("It is the credit of the debit file %(file)s."),
    _("The station cannot use the tariff told with a token, and shows its default tariff: %(reason)s"),
    _("Link %(number)s of the chain is missing; the next one is %(next)s."),
    _("Entry %(entry)s (link %(number)s) was deleted."),
    _("Entry %(entry)s (link %(number)s) is not what was linked: it, or a link before, was changed."),
    _("The link %(number)s noted earlier is not in the chain; its end was cut off or replaced."),
    _("Entry %(entry)s of %(moment)s was never linked: it was added out of order."),
    _("No answer within %(seconds)s s."),
    _("All parts arrived: %(count)s profiles."),
    _("It sent a password that is not the one issued; its length is %(length)s."),
    _(
        "It called itself “%(said)s”; the station here is “%(meant)s”. "
        "The identity is entered twice: use the base address."
    ),
    _(
        "It called itself “%(said)s”; the station here is “%(meant)s”. Remove the blank or slash around the identity."
    ),
    _("It called itself “%(said)s”; the station here is “%(meant)s”. Upper and lower case count."),
    _("It called itself “%(said)s”; no station has this identity."),
    _("It offered no sub-protocol; we speak %(spoken)s."),
    _("It offered %(offered)s; we speak %(spoken)s."),
    _("No connection since %(moment)s UTC."),
    _("Transaction %(reference)s began."),
    _("Transaction %(reference)s ended: %(cause)s."),
    _("EVSE %(evse)s reports %(status)s."),
    _("The station reports %(what)s."),
    _("Composite schedule of %(where)s read back: %(limit)s now."),
    _("EVSE %(evse)s is reserved already. Cancel that reservation first."),
    _("The reservation has ended already (%(state)s)."),
    _("Choose a time within the next %(days)s days."),
    _("The station has no EVSE %(evse)s; it has %(known)s."),
    _("All parts arrived: %(count)s variables."),
    _("The station tells version %(version)s of its list."),
    _("%(what)s reports a fault: %(cause)s."),
    _("%(what)s waits to be accepted."),
    _("Too many refused tries in a minute from %(address)s. Somebody may be guessing the password."),
    _(
        "Two devices use the password of this station, at %(one)s and %(other)s. "
        "Make a new password if one of them is not yours."
    ),
)
WORDS = (
    _("token"),
    _("driver"),
    _("right"),
    _("wrong"),
    _("no cause given"),
    _("no reason given"),
    _(" From 3 to 2 it can be confirmed, where the station allows it."),
)
GAP = re.compile(r"%\((\w+)\)s")


def told(sentence: str) -> str:
    """The sentence in the present language, where it is one of ours."""
    if not sentence or (get_language() or "en").startswith("en"):
        return sentence
    for template in (*FILLED, *refusals.FILLED, *reasons.FILLED):
        if match := _pattern(template).fullmatch(sentence):
            return gettext(template) % {name: _word(text) for name, text in match.groupdict().items()}
    known = sentence in PLAIN or sentence in refusals.PLAIN or sentence in reasons.PLAIN
    return gettext(sentence) if known else sentence


@cache
def _pattern(template: str) -> re.Pattern[str]:
    pieces = GAP.split(template)
    fixed = [re.escape(piece) if at % 2 == 0 else f"(?P<{piece}>.*?)" for at, piece in enumerate(pieces)]
    return re.compile("".join(fixed), re.DOTALL)


def _word(text: str) -> str:
    return gettext(text) if text in WORDS else text
