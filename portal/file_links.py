"""The way of a person to a file on the origin ``FILES_URL``, where no session is: an address good for a minute."""

from uuid import UUID

from django.conf import settings
from django.core import signing

GOOD_FOR_S = 60
_signer = signing.TimestampSigner(salt="portal.file_links")


def made(file_id: UUID) -> str:
    """Hand it only to who may read the file."""
    return f"{settings.FILES_URL}/files/downloads/{_signer.sign(str(file_id))}"


def opened(signed: str) -> UUID | None:
    """The file that the address is for, ``None`` for one that is over or not ours."""
    try:
        return UUID(_signer.unsign(signed, max_age=GOOD_FOR_S))
    except (signing.BadSignature, ValueError):
        return None
