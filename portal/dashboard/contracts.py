"""What cars and stations asked about certificates for charging by contract, put into words."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from portal.dashboard.words import CONTRACT_STATE, STANDING, Text, Word
from stations.models import CertificateStanding, ChargingStation, ContractRequest

SHOWN = 10
PROVIDER = 5
"""Characters of an EMAID that name country and provider; the rest is the contract."""
ACTIONS = {"Install": _("New contract certificate"), "Update": _("Renewed contract certificate")}


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A car's request for a contract certificate. No contract is named, only its provider."""

    row: ContractRequest
    action: Text
    word: Word
    providers: list[str]


@dataclass(frozen=True, slots=True)
class ShownStanding:
    """What was told of a certificate."""

    row: CertificateStanding
    word: Word


def requests(station: ChargingStation) -> list[ShownRequest]:
    """The newest requests of cars."""
    return [_request(row) for row in station.contract_requests.order_by("-id")[:SHOWN]]


def standings(station: ChargingStation) -> list[ShownStanding]:
    """The certificates that were asked about last."""
    rows = station.certificate_standings.all()[:SHOWN]
    return [ShownStanding(row, STANDING[row.standing]) for row in rows]


def _request(row: ContractRequest) -> ShownRequest:
    providers = {emaid.replace("-", "")[:PROVIDER].upper(): None for emaid in row.prioritized_emaids[:SHOWN]}
    return ShownRequest(row, ACTIONS.get(row.action, row.action), CONTRACT_STATE[row.status], list(providers))
