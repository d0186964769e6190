"""`manage.py create_api_key --organization SLUG --name N --scope S...`; the key is the last line."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.access import system
from core.errors import DomainError
from core.services import accounts, keys


class Command(BaseCommand):
    help = "Make a key for the REST API; it is printed once, alone on the last line."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument(
            "--scope",
            action="extend",
            nargs="+",
            required=True,
            metavar="S",
            help=f"what it may do, repeatable: {', '.join(keys.known_scopes())}",
        )

    def handle(self, *_: Any, organization: str, name: str, scope: list[str], **__: Any) -> None:
        try:
            owner = accounts.find_organization(organization)
            key, secret = keys.create(owner, name=name, scopes=scope, by=system("command_line"))
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(
            f"API key “{key.name}” of {owner.slug}: {', '.join(key.scopes)}. Shown only this once:"
        )
        self.stdout.write(secret)
