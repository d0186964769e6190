"""`manage.py create_admin EMAIL [--password-env VAR]`: a platform administrator."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.access import system
from core.errors import DomainError
from core.services import accounts


class Command(BaseCommand):
    help = "Make a platform administrator, or make one of an existing account."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--password-env",
            metavar="VAR",
            help="environment variable that holds the password (default: a new account gets a random one)",
        )

    def handle(self, *_: Any, email: str, password_env: str | None, **__: Any) -> None:
        try:
            user, made = accounts.create_admin(
                email, password=password_from(password_env), by=system("command_line")
            )
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Platform administrator {user.email}")
        if made:
            self.stdout.write(f"Password, shown only this once: {made}")


def password_from(variable: str | None) -> str | None:
    if variable is None:
        return None
    password = os.environ.get(variable, "")
    if not password:
        raise CommandError(f"The environment variable {variable} is not set or empty.")
    return password
