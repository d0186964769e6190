"""What the pages of a driver and of a token have in common: sessions, answers, places and budgets."""

from typing import Any

from drivers.models import Driver, IdToken
from portal.dashboard import authorizations, budgets, permissions
from portal.dashboard.entry import OperatorRequest
from portal.dashboard.pages import Page, address
from stations.models import Transaction

SESSIONS_SHOWN = 20


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
