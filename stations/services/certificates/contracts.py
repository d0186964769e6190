"""Charging by contract (ISO 15118): is the car's certificate good, and where do new ones come from.

Policy where a responder cannot be asked: the contract is not accepted, and the answer still comes in time (P128).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.db.models import F
from django.db.transaction import atomic
from django.utils.module_loading import import_string

from core import clock
from core.errors import DomainError, Invalid
from stations.domain.certificates import (
    OF_STANDING,
    CertificateUse,
    ContractAsked,
    ContractShown,
    ContractVerdict,
    Standing,
    StatusAsked,
)
from stations.domain.station import StationSide
from stations.models import ContractRequest
from stations.services.certificates import installed, reading
from stations.services.certificates.validity import Inquiry, responders_of

MAX_REQUESTS = 200
ROOTS = (CertificateUse.MO_ROOT, CertificateUse.V2G_ROOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAnswer:
    """What a pool of contract certificates says to a car's request."""

    exi_response: str
    remaining: int | None = None


class ContractProvider(Protocol):
    """A pool of contract certificates. Raises :class:`core.errors.DomainError` where it has none."""

    def exchange(self, request: ContractRequest) -> ContractAnswer: ...


def provider() -> ContractProvider | None:
    """What ``CONTRACT_PROVIDER`` names."""
    return import_string(settings.CONTRACT_PROVIDER)() if settings.CONTRACT_PROVIDER else None


def relay(station: StationSide, asked: ContractAsked, received_at: datetime) -> ContractRequest:
    """Store the car's request, ask the pool, store what it said; a repeat is answered as before (M01, M02)."""
    row = _stored(station, asked, received_at)
    if row.status == ContractRequest.Status.ACCEPTED:
        return row
    pool = provider()
    try:
        if pool is None:
            raise Invalid("No provider of contract certificates is set up.")
        answer = pool.exchange(row)
    except DomainError as error:
        row.status, row.detail = ContractRequest.Status.FAILED, error.message[:500]
    else:
        row.status, row.detail = ContractRequest.Status.ACCEPTED, ""
        row.exi_response, row.remaining = answer.exi_response, answer.remaining
    row.answered_at = clock.now()
    row.save(update_fields=["status", "detail", "exi_response", "remaining", "answered_at"])
    return row


def judge(station: StationSide, shown: ContractShown, token: str) -> ContractVerdict:
    """Whether the contract certificate is good (2.0.1 C07)."""
    if shown.chain:
        return _judge_chain(station, shown.chain, token)
    inquiry = Inquiry(station)
    verdicts = [OF_STANDING[inquiry.ask(one).standing] for one in shown.hashes]
    return _worst(verdicts)


def _judge_chain(station: StationSide, pem: str, token: str) -> ContractVerdict:
    try:
        chain = reading.certificates(pem)
    except Invalid:
        return ContractVerdict.NOT_AVAILABLE
    if not reading.in_order(chain):
        return ContractVerdict.CHAIN_ERROR
    if not all(reading.in_force(one, clock.now()) for one in chain):
        return ContractVerdict.EXPIRED
    root = next((one for one in installed.roots_of(station, ROOTS) if _ends_in(chain, one)), None)
    if root is None or not _names_contract(chain[0], token):
        return ContractVerdict.CHAIN_ERROR
    whole = chain if chain[-1] == root else [*chain, root]
    inquiry = Inquiry(station, whole)
    return _worst([_ask(inquiry, lower, upper) for lower, upper in pairwise(whole)])


def _ask(inquiry: Inquiry, certificate: x509.Certificate, issuer: x509.Certificate) -> ContractVerdict:
    """By the address that the certificate names: it leads to a root of ours, so its word may be taken (W-18)."""
    urls = responders_of(certificate)
    asked = StatusAsked(hash_data=reading.hash_data(certificate, issuer), urls=tuple(urls))
    return OF_STANDING[inquiry.ask(asked, named=urls).standing if urls else Standing.FAILED]


def _worst(verdicts: list[ContractVerdict]) -> ContractVerdict:
    if ContractVerdict.REVOKED in verdicts:
        return ContractVerdict.REVOKED
    if not verdicts or any(verdict is not ContractVerdict.ACCEPTED for verdict in verdicts):
        return ContractVerdict.NOT_AVAILABLE
    return ContractVerdict.ACCEPTED


def _ends_in(chain: list[x509.Certificate], root: x509.Certificate) -> bool:
    return chain[-1] == root or reading.issued(chain[-1], root)


def _names_contract(leaf: x509.Certificate, token: str) -> bool:
    """The contract's name stands in the certificate: dashes and case do not count."""
    names = [str(one.value) for one in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [_folded(name) for name in names] == [_folded(token)]


def _folded(emaid: str) -> str:
    return emaid.replace("-", "").upper()


def _stored(station: StationSide, asked: ContractAsked, received_at: datetime) -> ContractRequest:
    digest = hashlib.sha256(f"{asked.action}:{asked.exi_request}".encode()).digest()
    row = ContractRequest(
        organization_id=station.organization_id,
        station_id=station.station_id,
        schema_version=asked.schema_version[:50],
        action=asked.action[:10],
        exi_request=asked.exi_request.replace("\x00", ""),
        digest=digest,
        maximum_chains=asked.maximum_chains,
        prioritized_emaids=list(asked.prioritized_emaids),
        received_at=received_at,
    )
    with atomic():
        ContractRequest.objects.bulk_create([row], ignore_conflicts=True)
        found = ContractRequest.objects.get(station_id=station.station_id, digest=digest)
        if found.pk != row.pk:
            ContractRequest.objects.filter(pk=found.pk).update(repeats=F("repeats") + 1)
        _forget_oldest(station)
    return found


def _forget_oldest(station: StationSide) -> None:
    ids = (
        ContractRequest.objects.filter(station_id=station.station_id)
        .order_by("-id")
        .values_list("pk", flat=True)
    )
    if surplus := list(ids[MAX_REQUESTS : MAX_REQUESTS + 50]):
        ContractRequest.objects.filter(pk__in=surplus).delete()
