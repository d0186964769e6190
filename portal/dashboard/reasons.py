"""Why a token was accepted or refused, as sentences that pages tell in the reader's language (`sentences.told`)."""

from django.utils.translation import gettext_noop as _

PLAIN = (
    _("The station asks for no authorization."),
    _("This token is not known here."),
    _("The token is blocked."),
    _("The token is expired."),
    _("The token is invalid."),
    _("The driver of the token is blocked."),
    _("The token is already charging elsewhere."),
    _("The token is known and valid."),
    _("The station is not accepted yet."),
    _("Everybody may charge here."),
    _("No price is set here for charging without a contract."),
    _("The token may charge at other sites only."),
    _("The driver of the token may charge at other sites only."),
    _("The group of the token may charge at other sites only."),
    _("The driver's group may charge at other sites only."),
)
FILLED = (
    _("The budget of the %(whose)s is used up: %(budget)s a day."),
    _("The budget of the %(whose)s is used up: %(budget)s a month."),
    _("The budget of the %(whose)s is reached: %(budget)s a session."),
    _("The budget of the %(whose)s is reached: %(budget)s a day."),
    _("The budget of the %(whose)s is reached: %(budget)s a month."),
    _("The token is blocked until %(moment)s UTC."),
    _("The driver of the token is blocked until %(moment)s UTC."),
    _("The token is valid from %(moment)s UTC on."),
    _("The token expired on %(moment)s UTC."),
    _("The token is longer than %(most)s characters."),
    _("The contract certificate was not accepted (%(why)s)."),
)
