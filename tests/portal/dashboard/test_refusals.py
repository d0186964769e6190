"""What services refuse is told on German pages in German, whichever room says it."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from django.test import Client
from django.utils import translation

import billing
import core
import drivers
import stations
import tariffs
from core.errors import DomainError
from core.models import Organization
from drivers.models import IdToken
from portal.dashboard.sentences import told
from stations.models import ChargingStation
from tests import factories

ROOMS = (core, drivers, tariffs, stations, billing)
GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de"}


def kinds(kind: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    yield kind
    for special in kind.__subclasses__():
        yield from kinds(special)


def refusals_of(room: ModuleType) -> Iterator[str]:
    """Each sentence that the room's source hands to a refusal, with 7 for what is filled in."""
    place = Path(room.__path__[0])
    for module in pkgutil.walk_packages([str(place)], f"{room.__name__}."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    names = {kind.__name__ for kind in kinds()}
    for source in place.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in names:
                yield from filter(None, map(_sentence, node.args))


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _sentence(argument: ast.expr) -> str:
    if isinstance(argument, ast.Constant):
        text = str(argument.value)
    elif isinstance(argument, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in argument.values)
    else:
        text = ""
    return text if " " in text else ""


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_each_refusal_of_a_room_has_its_german_twin(room: ModuleType) -> None:
    said = set(refusals_of(room))
    with translation.override("de"):
        untold = sorted(sentence for sentence in said if told(sentence) == sentence)

    assert said or room is billing
    assert untold == []


@pytest.fixture
def german(browser: Client) -> Client:
    browser.defaults.update(GERMAN)
    return browser


def test_a_refused_form_says_in_german_why_and_names_what_it_is_about(
    german: Client, home: str, token: IdToken
) -> None:
    page = german.post(f"{home}tokens/", {"value": token.value, "type": token.type}).content.decode()

    assert f"Das Token „{token.value}“ ist schon bekannt." in page
    assert "already known" not in page


def test_a_refused_command_says_in_german_why(
    german: Client, home: str, station: ChargingStation, token: IdToken
) -> None:
    station.enabled = False
    station.save(update_fields=["enabled"])

    path = f"{home}stations/{station.pk}/evses/1/start/"
    answer = german.post(path, {"token": str(token.pk)}, headers={"HX-Request": "true"})

    assert answer.status_code == 409
    assert "Die Station ist in ihren Einstellungen abgeschaltet." in answer.content.decode()
    assert "switched off" not in answer.content.decode()


def test_a_page_without_the_permission_says_so_in_german(viewer: Client, home: str) -> None:
    answer = viewer.get(f"{home}audit/", **GERMAN)  # type: ignore[arg-type]

    assert answer.status_code == 403
    assert "needs the permission" not in answer.content.decode()


def test_the_api_says_it_in_english_whatever_the_browser_speaks(
    organization: Organization, token: IdToken
) -> None:
    client = Client(headers={"Authorization": f"Bearer {factories.make_key(organization)}"}, **GERMAN)

    body = {"value": token.value, "type": token.type}
    answer = client.post("/api/v1/tokens/", body, content_type="application/json")

    assert answer.status_code == 409
    assert f"The token “{token.value}” is already known." in answer.content.decode()
