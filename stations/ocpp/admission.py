"""Whether a caller is the station that it says it is: credentials, listener and profile, sub-protocol.

The order of the checks is fixed, so that nobody learns more than it has proved (P009).
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from stations.domain.words import Version
from stations.ocpp import client_certificates
from stations.ocpp.upgrade import SUBPROTOCOLS, Upgrade
from stations.services import credentials
from stations.services.connections import Candidate
from stations.services.credentials import Form, StoredPassword

SPOKEN = "ocpp2.1, ocpp2.0.1, ocpp1.6"
MAX_OFFER_TOLD = 150
UNKNOWN = "unknown_identity"


class Refused(Exception):
    """The upgrade is refused: the HTTP status, a word for programs, a sentence for the operator."""

    def __init__(self, status: int, reason: str, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Admitted:
    """The caller is the station. ``subprotocol`` is ``None`` where none was offered (P004)."""

    version: Version
    subprotocol: str | None
    password: StoredPassword | None


def refuse_early(upgrade: Upgrade) -> None:
    """What is wrong before anybody is looked up. Raises :class:`Refused`."""
    if upgrade.past_edge:
        raise Refused(
            401, "past_edge", "It reached the application without passing the proxy in front of it."
        )
    if upgrade.doubled_header:
        raise Refused(400, "doubled_header", f"It sent the header {upgrade.doubled_header} more than once.")
    if not upgrade.has_identity:
        raise Refused(
            404, UNKNOWN, "It sent no identity: the address must end with the identity of the station."
        )


def admit(upgrade: Upgrade, candidate: Candidate | None, now: datetime) -> Admitted:
    """Raises :class:`Refused`. ``candidate`` is ``None`` for an identity that no station has."""
    if candidate is None:
        _check_nobody(upgrade)
        raise unknown(upgrade)
    password = _check_credentials(upgrade, candidate, now)
    _check_admission(upgrade, candidate)
    version, subprotocol = _choose(upgrade, candidate)
    return Admitted(version, subprotocol, password)


def unknown(upgrade: Upgrade) -> Refused:
    """404, or the same 401 as for wrong credentials where unknown stations are hidden (P007, P009)."""
    status = 401 if settings.OCPP_HIDE_UNKNOWN_STATIONS else 404
    return Refused(
        status, UNKNOWN, f"It called itself “{upgrade.shown_identity}”; no station has this identity."
    )


def brought_password(upgrade: Upgrade) -> bytes | None:
    """The password that an unknown station may keep as its own (P106)."""
    login = upgrade.login
    if login is None or login.user != (upgrade.identity or "").encode():
        return None
    return login.password if len(login.password) in credentials.BROUGHT_LENGTH else None


def _check_nobody(upgrade: Upgrade) -> None:
    """The same work as for a station, against no password."""
    presented = upgrade.login.password if upgrade.login else b""
    credentials.check(credentials.NOBODY, (), presented, Form.EITHER)


def _check_credentials(upgrade: Upgrade, candidate: Candidate, now: datetime) -> StoredPassword | None:
    if candidate.security_profile == 0:
        _check_open(candidate)
        return None
    if candidate.security_profile == 3:
        _check_certificate(upgrade, candidate, now)
        return None
    return _check_password(upgrade, candidate)


def _check_open(candidate: Candidate) -> None:
    if not settings.OCPP_ALLOW_UNAUTHENTICATED or not candidate.unauthenticated_reason:
        raise Refused(
            401,
            "no_credential",
            "The station is set to no authentication, which is switched off here (OCPP_ALLOW_UNAUTHENTICATED).",
        )


def _check_certificate(upgrade: Upgrade, candidate: Candidate, now: datetime) -> None:
    if upgrade.edge is None:
        raise Refused(
            401,
            "no_credential",
            "The station needs a client certificate, and no proxy that checks certificates is set up here.",
        )
    try:
        client_certificates.check(
            upgrade.edge, identity=candidate.identity, organization_name=candidate.organization_name, now=now
        )
    except client_certificates.Rejected as error:
        raise Refused(401, error.reason, error.detail) from error


def _check_password(upgrade: Upgrade, candidate: Candidate) -> StoredPassword:
    login = upgrade.login
    form = _form(upgrade, candidate)
    presented = login.password if login else b""
    checked = credentials.check(candidate.id, candidate.passwords, presented, form)
    if login is None:
        raise _no_login(upgrade)
    if login.user != candidate.identity.encode():
        raise Refused(401, "wrong_user", "The user name it sent is not its identity; both must be the same.")
    if checked.row is None:
        raise Refused(401, "wrong_credential", _near_miss(checked, candidate, form))
    return checked.row


def _no_login(upgrade: Upgrade) -> Refused:
    if upgrade.sent_credentials:
        return Refused(
            401, "wrong_credential", "It sent an Authorization header that is not one of HTTP Basic."
        )
    return Refused(401, "no_credential", "It sent no password.")


def _near_miss(checked: credentials.Checked, candidate: Candidate, form: Form) -> str:
    if not candidate.passwords:
        return "It sent a password, but none has been issued for this station. Make a new one."
    if checked.other_form and form is Form.BYTES:
        return "It sent the 40 digits as text instead of the 20 bytes that they stand for; a lenient station may."
    if checked.other_form:
        return (
            "It sent the 20 bytes instead of the 40 digits of the password; OCPP 2 takes the digits as text."
        )
    length = "right" if checked.length_right else "wrong"
    return f"It sent a password that is not the one issued; its length is {length}."


def _form(upgrade: Upgrade, candidate: Candidate) -> Form:
    """How the version that would be spoken sends the password (P015-P017)."""
    version = _version(upgrade, candidate)
    if version is None or (version is Version.V16 and candidate.tolerates("hex_password")):
        return Form.EITHER
    return Form.BYTES if version is Version.V16 else Form.TEXT


def _check_admission(upgrade: Upgrade, candidate: Candidate) -> None:
    if candidate.security_profile >= 2 and not (upgrade.edge and upgrade.edge.encrypted):
        raise Refused(
            403,
            "tls_required",
            "It called without encryption, which its security profile needs. Change ws:// to wss://.",
        )
    if not candidate.enabled:
        raise Refused(403, "disabled", "The station is switched off in its settings.")


def _version(upgrade: Upgrade, candidate: Candidate) -> Version | None:
    """The pinned version if offered, else the first known one in the caller's order (P003)."""
    known = [SUBPROTOCOLS[word] for word in upgrade.versions]
    if not upgrade.offered and candidate.tolerates("no_subprotocol"):
        return Version.V16
    pinned = [version for version in known if version.value == candidate.pinned_version]
    return next(iter(pinned or known), None)


def _choose(upgrade: Upgrade, candidate: Candidate) -> tuple[Version, str | None]:
    version = _version(upgrade, candidate)
    if version is not None:
        return version, f"ocpp{version.value}" if upgrade.offered else None
    if upgrade.offered:
        offered = upgrade.shown_offer[:MAX_OFFER_TOLD]
        raise Refused(400, "unknown_subprotocol", f"It offered {offered}; we speak {SPOKEN}.")
    raise Refused(400, "no_subprotocol", f"It offered no sub-protocol; we speak {SPOKEN}.")
