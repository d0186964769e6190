"""What stands beside the dashboard and the API: the way to one's place, metrics, error pages."""

import hmac
from datetime import timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from core import clock
from drivers.models import Driver
from portal import accounts, figures

STATEMENT_HOLDS = timedelta(days=180)  # of security.txt; RFC 9116 wants less than a year


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """To the person's organization, a driver to the own sessions; platform staff without one to the admin pages."""
    if not request.user.is_authenticated:
        return redirect("account_login")
    membership = accounts.memberships_of(request.user.pk).order_by("created_at").first()
    if membership is not None:
        return redirect("dashboard:overview", membership.organization.slug)
    if Driver.objects.live().filter(user_id=request.user.pk).exists():
        return redirect("driver:home")
    if request.user.is_staff:
        return redirect("admin:index")
    return render(request, "dashboard/homeless.html", status=403)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' figures of all processes behind the port; 404 while no token is set, 401 without the right one."""
    if not settings.METRICS_TOKEN:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode()):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(figures.text(), content_type=figures.CONTENT_TYPE)


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Whom to tell of a hole (RFC 9116)."""
    expires = (clock.now() + STATEMENT_HOLDS).replace(microsecond=0).isoformat()
    lines = [
        f"Contact: {settings.PUBLIC_URL}/accounts/login/",
        f"Expires: {expires}",
        "Preferred-Languages: en, de",
        f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt",
    ]
    text = "".join(f"{line}\n" for line in lines)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "400.html", status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Renders without context processors: the database may be what broke."""
    return render(None, "500.html", {"request_id": getattr(request, "request_id", "")}, status=500)
