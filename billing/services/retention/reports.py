"""The report of what went, kept by the transaction that lets it go: a repeated pass counts nothing twice."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from billing.models import RetentionReport
from core import clock
from core.models import Organization


def add(
    organization: Organization,
    kind: str,
    before: date,
    counted: Mapping[str, int],
    *,
    position: UUID | None = None,
) -> None:
    """Count it to today's report; the caller holds the organization's lock."""
    report, _made = RetentionReport.objects.get_or_create(
        organization=organization, kind=kind, day=clock.now().date(), defaults={"before": before}
    )
    for name, count in ((name, count) for name, count in counted.items() if count):
        report.counts[name] = report.counts.get(name, 0) + count
    report.before, report.position = before, position or report.position
    report.save(update_fields=["counts", "before", "position"])


def position(organization: Organization, kind: str) -> UUID | None:
    """How far today's passes came."""
    rows = RetentionReport.objects.filter(organization=organization, kind=kind, day=clock.now().date())
    return rows.values_list("position", flat=True).first()
