"""What asks for the password or passkey again, unless it was given a moment ago."""

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from portal.accounts import recently_proven
from portal.dashboard.entry import OperatorRequest, go


def confirmed_first(request: OperatorRequest, back: str) -> HttpResponse | None:
    """The way to prove who one is; ``None`` where that was done lately."""
    if recently_proven(request):
        return None
    messages.warning(request, _("Confirm that it is you, then press the button again."))
    return go(request, f"{reverse('account_reauthenticate')}?{urlencode({'next': back})}")
