"""`manage.py create_organization SLUG --name NAME`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.access import system
from core.errors import DomainError
from core.services import accounts


class Command(BaseCommand):
    help = "Make an organization (an operator of charging stations)."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="short name, part of its addresses: letters, digits, hyphens")
        parser.add_argument("--name", default="", help="name that people see (default: the short name)")

    def handle(self, *_: Any, slug: str, name: str, **__: Any) -> None:
        try:
            organization = accounts.create_organization(slug, name=name or slug, by=system("command_line"))
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Organization {organization.slug} ({organization.name}): /o/{organization.slug}/")
