"""What the end of a command means for the request or password that it carried."""

from core import clock
from stations.domain.certificates import SigningStatus
from stations.domain.words import CommandStatus
from stations.models import Command, SigningRequest
from stations.services import credentials
from stations.services.certificates import signing

MOST_TRIES = 3
NOT_DONE = frozenset({CommandStatus.REJECTED.value, CommandStatus.NOT_SUPPORTED.value})
PERHAPS_DONE = frozenset({"timeout", "disconnected", "outcome_unknown"})


def certificate_sent(command: Command) -> None:
    """The station took the certificate, refused it, or did not say (C-09, A02)."""
    row = (
        SigningRequest.objects.select_for_update(of=("self",))
        .select_related("station")
        .filter(pk=command.parameters["request"], station_id=command.station_id)
        .first()
    )
    if row is None or not row.open:
        return
    if command.status == CommandStatus.ACCEPTED:
        signing.end(row, SigningStatus.ACCEPTED, "")
    elif command.status in NOT_DONE:
        said = (command.response or {}).get("status") or (command.error or {}).get("description", "")
        signing.end(row, SigningStatus.FAILED, f"The station refused the certificate: {said}.")
    else:
        _again(row, str((command.error or {}).get("description", "")))


def password_sent(command: Command) -> None:
    """An error instead of an answer: the station did not take the new password, unless it may have (P018)."""
    code = str((command.error or {}).get("code", ""))
    if command.status == CommandStatus.ACCEPTED or code in PERHAPS_DONE or command.sent_at is None:
        return
    credentials.end_change(command.station, accepted=False)


def _again(row: SigningRequest, why: str) -> None:
    row.tries += 1
    if row.tries >= MOST_TRIES:
        signing.end(row, SigningStatus.FAILED, f"It could not be handed over in {row.tries} tries. {why}")
        return
    row.status, row.detail, row.sent_at = SigningStatus.SIGNED.value, why[:500], clock.now()
    row.save()
    signing.tell(row)
