"""Webhooks and what became of their deliveries; a secret is shown in the answer that made it and nowhere again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from core import clock
from core.access import Permission
from core.errors import DomainError
from core.models import Delivery, Webhook
from core.services import deliveries as sending
from core.services import outbox
from core.services import webhooks as services
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, page_by_id, render_page
from stations.models import Site

RATED = timedelta(days=7)


class WebhookForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, required=False)
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=2000,
        help_text=gettext_lazy("https at a public address, such as https://hooks.example.org/charging"),
    )
    types = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(kind, kind) for kind in sorted(outbox.SCOPE_OF) if kind != outbox.TEST],
        help_text=gettext_lazy("None chosen: all"),
    )
    limits = forms.MultipleChoiceField(
        label=gettext_lazy("Sites"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen: all"),
    )

    def __init__(self, request: OperatorRequest, webhook: Webhook | None = None) -> None:
        super().__init__(request.POST or None, initial=_shown(webhook) if webhook else None)
        sites = Site.objects.live().visible_to(request.actor).order_by("name")
        self.fields["limits"].choices = [(str(site.pk), site.name) for site in sites]

    def clean_limits(self) -> list[UUID]:
        return [UUID(text) for text in self.cleaned_data["limits"]]


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_API)
def listing(request: OperatorRequest) -> HttpResponse:
    form = WebhookForm(request)
    if request.method == "POST" and form.is_valid():
        try:
            webhook, secret = services.create(form.cleaned_data, by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            return _page(request, webhook, secret=secret)
    rates = sending.rates(request.actor.home, clock.now() - RATED)
    page = page_by_id(Webhook.objects.live().visible_to(request.actor), request.GET.dict())
    context = {
        "section": "webhooks",
        "rows": [(webhook, *_rate(rates.get(webhook.pk))) for webhook in page.rows],
        "page": page,
        "form": form,
    }
    return render_page(request, "dashboard/webhooks/list.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_API)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    webhook = _webhook(request, pk)
    if request.method != "POST":
        return _page(request, webhook)
    form = WebhookForm(request, webhook)
    if form.is_valid():
        try:
            services.update(webhook, form.cleaned_data, by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("The webhook was changed."))
            return _back(request, webhook)
    return _page(request, _webhook(request, pk), form=form)


@require_POST
@operator(Permission.ORG_API)
def pause(request: OperatorRequest, pk: UUID) -> HttpResponse:
    webhook = services.pause(_webhook(request, pk), by=request.actor)
    messages.success(request, _("Nothing is sent for now; what happens waits."))
    return _back(request, webhook)


@require_POST
@operator(Permission.ORG_API)
def resume(request: OperatorRequest, pk: UUID) -> HttpResponse:
    webhook = services.resume(_webhook(request, pk), by=request.actor)
    messages.success(request, _("Events are sent again, those that waited first."))
    return _back(request, webhook)


@require_POST
@operator(Permission.ORG_API)
def test(request: OperatorRequest, pk: UUID) -> HttpResponse:
    webhook = _webhook(request, pk)
    services.test(webhook, by=request.actor)
    messages.success(request, _("A test event is on its way; its delivery is the first of the list."))
    return _back(request, webhook)


@require_POST
@operator(Permission.ORG_API)
def rotate(request: OperatorRequest, pk: UUID) -> HttpResponse:
    webhook = _webhook(request, pk)
    return _page(request, webhook, secret=services.rotate(webhook, by=request.actor))


@require_POST
@operator(Permission.ORG_API)
def delete(request: OperatorRequest, pk: UUID) -> HttpResponse:
    services.retire(_webhook(request, pk), by=request.actor)
    messages.success(request, _("The webhook was deleted; nothing is sent to it any more."))
    return go(request, address(request, "webhooks"))


@require_POST
@operator(Permission.ORG_API)
def redeliver(request: OperatorRequest, pk: UUID, number: int) -> HttpResponse:
    webhook = _webhook(request, pk)
    delivery = Delivery.objects.select_related("webhook").filter(webhook=webhook, event_id=number).first()
    if delivery is None:
        raise Http404
    services.redeliver(delivery, by=request.actor)
    messages.success(request, _("It is sent again, under the same id."))
    return _back(request, webhook)


def _webhook(request: OperatorRequest, pk: UUID) -> Webhook:
    webhook: Webhook = load(Webhook.objects.live().visible_to(request.actor), pk)
    return webhook


def _page(
    request: OperatorRequest, webhook: Webhook, *, secret: str = "", form: WebhookForm | None = None
) -> HttpResponse:
    rows = services.deliveries_of(webhook, by=request.actor).prefetch_related("attempts")
    context: dict[str, Any] = {
        "section": "webhooks",
        "webhook": webhook,
        "secret": secret,
        "form": form or _fresh(request, webhook),
        "page": page_by_id(rows, request.GET.dict()),
    }
    status = 422 if form is not None else 200
    return render_page(request, "dashboard/webhooks/detail.html", context, status=status)


def _fresh(request: OperatorRequest, webhook: Webhook) -> WebhookForm:
    """The form as the webhook is now, whatever was posted to get here."""
    form = WebhookForm(request, webhook)
    form.is_bound, form.data = False, {}
    return form


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "name": webhook.name,
        "url": webhook.url,
        "types": webhook.types,
        "limits": [str(one) for one in webhook.limits],
    }


def _rate(counts: tuple[int, int] | None) -> tuple[int | None, int]:
    """Percent of deliveries that arrived, where any was tried; how many were tried."""
    arrived, failed = counts or (0, 0)
    tried = arrived + failed
    return (round(100 * arrived / tried) if tried else None), tried


def _back(request: OperatorRequest, webhook: Webhook) -> HttpResponse:
    return go(request, address(request, "webhook", webhook.pk))
