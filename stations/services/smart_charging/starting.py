"""The profile that came with a remote start (2.0.1 K05, 1.6 section 5.11): there once its session is."""

from core.errors import Invalid
from stations.domain import smart_charging
from stations.domain.smart_charging import CSO
from stations.models import Command, InstalledProfile, Transaction


def installed_by_start(command: Command, transaction: Transaction) -> None:
    """The session that the command asked for began; its profile is the session's."""
    content = command.parameters.get("charging_profile")
    if not content:
        return
    try:
        profile = smart_charging.profile_of(content)
    except Invalid:
        # Sent in OCPP's own words, by an earlier release.
        return
    told = {
        "evse_id": transaction.evse.evse_id if transaction.evse else 0,
        "purpose": profile.purpose,
        "stack_level": profile.stack_level,
        "kind": profile.kind,
        "source": CSO,
        "transaction": transaction,
        "content": content,
        "installed_at": transaction.started_at,
        "installed_by": command.issued_by,
    }
    InstalledProfile.objects.update_or_create(
        station_id=transaction.station_id, profile_id=profile.number, defaults=told
    )
