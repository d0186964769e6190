"""`manage.py create_driver_account EMAIL --organization SLUG --driver ID`: lets a driver sign in to `/me/`."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from core.errors import DomainError
from core.models import Organization
from drivers.models import Driver
from drivers.services import drivers
from portal.demo.registering import actor


class Command(BaseCommand):
    help = "Let a driver sign in: with an existing account, or a new one with a random password."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--driver", required=True, metavar="ID", help="the driver's id or own reference")

    def handle(self, *_: Any, email: str, organization: str, driver: str, **__: Any) -> None:
        owner = Organization.objects.filter(slug=organization).first()
        if owner is None:
            raise CommandError(f"There is no organization “{organization}”.")
        try:
            found = _driver(owner, driver)
            user, made = drivers.open_account(found, email, by=actor(owner, "command_line"))
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Driver account {user.email}")
        if made:
            self.stdout.write(f"Password, shown only this once: {made}")


def _driver(owner: Organization, words: str) -> Driver:
    rows = Driver.objects.live().filter(organization=owner)
    try:
        found = rows.filter(pk=UUID(words)).first()
    except ValueError:
        found = rows.filter(reference__iexact=words).first()
    if found is None:
        raise CommandError(f"There is no driver “{words}” in this organization.")
    return found
