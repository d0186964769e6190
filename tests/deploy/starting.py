"""Whether a command line of deploy/ starts something that there is, and which settings the portal reads."""

import re
from collections.abc import Iterable

from celery.bin.celery import celery
from django.core.management import CommandParser, get_commands, load_command_class

from portal.server import Options
from portal.supervisor.portal import AFTER_DRAIN_S
from tests.running import ROOT

SETTINGS = ROOT / "portal/settings/base.py"
READ_ELSEWHERE = frozenset(
    {"DATABASE_OWNER_URL", "DATA_DIR", "DEBUG", "GATEWAY_ID", "DJANGO_SETTINGS_MODULE"}
)
FAMILY_ENDS_S = 20 + AFTER_DRAIN_S + 25 + 20 + 60  # of `up`: gateways, background work, Valkey, database


def check_command(words: list[str]) -> None:
    """Fails for a sub-command, module or option that is not known."""
    if words[0] == "manage.py":
        _check_managed(words[1], words[2:])
    else:
        assert words[:2] == ["-m", "celery"], words
        _check_celery(words[2:])


def _check_managed(name: str, words: list[str]) -> None:
    assert name in get_commands(), f"manage.py knows no {name}"
    parser: CommandParser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parser.parse_args([re.sub(r"[%$]\S*", "1", word) for word in words])


def _check_celery(words: list[str]) -> None:
    """Up to its sub-command an option is Celery's, then the sub-command's."""
    at = next(place for place, word in enumerate(words) if not word.startswith("-"))
    assert "--app=portal.celery" in words[:at]
    with celery.make_context("celery", ["--quiet", "--app=portal.celery", words[at]]):
        command = celery.commands[words[at]]
    known = {name for parameter in command.params for name in parameter.opts}
    given = {word.partition("=")[0] for word in words[at + 1 :] if word.startswith("-")}
    assert given <= known, given - known


def settings_read() -> set[str]:
    """Names of all environment variables that the settings or the programs before them read."""
    text = SETTINGS.read_text() + (ROOT / "portal/settings/production.py").read_text()
    return set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', text)) | READ_ELSEWHERE


def unknown_settings(names: Iterable[str]) -> set[str]:
    return set(names) - settings_read()


def drain_s() -> float:
    """The longest that a server takes to end, by its defaults."""
    defaults = Options()
    return defaults.drain_spread_s + defaults.exit_s
