"""What goes wrong in billing and needs a person, told to programs by an event and to the log of the server."""

import logging
from uuid import UUID

from core.services import outbox

logger = logging.getLogger(__name__)


def tell(kind: str, detail: str, *, organization_id: UUID, object_id: UUID) -> None:
    """One event ``billing.alert``, inside the transaction of its cause, and an error in the log."""
    logger.error("billing.alert", extra={"kind": kind, "object": str(object_id), "detail": detail})
    outbox.record(
        "billing.alert", organization_id=organization_id, object_id=object_id,
        data={"id": str(object_id), "kind": kind, "detail": detail[:500]},
    )  # fmt: skip
