"""What a person chooses for themselves: theme and language."""

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from core.access import Permission
from portal.dashboard.context import THEME_COOKIE, THEMES
from portal.dashboard.entry import OperatorRequest, operator
from portal.dashboard.pages import address

YEAR = 365 * 24 * 3600
COOKIE = {"max_age": YEAR, "samesite": "Lax", "secure": settings.HTTPS}


@require_POST
@operator(Permission.STATIONS_VIEW)
def preferences(request: OperatorRequest) -> HttpResponse:
    target = request.POST.get("next", "")
    if not target.startswith("/") or not url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}
    ):
        target = address(request, "overview")
    response = HttpResponseRedirect(target)
    theme, language = request.POST.get("theme", ""), request.POST.get("language", "")
    if theme in THEMES:
        request.user.theme = theme
        response.set_cookie(THEME_COOKIE, theme, **COOKIE)
    if language in dict(settings.LANGUAGES):
        request.user.language = language
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, language, **COOKIE)
    request.user.save(update_fields=["theme", "language"])
    return response
