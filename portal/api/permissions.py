"""Scopes: every route names the one it asks for, per method."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from core.access import Actor
from core.services.keys import holds

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HasPermission(BasePermission):
    """The view's ``scopes`` maps ``read`` and ``write`` (or a method) to the scope that is needed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        actor = request.auth
        if not isinstance(actor, Actor):
            return False
        kind = "read" if request.method in READ_METHODS else "write"
        scope = view.scopes.get(request.method, view.scopes.get(kind))
        if scope is None:  # the method is not served; DRF answers 405 by itself
            return True
        if not holds(actor, scope):
            raise PermissionDenied(f"This needs the scope “{scope}”.")
        return True


class IsKnown(BasePermission):
    """Any valid key or any signed-in person: the schema and its documentation."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.user is not None and (
            isinstance(request.auth, Actor) or getattr(request.user, "is_authenticated", False)
        )
