"""`manage.py demo` makes the demo, as often as you like; `manage.py demo --run` lets its chargers charge."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.urls import Resolver404, resolve

from core.models import Organization
from portal.demo import costs, driver, history, live, organization, people
from portal.demo.places import STATIONS
from portal.simulator.cli import Stage
from portal.simulator.loop import run
from stations.models import ChargingStation


class Command(BaseCommand):
    help = "An organization with sites, stations, tokens and history to look at, and chargers that charge."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--run", action="store_true", help="run the demo's chargers until terminated")
        parser.add_argument("--url", help="the chargers' door for --run (default: PUBLIC_URL's)")
        parser.add_argument("--data-dir", help="where the portal keeps its data (default: DATA_DIR or var)")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["run"]:
            run(Stage(live.fleet(options["url"] or live.door_url()), quiet=True).play())
            return
        owner, stations = organization.ensure()
        people.ensure(owner)
        email, password = driver.ensure(owner)
        history.write(stations, STATIONS)
        costs.bill(owner)
        for line in _lines(owner, stations):
            self.stdout.write(line)
        shown = f" with password {password}, shown only this once" if password else ""
        self.stdout.write(f"Driver      {settings.PUBLIC_URL}/me/ as {email}{shown}")


def _lines(owner: Organization, stations: dict[str, ChargingStation]) -> list[str]:
    lines = [
        f"Demo        {len(stations)} chargers of OCPP 1.6, 2.0.1 and 2.1: {settings.PUBLIC_URL}/o/{owner.slug}/"
    ]
    evse = next(iter(stations.values())).evses.first()
    if evse is not None and _is_served(f"/c/{evse.code}"):
        lines.append(f"Charger     {settings.PUBLIC_URL}/c/{evse.code}")
    return lines


def _is_served(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
