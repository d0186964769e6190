"""`manage.py simulate`: manage.py itself hands over to the simulator, except for ``--create``."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.errors import DomainError
from core.services import accounts
from portal.demo import live, registering
from portal.simulator import cli
from portal.simulator.fleet import make_members, numbered_tokens


class Command(BaseCommand):
    help = "Simulated chargers that speak real OCPP to any CSMS: for trying out and for load."
    requires_system_checks = []

    def add_base_argument(self, parser: CommandParser, *args: Any, **kwargs: Any) -> None:
        """Django's own ``--version`` gives way to the version of OCPP."""
        if "--version" not in args:
            super().add_base_argument(parser, *args, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        cli.add_arguments(parser)

    def run_from_argv(self, argv: list[str]) -> None:
        sys.exit(cli.main(argv[2:], register))


def register(chosen: Namespace) -> cli.Passwords:
    """Make stations and tokens in the portal that runs here; raises :class:`cli.Unusable` for what is refused."""
    if not chosen.create:
        return cli.given_passwords(chosen)
    if not chosen.organization:
        raise cli.Unusable("--create needs --organization SLUG")
    chosen.url = chosen.url or live.door_url()
    members = make_members(
        chosen.count, version=chosen.version, prefix=chosen.identity, password=lambda identity: None
    )
    try:
        by = registering.actor(accounts.find_organization(chosen.organization), "simulate")
        for member in members:
            registering.register_station(member.identity, {}, by=by)
        registering.register_tokens(chosen.token or numbered_tokens(members), by=by)
    except DomainError as error:
        raise cli.Unusable(error.message) from error
    return registering.station_password
