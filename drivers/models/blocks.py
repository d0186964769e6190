"""Blocks of tokens and drivers: with a reason, and until an instant where one was named."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import clock

BLOCKED = "blocked"


def in_force(now: datetime, at: str = "") -> Q:
    """The condition that a block holds; ``at`` leads to the row that may be blocked, such as ``driver__``."""
    endless, ahead = Q(**{f"{at}blocked_until": None}), Q(**{f"{at}blocked_until__gt": now})
    return Q(**{f"{at}status": BLOCKED}) & (endless | ahead)


class Blockable(models.Model):
    """A block is over at ``blocked_until`` by itself: ``status`` then still says it, and means it no longer."""

    UNBLOCKED: ClassVar[str]
    status: "models.CharField[str, str]"

    blocked_reason = models.CharField(_("reason"), max_length=200, blank=True, default="", db_default="")
    blocked_until = models.DateTimeField(_("blocked until"), null=True, blank=True)

    class Meta:
        abstract = True

    @classmethod
    def of_status(cls, status: str, now: datetime) -> Q:
        """The condition that a row has this status, with blocks that are over left aside."""
        if status == BLOCKED:
            return in_force(now)
        plain = Q(status=status)
        return plain | Q(status=BLOCKED, blocked_until__lte=now) if status == cls.UNBLOCKED else plain

    def status_at(self, now: datetime) -> str:
        """What is kept as the status, with a block that is over left aside."""
        over = self.status == BLOCKED and self.blocked_until is not None and self.blocked_until <= now
        return self.UNBLOCKED if over else str(self.status)

    @property
    def own_status(self) -> str:
        return self.status_at(clock.now())

    @property
    def blocked(self) -> bool:
        return self.own_status == BLOCKED

    @property
    def block_reason(self) -> str:
        """Why it is blocked now; empty where it is not."""
        return self.blocked_reason if self.blocked else ""

    @property
    def block_end(self) -> datetime | None:
        """When the block of now ends by itself."""
        return self.blocked_until if self.blocked else None
