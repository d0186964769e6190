"""Write ``docs/ocpp.md``: every action of the three versions, how it is served and from where it can be sent.

Nothing in it is kept by hand but two tables: where the effect of a service is seen (``SEEN``), and why an
action is not served (``tests/wire/unserved.csv``). All else is read from the tables of the door, from the
code behind them, from the dashboard's addresses and from the commands of the API.
"""

import csv
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from portal.api.command_bodies import BODIES
from portal.dashboard.urls import urlpatterns
from scripts.reading_code import Reached, modules_below, reached_by, said_by
from stations.domain.intents import Call, Intent
from stations.domain.words import Version
from stations.ocpp.routing import Chosen, Collected, Decided, Direct, Route
from stations.ocpp.tables import Tables, tables_of

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "ocpp.md"
ACTIONS = ROOT / "tests" / "wire" / "actions.csv"
UNSERVED = ROOT / "tests" / "wire" / "unserved.csv"
AGAIN = ".venv/bin/python scripts/document_ocpp.py"

SEEN = {
    "ConnectorStatusReported": "connector and its history; EVSE card",
    "ReadingsReported": "meter readings; EVSE card, plots, session",
    "TransactionEventReported": "session, its events and readings; session page",
    "authorization": "authorization log",
    "battery_swaps": "battery swaps; API `battery-swaps`",
    "certificates": "certificates and signing requests; station's tab Security",
    "cost_displays": "prices and costs told; display of the station, its tab Messages",
    "credentials": "password; station's tab Connect",
    "customers": "customer reports; station's tab Monitoring",
    "data_transfers": "data transfers; station's tab Messages",
    "device_model": "variables; station's tab Variables",
    "displays": "display messages; station's tab Display",
    "effects": "effect of the command that asked for it; command page",
    "firmware": "firmware and log jobs; station's tab Firmware",
    "grid_support": "controls for the grid and its events; API `grid-controls`",
    "learning": "capabilities of the station; station page",
    "logs": "firmware and log jobs; station's tab Firmware",
    "monitoring": "states, variables and alerts; EVSE card, tab Variables, page Alerts",
    "monitors": "monitors; station's tab Monitoring",
    "network_profiles": "network profiles; station's tab Connect",
    "payments": "settlements; session page",
    "provisioning": "identity, firmware version and registration; station page",
    "reports": "reports; station's tab Variables",
    "reservations": "reservations; API `reservations`",
    "security_events": "security events and alerts; page Alerts",
    "session_costs": "price of the session; session page",
    "smart_charging": "profiles, limits, schedules and needs; station's tab Smart charging",
    "station_tariffs": "tariffs on the station; station's tab Display",
    "streams": "event streams; station's tab Monitoring",
    "transactions": "session, its events and readings; session page",
    "availability": "connector and its history; EVSE card",
    "variable_changes": "pending changes of variables; station's tab Variables",
}
"""Where people see what a service, or a fact of the group commit, has stored."""

NOT_KEPT = "only in the message log"
KINDS = {
    Direct: "at once",
    Collected: "group commit",
    Decided: "its own commit",
    Chosen: "by its content",
}
INTRODUCTION = f"""\
# OCPP: every action

What this portal does with each action of OCPP 1.6J (security extension included), 2.0.1 and 2.1.
Made by `{AGAIN}` from the tables of the door; do not edit it.

**From stations.** *Answered* says when: *at once* (nothing is stored), after the *group commit* (stored with the
messages of other stations), after *its own commit*, or one of these *by its content*. *Handled by* names the
services and, in brackets, the events that they are handed. An action that is not served is answered
`NotSupported`, and the message is in the log.

**To stations.** *API* is the `command` of `POST /api/v1/stations/<id>/commands/`; *page* is where the dashboard
offers it, below `/o/<organization>/`. Every action can also be sent word for word: command `call`, and *Raw call
(for experts)* in the station's tab *Commands*. *Answer kept* names the services that store what the answer says;
every answer is kept with its command.
"""


class Action(NamedTuple):
    version: str
    action: str
    direction: str


def actions() -> list[Action]:
    with ACTIONS.open(newline="") as file:
        return [Action(row["version"], row["action"], row["direction"]) for row in csv.DictReader(file)]


