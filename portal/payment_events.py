"""The door for payment providers: a signed body, kept once, answered at once (billing B-41)."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.providers.base import WrongSignature
from billing.services.payments import events
from core.errors import Conflict
from core.models import Organization

LARGEST = 256 * 1024


@csrf_exempt
@require_POST
def stripe(request: HttpRequest, organization: str) -> HttpResponse:
    """200 for what is ours, also for the tenth time; 400 for what is not signed by Stripe within five minutes."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST:
        return HttpResponse("too large", status=413, content_type="text/plain")
    known = Organization.objects.filter(slug=organization).first()
    if known is None:
        raise Http404
    try:
        events.receive(known, request.body, request.headers)
    except WrongSignature:
        return HttpResponse("not signed by Stripe, or too old", status=400, content_type="text/plain")
    except Conflict:
        raise Http404 from None
    return HttpResponse("kept", content_type="text/plain")
