"""`manage.py retention SLUG [--hold REASON | --lift REASON] [--payer ID]`: terms, legal holds and what went."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing.models import BillingAccount, LegalHold
from billing.services.retention import holds, terms
from core import access, clock
from core.errors import DomainError
from core.models import Organization

SHOWN = 60


class Command(BaseCommand):
    help = (
        "Show for how long an organization's data are kept, place or lift a legal hold, and report what went."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="short name of the organization")
        parser.add_argument("--hold", metavar="REASON", help="keep everything beyond its term")
        parser.add_argument("--lift", metavar="REASON", help="let the terms count again")
        parser.add_argument("--payer", type=UUID, metavar="ID", help="of this payer only")

    def handle(
        self, *_: Any, slug: str, hold: str | None, lift: str | None, payer: UUID | None, **__: Any
    ) -> None:
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization “{slug}”.")
        try:
            if hold is not None:
                self._hold(organization, hold, payer)
            elif lift is not None:
                self._lift(organization, lift, payer)
        except DomainError as error:
            raise CommandError(error.message) from error
        self._show(organization)

    def _hold(self, organization: Organization, reason: str, payer: UUID | None) -> None:
        account = BillingAccount.objects.filter(organization=organization, pk=payer).first()
        if payer is not None and account is None:
            raise CommandError(f"There is no payer {payer}.")
        holds.place(organization, account=account, reason=reason, by=access.system("retention"))

    def _lift(self, organization: Organization, reason: str, payer: UUID | None) -> None:
        found: LegalHold | None = holds.standing(organization).filter(account=payer).first()
        if found is None:
            raise CommandError("There is no such hold.")
        holds.lift(found, reason=reason, by=access.system("retention"))

    def _show(self, organization: Organization) -> None:
        before = terms.before(organization, clock.now().date())
        self.stdout.write(f"documents: those issued before {before} are deleted")
        days = settings.PERSON_DATA_DAYS
        self.stdout.write(
            f"persons: {f'sessions lose them after {days} days' if days else 'never taken out'}"
        )
        for one in holds.standing(organization).select_related("account"):
            of = one.account_id or "everything"
            self.stdout.write(f"hold on {of} since {one.placed_at:%Y-%m-%d} by {one.placed_by}: {one.reason}")
        for report in organization.retention_reports.all()[:SHOWN]:
            counted = ", ".join(f"{count} {name}" for name, count in sorted(report.counts.items()))
            self.stdout.write(f"{report.day} {report.kind} before {report.before}: {counted}")