@cache
def unserved() -> dict[Action, str]:
    """The reason for each action that has no route or no command; the direction is one way, never ``both``."""
    with UNSERVED.open(newline="") as file:
        return {
            Action(version, row["action"], row["direction"]): row["reason"]
            for row in csv.DictReader(file)
            for version in row["versions"].split()
        }


def document() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for version in Version:
        rows = [row for row in actions() if row.version == version.value]
        parts.append(f"## OCPP {version.value}: {len(rows)} actions\n")
        parts += [_from_stations(version, rows), _to_stations(version, rows)]
    return "\n".join(parts)


def _from_stations(version: Version, rows: Sequence[Action]) -> str:
    lines = [_from_line(version, row.action) for row in rows if row.direction != "CSMS->CS"]
    head = ["action", "answered", "handled by", "stored and seen"]
    return f"### From stations: {len(lines)}\n\n{_table(head, lines)}"


def _from_line(version: Version, action: str) -> list[str]:
    route = tables_of(version).routes.get(action)
    if route is None:
        reason = unserved().get(Action(version.value, action, "CS->CSMS"), "")
        return [f"`{action}`", "not served", "—", reason]
    found = reached_by(route)
    seen = dict.fromkeys(SEEN.get(place, "") for place in seen_at(route, found))
    return [f"`{action}`", KINDS[type(route)], _handlers(found), "; ".join(filter(None, seen)) or NOT_KEPT]


def seen_at(route: Route, found: Reached) -> list[str]:
    """The keys of ``SEEN`` that tell where its effect is."""
    services = [service.partition(".")[0] for service in found.services]
    return list(dict.fromkeys([*found.facts, *services]))


def _handlers(found: Reached) -> str:
    services = [
        f"`{name}`" + (f" ({', '.join(events)})" if events else "") for name, events in found.services.items()
    ]
    return ", ".join([*[f"`batches` ({fact})" for fact in found.facts], *services]) or "the door itself"


def _to_stations(version: Version, rows: Sequence[Action]) -> str:
    lines = [_to_line(version, row.action) for row in rows if row.direction != "CS->CSMS"]
    head = ["action", "API", "page", "answer kept"]
    return f"### To stations: {len(lines)}\n\n{_table(head, lines)}"


def _to_line(version: Version, action: str) -> list[str]:
    tables = tables_of(version)
    said = intents_of(tables, action)
    if not said:
        reason = unserved().get(Action(version.value, action, "CSMS->CS"), "")
        return [f"`{action}`", "`call` only", "Raw call", reason]
    names = [f"`{intent.name}`" for intent in said if intent.name in BODIES]
    pages = dict.fromkeys(page for intent in said for page in pages_of(intent))
    absorb = tables.absorb.get(action)
    kept = _handlers(reached_by(absorb)) if absorb else "with the command"
    return [f"`{action}`", ", ".join(names) or "—", ", ".join(pages) or "—", kept]


def intents_of(tables: Tables, action: str) -> list[type[Intent]]:
    """The kinds of intents that are said by this action, the raw one left out."""
    return [
        kind for kind, encode in tables.outbound.items() if kind is not Call and action in said_by(encode)
    ]


@cache
def pages_of(intent: type[Intent]) -> tuple[str, ...]:
    """The pages of the dashboard whose module makes such an intent."""
    makers = [
        module
        for module in modules_below("portal.dashboard")
        if any(made is intent for made in _made_in(module))
    ]
    return tuple(dict.fromkeys(f"`{page}`" for module in makers for page in _pages(module)))


@cache
def _made_in(module: ModuleType) -> frozenset[Any]:
    return frozenset(reached_by(module).intents)


def _pages(module: ModuleType) -> list[str]:
    """The first address of the module's views, which is the page itself; else of those that make use of it."""
    if own := _address(module):
        return [own]
    users = [other for other in modules_below("portal.dashboard") if module in vars(other).values()]
    return [address for user in users if (address := _address(user))]


def _address(module: ModuleType) -> str:
    routes = [str(one.pattern) for one in urlpatterns if one.callback.__module__ == module.__name__]
    return routes[0].replace("uuid:", "").replace("int:", "") if routes else ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(_lines(head, lines)) + "\n"


def _lines(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for line in lines:
        yield f"| {' | '.join(line)} |"
