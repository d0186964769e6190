"""Certificates of stations: what is installed, what waits to be signed, what cars ask for."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.domain.certificates import OPEN, CertificateUse, HashData, SigningStatus, SigningUse, Standing
from stations.models.owned import AtStation
from stations.models.stations import ChargingStation

OPEN_WORDS = [word.value for word in SigningStatus if word in OPEN]


class InstalledCertificateQuerySet(ScopedQuerySet["InstalledCertificate"]):
    limit_path = "station__site_id"

    def present(self) -> "InstalledCertificateQuerySet":
        """Those that are on their station, as far as it told."""
        return self.filter(removed_at=None)


class InstalledCertificate(AtStation, models.Model):
    """A certificate on a station, named as the station names it. ``pem`` where we have it: then more is known."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="certificates")
    use = models.CharField(max_length=32, choices=[(word.value, word.value) for word in CertificateUse])
    hash_algorithm = models.CharField(max_length=6)
    issuer_name_hash = models.CharField(max_length=128)
    issuer_key_hash = models.CharField(max_length=128)
    serial_number = models.CharField(max_length=40)
    children = models.JSONField(default=list)
    pem = models.TextField(blank=True)
    subject = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()
    reported = models.BooleanField(default=False)
    removed_at = models.DateTimeField(null=True)

    objects = InstalledCertificateQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "station",
                    "use",
                    "hash_algorithm",
                    "issuer_name_hash",
                    "issuer_key_hash",
                    "serial_number",
                ],
                condition=models.Q(removed_at=None),
                name="certificate_installed_once",
            )
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="certificate_by_organization")]

    def __str__(self) -> str:
        return f"{self.use} · {self.subject or self.serial_number}"

    @property
    def hash_data(self) -> HashData:
        return HashData(
            algorithm=self.hash_algorithm,
            issuer_name_hash=self.issuer_name_hash,
            issuer_key_hash=self.issuer_key_hash,
            serial_number=self.serial_number,
        )


class SigningRequestQuerySet(ScopedQuerySet["SigningRequest"]):
    limit_path = "station__site_id"

    def open(self) -> "SigningRequestQuerySet":
        return self.filter(status__in=OPEN_WORDS)


class SigningRequest(AtStation, models.Model):
    """One certificate signing request of a station and what became of it (P235)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="signing_requests")
    use = models.CharField(
        max_length=32, blank=True, choices=[(word.value, word.value) for word in SigningUse]
    )
    request_id = models.BigIntegerField(null=True)
    root = models.JSONField(null=True)
    csr = models.TextField()
    csr_digest = models.BinaryField(max_length=32)
    subject = models.CharField(max_length=500, blank=True)
    key = models.CharField(max_length=40, blank=True)
    status = models.CharField(
        max_length=8,
        default=SigningStatus.RECEIVED.value,
        choices=[(word.value, word.value) for word in SigningStatus],
    )
    detail = models.CharField(max_length=500, blank=True)
    repeats = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    chain = models.TextField(blank=True)
    serial_number = models.CharField(max_length=40, blank=True)
    signed_by = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    signed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    objects = SigningRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["station", "use"],
                condition=models.Q(status__in=OPEN_WORDS),
                name="signing_request_open_once",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in SigningStatus]),
                name="signing_request_status",
            ),
        ]
        indexes = [
            models.Index(fields=["station", "-id"], name="signing_request_by_station"),
            models.Index(fields=["organization", "-id"], name="signing_request_by_org"),
        ]

    def __str__(self) -> str:
        return f"{self.station} · {self.status}"

    @property
    def open(self) -> bool:
        return self.status in OPEN


class ContractRequestQuerySet(ScopedQuerySet["ContractRequest"]):
    limit_path = "station__site_id"


class ContractRequest(AtStation, models.Model):
    """A car's request for a contract certificate, relayed by its station (Get15118EVCertificate, M01, M02)."""

    class Status(models.TextChoices):
        RECEIVED = "received"
        ACCEPTED = "accepted"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="contract_requests")
    schema_version = models.CharField(max_length=50)
    action = models.CharField(max_length=10)
    exi_request = models.TextField()
    digest = models.BinaryField(max_length=32)
    maximum_chains = models.PositiveIntegerField(null=True)
    prioritized_emaids = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    status = models.CharField(max_length=8, default=Status.RECEIVED, choices=Status.choices)
    detail = models.CharField(max_length=500, blank=True)
    exi_response = models.TextField(blank=True)
    remaining = models.PositiveIntegerField(null=True)
    repeats = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    objects = ContractRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["station", "digest"], name="contract_request_once")]

    def __str__(self) -> str:
        return f"{self.station} · {self.action} · {self.status}"


class CertificateStandingQuerySet(ScopedQuerySet["CertificateStanding"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class CertificateStanding(models.Model):
    """What a station that asked was told last of a certificate, by each of both sources (M06).

    ``source`` is ``OCSP`` or ``CRL``; ``detail`` says why nothing is known.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, related_name="certificate_standings"
    )
    hash_algorithm = models.CharField(max_length=6)
    issuer_name_hash = models.CharField(max_length=128)
    issuer_key_hash = models.CharField(max_length=128)
    serial_number = models.CharField(max_length=40)
    source = models.CharField(max_length=4)
    standing = models.CharField(max_length=7, choices=[(word.value, word.value) for word in Standing])
    detail = models.CharField(max_length=500, blank=True)
    next_update = models.DateTimeField(null=True)
    asked_at = models.DateTimeField()

    objects = CertificateStandingQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "station",
                    "hash_algorithm",
                    "issuer_name_hash",
                    "issuer_key_hash",
                    "serial_number",
                    "source",
                ],
                name="certificate_standing_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.serial_number} · {self.standing}"
