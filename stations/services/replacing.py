"""A lost card and the one that takes its place."""

from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import Conflict
from drivers.models import IdToken
from drivers.services import budgets, tokens
from stations.services import site_permissions

KEPT = ("label", "driver", "group", "valid_from", "expires_at", "sessions_at_once")


def replace(token: IdToken, *, value: str, reason: str = "", by: Actor) -> IdToken:
    """Block the token and give its holder another one of the same type, with all that was granted to it.

    Raises :class:`Conflict` for a value that is known and :class:`Invalid` for a bad one; the old token then
    stays as it is.
    """
    by.require(Permission.DRIVERS_MANAGE, token)
    with atomic():
        old = (
            IdToken.objects.select_for_update(of=("self",)).select_related("driver", "group").get(pk=token.pk)
        )
        if old.retired_at is not None:
            raise Conflict("The token is no more; make a new one.")
        details = {name: getattr(old, name) for name in KEPT}
        new = tokens.create(value=value, type_=old.type, by=by, **details)
        site_permissions.copy(old, new)
        wishes = [(one.kind, one.limit, one.per) for one in old.budgets.all()]
        budgets.set_(new, wishes, by=by)
        if not old.blocked or old.blocked_until is not None:
            tokens.block(old, reason=reason, by=by)
        audit.record("token.replaced", old, by=by, changes={"by": [None, str(new.pk)]}, reason=reason)
    return new
