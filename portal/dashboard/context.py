"""What every page needs beside its own content: place, navigation, theme."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from portal.dashboard.entry import figures
from portal.dashboard.words import NAVIGATION

THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"


def page(request: HttpRequest) -> dict[str, Any]:
    """Theme for everybody; place and navigation for whoever is inside an organization."""
    context: dict[str, Any] = {"theme": theme(request), "debug_marks": settings.DEBUG}
    place = getattr(request, "place", None)
    if place is None:
        return context
    context.update(place=place, actor=request.actor, organization=place.organization)
    if not getattr(request, "htmx", False):
        place.counts = place.counts or figures(request.actor)
        context["navigation"] = [
            (group, allowed)
            for group, entries in NAVIGATION
            if (allowed := [entry for entry in entries if request.actor.can(entry.permission)])
        ]
    return context


def theme(request: HttpRequest) -> str:
    """The chosen theme: of the person, else of the cookie, else the system's."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    if chosen not in THEMES:
        chosen = getattr(getattr(request, "user", None), "theme", "") or "system"
    return chosen if chosen in THEMES else "system"
