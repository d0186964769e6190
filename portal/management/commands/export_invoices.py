"""`manage.py export_invoices SLUG FIRST LAST --file FILE [--kind gobd|datev]`: issued invoices for the accountant."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.services import exporting
from core import access
from core.errors import DomainError
from core.models import Organization


class Command(BaseCommand):
    help = (
        "Write the issued invoices of a period: a zip of tables with index.xml (gobd), or bookings (datev)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="short name of the organization")
        parser.add_argument("first", type=date.fromisoformat, help="first day, such as 2026-01-01")
        parser.add_argument("last", type=date.fromisoformat, help="last day")
        parser.add_argument("--kind", choices=["gobd", "datev"], default="gobd")
        parser.add_argument("--file", type=Path, required=True, help="where to write it")

    def handle(self, *_: Any, slug: str, first: date, last: date, kind: str, file: Path, **__: Any) -> None:
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization “{slug}”.")
        make = exporting.datev if kind == "datev" else exporting.gobd
        try:
            data = make(organization, first, last, by=access.system("export"))
        except DomainError as error:
            raise CommandError(error.message) from error
        file.write_bytes(data)
        self.stdout.write(f"{file}: {len(data)} bytes")
