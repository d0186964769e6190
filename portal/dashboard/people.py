"""Users & roles of the organization."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import ROLE_NAMES, Permission, Role
from core.errors import DomainError, Invalid
from core.models import Membership
from core.services import accounts
from portal.accounts import second_factors
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import MemberForm, refuse
from portal.dashboard.pages import address, page_by_name, render_page
from stations.services import access


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_USERS)
def listing(request: OperatorRequest) -> HttpResponse:
    form = MemberForm(request.POST or None, actor=request.actor)
    made = None
    if request.method == "POST" and form.is_valid():
        made = _added(request, form)
        form = form if form.errors else MemberForm(actor=request.actor)
    members = (
        Membership.objects.visible_to(request.actor)
        .select_related("user")
        .prefetch_related("site_limits__site")
    )
    factors = second_factors().filter(user_id=OuterRef("user_id"))
    shown = members.annotate(has_second_factor=Exists(factors))
    page = page_by_name(shown, request.GET.dict(), by="user__email")
    context = {
        "section": "users",
        "members": page.rows,
        "page": page,
        "form": form,
        "made": made,
        "roles": ROLE_NAMES.items(),
    }
    return render_page(request, "dashboard/people.html", context, status=422 if form.errors else 200)


@require_POST
@operator(Permission.ORG_USERS)
def change(request: OperatorRequest, pk: UUID) -> HttpResponse:
    membership = _find(request, pk)
    try:
        role = Role(request.POST.get("role", ""))
    except ValueError as error:
        raise Invalid(_("Choose a role."), field="role") from error
    accounts.change_role(membership, role, by=request.actor)
    messages.success(request, _("Saved."))
    return go(request, address(request, "users"))


@require_POST
@operator(Permission.ORG_USERS)
def remove(request: OperatorRequest, pk: UUID) -> HttpResponse:
    accounts.remove_member(_find(request, pk), by=request.actor)
    messages.success(request, _("The person has no access any more."))
    return go(request, address(request, "users"))


def _find(request: OperatorRequest, pk: UUID) -> Membership:
    return load(Membership.objects.visible_to(request.actor).select_related("user", "organization"), pk)


def _added(request: OperatorRequest, form: MemberForm) -> dict[str, str] | None:
    """The first password, where the account was made here: shown once."""
    values = form.cleaned_data
    sites = [str(site.pk) for site in values["sites"]]
    try:
        _, password = access.admit(
            values["email"], request.place.organization, Role(values["role"]), sites, by=request.actor
        )
    except DomainError as error:
        refuse(form, error)
        return None
    return {"email": values["email"], "password": password or ""}
