"""What operators want of the list of a station: kept, limited to groups, given up."""

from collections.abc import Sequence
from uuid import UUID

from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import NotFound
from drivers.models import TokenGroup
from stations.domain.intents import SendLocalList
from stations.models import ChargingStation, Command, LocalList
from stations.services import commands
from stations.services.local_lists.holding import row_of

PATIENCE_S = 86_400


def keep(
    station: ChargingStation, *, automatic: bool, groups: Sequence[TokenGroup | UUID], by: Actor
) -> LocalList:
    """Say how the list is kept: by itself or not, with the tokens of those groups (none named: all tokens).

    Raises :class:`NotFound` for a group of others and :class:`NotPermitted`.
    """
    by.require(Permission.VARIABLES_EDIT, station)
    chosen = _own_groups(groups, by)
    with atomic():
        row = row_of(station.pk)
        row = LocalList.objects.select_for_update(of=("self",)).select_related("station").get(pk=row.pk)
        before = _shown(row)
        row.automatic, row.withdrawn, row.retry_at = automatic, False, None
        row.save(update_fields=["automatic", "withdrawn", "retry_at"])
        row.groups.set(chosen)
        after = _shown(row)
        changes = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
        audit.record("local_list.changed", row, by=by, changes=changes)
    return row


def withdraw(local_list: LocalList, *, by: Actor) -> Command:
    """Empty the list at the station and keep it no longer; a station that is offline hears of it within a day.

    Raises as :func:`commands.issue` does.
    """
    by.require(Permission.VARIABLES_EDIT, local_list)
    with atomic():
        row = (
            LocalList.objects.select_for_update(of=("self",)).select_related("station").get(pk=local_list.pk)
        )
        row.automatic, row.withdrawn, row.retry_at = False, True, None
        row.save(update_fields=["automatic", "withdrawn", "retry_at"])
        audit.record("local_list.withdrawn", row, by=by)
        return commands.issue(
            row.station, SendLocalList(mode="full"), by=by, patience_s=PATIENCE_S, if_offline="wait"
        )


def _own_groups(groups: Sequence[TokenGroup | UUID], by: Actor) -> list[TokenGroup]:
    wanted: set[UUID] = {group.pk if isinstance(group, TokenGroup) else group for group in groups}
    found = list(TokenGroup.objects.visible_to(by).filter(pk__in=wanted))
    if len(found) != len(wanted):
        raise NotFound("There is no such group.", field="groups")
    return found


def _shown(row: LocalList) -> dict[str, object]:
    return {
        "automatic": row.automatic,
        "withdrawn": row.withdrawn,
        "groups": sorted(row.groups.values_list("name", flat=True)),
    }
