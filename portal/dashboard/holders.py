"""What the pages of a driver and of a token have in common: sessions, answers, places and budgets."""

from collections.abc import Mapping
from typing import Any

from core.access import Permission
from drivers.models import Driver, IdToken
from portal.dashboard import authorizations, budgets, permissions
from portal.dashboard.entry import OperatorRequest, id_of, load
from portal.dashboard.pages import Page, address
from stations.models import Transaction

SESSIONS_SHOWN = 20


def of_driver(request: OperatorRequest, query: Mapping[str, str]) -> Driver | None:
    """The driver that a list is narrowed to; of nobody for who may not see drivers. Raises :class:`NotFound`."""
    if not query["driver"] or not request.actor.can(Permission.DRIVERS_VIEW):
        return None
    driver: Driver = load(Driver.objects.visible_to(request.actor), id_of(query["driver"]))
    return driver


def context(request: OperatorRequest, holder: Driver | IdToken) -> dict[str, Any]:
    """For `components/last_seen.html`, `places.html` and `budgets.html`, as far as the person sees it."""
    name = budgets.PAGE[type(holder)]
    sessions = Transaction.objects.visible_to(request.actor).filter(**{name: holder})
    sessions = sessions.select_related("station", "evse", "site", "token", "cost").order_by(
        "-started_at", "-id"
    )
    return {
        name: holder,
        "page": Page(list(sessions[:SESSIONS_SHOWN])),
        "answers": authorizations.last_of(request.actor, **{name: holder}),
        "save_at": address(request, f"{name}_sites", holder.pk),
        **permissions.context(request, holder),
        "budget_form": budgets.form_of(holder),
        "budgets_at": address(request, f"{name}_budgets", holder.pk),
    }
