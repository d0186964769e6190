"""Signed meter values of a session: how many there are, and all of them as a text to check elsewhere."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from core.access import Permission
from portal.dashboard.entry import OperatorRequest, load, operator
from portal.downloads import whole
from stations.models import SignedMeterData, Transaction


@dataclass(frozen=True, slots=True)
class Kind:
    """Signed values of one encoding, signed in one way; either is empty where the station does not say it."""

    encoding: str
    signing_method: str
    count: int


def kinds(session: Transaction) -> list[Kind]:
    """What there is of each kind."""
    rows = session.signed_data.values_list("encoding", "signing_method").annotate(n=Count("pk"))
    return [Kind(*row) for row in rows.order_by("encoding", "signing_method")]


@require_safe
@operator(Permission.SESSIONS_VIEW)
def download(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Byte for byte as the station sent them, oldest first.

    They may name the token of the driver, so it takes the right to see drivers as well.
    """
    session: Transaction = load(Transaction.objects.visible_to(request.actor), pk)
    request.actor.require(Permission.DRIVERS_VIEW)
    rows = session.signed_data.order_by("occurred_at", "pk")
    return whole(
        "\n".join(_text(row) for row in rows.iterator()),
        content_type="text/plain; charset=utf-8",
        filename=f"signed-readings-{session.pk}.txt",
    )


def _text(row: SignedMeterData) -> str:
    told = {
        "time": row.occurred_at.isoformat(),
        "evse": str(row.evse_id),
        "context": row.context,
        "encoding": row.encoding,
        "signing method": row.signing_method,
        "public key": row.public_key,
    }
    head = "".join(f"{name}: {text}\n" for name, text in told.items() if text)
    return f"{head}\n{row.data}\n"
