"""German is complete: every text of a template is translated, none is marked as doubtful."""

import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

CATALOGUE = Path(settings.BASE_DIR, "locale/de/LC_MESSAGES")
TRANSLATED = re.compile(r"""{%\s*(?:translate|trans)\s+(?:"([^"]+)"|'([^']+)')""")


@pytest.fixture(scope="module")
def german() -> gettext.GNUTranslations:
    with (CATALOGUE / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def test_every_text_of_a_template_is_translated(german: gettext.GNUTranslations) -> None:
    missing = {
        text
        for path in Path(settings.BASE_DIR, "templates").rglob("*.html")
        for pair in TRANSLATED.findall(path.read_text(encoding="utf-8"))
        for text in pair
        if text and text.replace("%", "%%") not in german._catalog  # as Django looks for it
    }
    assert missing == set()


def test_no_translation_is_empty_or_doubtful() -> None:
    entries = (CATALOGUE / "django.po").read_text(encoding="utf-8").split("\n\n")[1:]

    assert [entry for entry in entries if re.search(r'msgstr(\[\d\])? ""$', entry, re.MULTILINE)] == []
    assert [entry for entry in entries if "#, fuzzy" in entry] == []


def test_pages_are_told_in_the_chosen_language(browser: Client, home: str) -> None:
    browser.post(f"{home}preferences/", {"language": "de"})
    page = browser.get(f"{home}stations/").content.decode()

    assert '<html lang="de"' in page
    assert "Station anlegen" in page
    assert "Add station" not in page
