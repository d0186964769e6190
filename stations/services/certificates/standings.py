"""What stations that asked for certificates were told of them, the last of each (M06)."""

from collections.abc import Iterable
from datetime import datetime

from django.db.transaction import atomic

from stations import live
from stations.domain.certificates import StatusAsked
from stations.domain.station import StationSide
from stations.models import CertificateStanding
from stations.services.certificates.validity import Found

MAX_STANDINGS = 200
OCSP, CRL = "OCSP", "CRL"
NAMED = ["station", "hash_algorithm", "issuer_name_hash", "issuer_key_hash", "serial_number", "source"]


def keep(station: StationSide, told: Iterable[tuple[StatusAsked, Found]], at: datetime) -> None:
    """What was told last of a certificate by a source replaces what was told of it before."""
    rows = {(asked.hash_data, asked.by_list): _row(station, asked, found, at) for asked, found in told}
    with atomic():
        CertificateStanding.objects.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=NAMED,
            update_fields=["standing", "detail", "next_update", "asked_at"],
        )
        _forget_oldest(station)
        live.announce_on_commit(
            "station",
            station.organization_id,
            station.station_id,
            site_id=station.site_id,
            station_id=station.station_id,
        )


def _row(station: StationSide, asked: StatusAsked, found: Found, at: datetime) -> CertificateStanding:
    return CertificateStanding(
        station_id=station.station_id,
        hash_algorithm=asked.hash_data.algorithm,
        issuer_name_hash=asked.hash_data.issuer_name_hash,
        issuer_key_hash=asked.hash_data.issuer_key_hash,
        serial_number=asked.hash_data.serial_number,
        source=CRL if asked.by_list else OCSP,
        standing=found.standing.value,
        detail=found.detail.replace("\x00", "")[:500],
        next_update=found.next_update,
        asked_at=at,
    )


def _forget_oldest(station: StationSide) -> None:
    rows = CertificateStanding.objects.filter(station_id=station.station_id)
    newest = rows.order_by("-asked_at", "-id").values("pk")[:MAX_STANDINGS]
    rows.exclude(pk__in=newest).delete()
