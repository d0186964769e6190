"""Small drawings that stand many times on one page: drawn once for each look and language."""

from functools import lru_cache

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString


@lru_cache(maxsize=500)
def icon(name: str, size: str = "") -> SafeString:
    """An icon of the sprite; decoration only, the word beside it says the same."""
    return format_html(
        '<svg class="icon{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        f" icon-{size}" if size else "",
        static("vendor/icons.svg"),
        name,
    )


@lru_cache(maxsize=2000)
def pill(look: str, symbol: str, text: str, raw: str = "", prefix: str = "") -> SafeString:
    """A state as icon and word; the station's own word in the tooltip, ``prefix`` small before the word."""
    return format_html(
        '<span class="pill s-{}"{}>{}{}{}</span>',
        look,
        format_html(' title="{}"', raw) if raw else "",
        icon(symbol),
        format_html("<small>{}</small> ", prefix) if prefix else "",
        text,
    )


def bar(text: str, share: int | None) -> SafeString:
    """Figures as text and, where it is known what part of the whole they are, a bar beneath."""
    if share is None:
        return format_html('<span class="num">{}</span>', text)
    return format_html(
        '<span class="num text-nowrap">{}</span><svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" '
        'aria-hidden="true"><rect width="{}" height="6"/></svg>',
        text,
        share,
    )
