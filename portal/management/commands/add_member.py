"""`manage.py add_member EMAIL --organization SLUG --role ROLE [--site S...]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.transaction import atomic

from core.access import Role, system
from core.errors import DomainError
from core.services import accounts
from stations.services import access


class Command(BaseCommand):
    help = (
        "Give a person a role in an organization; an unknown person gets an account. For a member the role "
        "is changed, and the sites only where --site is given."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])
        parser.add_argument(
            "--site",
            action="append",
            default=[],
            metavar="S",
            help="limit to this site, by name or id; repeatable",
        )

    def handle(self, *_: Any, **chosen: Any) -> None:
        by = system("command_line")
        try:
            with atomic():
                organization = accounts.find_organization(chosen["organization"])
                membership, made = accounts.give_role(
                    chosen["email"], organization, Role(chosen["role"]), by=by
                )
                if chosen["site"]:
                    access.limit_member(membership, chosen["site"], by=by)
        except DomainError as error:
            raise CommandError(error.message) from error
        sites = membership.site_limits.values_list("site__name", flat=True).order_by("site__name")
        where = f" at {', '.join(sites)}" if sites else ""
        self.stdout.write(f"{chosen['email']} is {chosen['role']} of {organization.slug}{where}")
        if made:
            self.stdout.write(f"Password, shown only this once: {made}")
