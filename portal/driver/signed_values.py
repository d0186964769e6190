"""Signed meter values of a driver's own session: the file for independent software (billing B-64)."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from billing.services import signed_values
from core.errors import NotFound
from portal.downloads import whole
from portal.driver.entry import DriverRequest, load, own
from portal.driver.sessions import own_sessions
from stations.models import Transaction


@require_safe
@own
def download(request: DriverRequest, pk: UUID) -> HttpResponse:
    """The common XML container, each record as the station sent it."""
    session: Transaction = load(own_sessions(request), pk)
    if not session.signed_data.exists():
        raise NotFound("There is no such object here.")
    text = signed_values.container(session)
    return whole(text, content_type="application/xml", filename=f"signed-values-{session.pk}.xml")
