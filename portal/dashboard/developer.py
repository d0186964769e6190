"""API keys: the secret is shown in the answer to the form and nowhere again."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from core.errors import DomainError
from core.models import ApiKey
from core.services import keys as services
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import KeyForm, refuse
from portal.dashboard.pages import address, render_page


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_API)
def keys(request: OperatorRequest) -> HttpResponse:
    form = KeyForm(request.POST or None)
    secret = ""
    if request.method == "POST" and form.is_valid():
        secret = _created(request, form)
        form = form if form.errors else KeyForm()
    rows = ApiKey.objects.visible_to(request.actor).order_by("revoked_at", "-id")[:200]
    context = {"section": "developer", "rows": rows, "form": form, "secret": secret}
    return render_page(request, "dashboard/developer.html", context, status=422 if form.errors else 200)


@require_POST
@operator(Permission.ORG_API)
def revoke(request: OperatorRequest, pk: UUID) -> HttpResponse:
    services.revoke(load(ApiKey.objects.visible_to(request.actor), pk), by=request.actor)
    messages.success(request, _("The key is refused from now on."))
    return go(request, address(request, "developer"))


def _created(request: OperatorRequest, form: KeyForm) -> str:
    values = form.cleaned_data
    try:
        return services.create(
            request.place.organization,
            name=values["name"],
            scopes=values["scopes"],
            expires_at=values["expires_at"],
            by=request.actor,
        )[1]
    except DomainError as error:
        refuse(form, error)
        return ""
