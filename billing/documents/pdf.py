"""The PDF of a document: tagged, fonts embedded, nothing fetched, with the CII inside (billing B-55, B-56).

WeasyPrint needs the system's Pango. Where that is missing, documents wait and the portal says what to install.
"""

import base64
import io
import logging
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.translation import override

from billing.documents.figures import Figures, Line

logger = logging.getLogger(__name__)

FONTS = Path(__file__).parent / "fonts"
PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
MANY = 50
"""Above so many sessions the first pages have a summary, and the sessions follow in an annex."""
_VARIANT = "pdf/a-3a"
_GERMAN = str.maketrans(",.", ".,")


@cache
def missing() -> str:
    """What keeps this machine from making PDFs, with what to install; empty where nothing does."""
    try:
        import weasyprint  # noqa: F401  whether the libraries that it loads are there
    except (OSError, ImportError) as why:
        logger.warning("documents.no_pango", extra={"reason": str(why)[:200]})
        return f"Invoices as PDF need the system's Pango library. Install it: apt install {PACKAGES}"
    return ""


def render(figures: Figures, cii: bytes, *, logo: bytes = b"") -> bytes:
    """PDF/A-3 with the XML embedded as Factur-X. Raises ``OSError`` where Pango is missing."""
    import facturx

    plain = _printed(figures, logo)
    made: bytes = facturx.generate_from_binary(
        plain, cii, flavor="factur-x", level="en16931", check_xsd=True, check_schematron=False,
        lang=figures.language, afrelationship="alternative", pdf_metadata=_metadata(figures),
    )  # fmt: skip
    return made


def page(figures: Figures, logo: bytes = b"") -> str:
    """The document as HTML, in its language."""
    with override(figures.language):
        return render_to_string("invoice/invoice.html", _context(figures, logo))


def _printed(figures: Figures, logo: bytes) -> bytes:
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnFiles(URLFetcher):  # type: ignore[misc]  # its library has no types
        """Our fonts and what stands in the page itself; everything else is refused."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            name = url.removeprefix("font:")
            if url.startswith("font:") and name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"):
                return URLFetcherResponse(url, (FONTS / name).read_bytes(), {"Content-Type": "font/ttf"})
            if url.startswith("data:image/"):
                return super().fetch(url, headers)
            raise ValueError("Documents fetch nothing.")

    document = HTML(
        string=page(figures, logo), base_url=None, url_fetcher=OwnFiles(allowed_protocols=["data"])
    )
    into = io.BytesIO()
    document.write_pdf(into, pdf_variant=_VARIANT, pdf_tags=True)
    return into.getvalue()


def _metadata(figures: Figures) -> dict[str, str]:
    title = f"{figures.sender['name']}: {figures.number}"
    return {"author": figures.sender["name"], "keywords": "Factur-X", "title": title, "subject": title}


def _context(figures: Figures, logo: bytes) -> dict[str, Any]:
    kind = "png" if logo.startswith(b"\x89PNG") else "jpeg"
    return {
        "figures": figures,
        "logo": f"data:image/{kind};base64,{base64.b64encode(logo).decode()}" if logo else "",
        "parts": _parts(figures),
        "set_off": [{"number": number, "amount": money(amount, figures)} for number, amount in figures.set_off],
        "groups": [
            {"rate": _rate(group.rate), "net": money(group.net, figures), "vat": money(group.vat, figures),
             "reason": group.reason, "category": group.category}
            for group in figures.groups
        ],
        "many": len(figures.lines) > MANY,
        "places": _places(figures),
        "gross": any(line.source["leading"] != line.source["net"] for line in figures.lines),
        **{name: money(getattr(figures, name), figures) for name in ("net", "vat", "with_vat", "due")},
        "rounding": money(figures.rounding, figures) if figures.rounding else "",
        "collect_on": date.fromisoformat(day) if (day := figures.payment.get("collect_on")) else None,
    }  # fmt: skip


def money(amount: Any, figures: Figures) -> str:
    """As people write it in the document's language; a space before the currency."""
    return f"{_local(f'{amount:,.{figures.digits}f}', figures)} {figures.currency}"


def _local(digits: str, figures: Figures) -> str:
    return digits.translate(_GERMAN) if figures.language == "de" else digits


def _rate(rate: Any) -> str:
    return f"{rate.normalize():f}"


def _shown(line: Line, figures: Figures) -> dict[str, Any]:
    source = line.source
    zone = ZoneInfo(source["time_zone"])
    begin, end = (datetime.fromisoformat(source[name]).astimezone(zone) for name in ("start", "end"))
    return {
        "number": line.number,
        "reserved": "reservation" in source,
        "home": source.get("home", False),
        "begin": date_format(begin, "SHORT_DATETIME_FORMAT"),
        "zone": begin.tzname(),
        "minutes": round((end - begin).total_seconds() / 60),
        "place": line.description,
        "energy": "" if "reservation" in source else _local(source["energy_kwh"], figures),
        "meter": _local(_meter(source), figures),
        "tariff": str(source["tariff_version"] or "")[:8],
        "why": [one["text"] for one in source["texts"].get(figures.language, ())],
        "rate": _rate(line.rate),
        "net": money(line.net, figures),
        "leading": money(Decimal(source["leading"]), figures),
        "signed": source.get("signed"),
        "cdr": source["cdr"],
        "cost_centre": "" if figures.by_cost_centre else line.cost_centre,
    }


def _parts(figures: Figures) -> list[dict[str, Any]]:
    """The lines for each cost centre with their sums, those without one last; else all of them in one part."""
    if not figures.by_cost_centre:
        return [{"lines": [_shown(line, figures) for line in figures.lines]}]
    found: dict[str, list[Line]] = {}
    for line in figures.lines:
        found.setdefault(line.cost_centre, []).append(line)
    return [
        {
            "cost_centre": name,
            "sum": True,
            "lines": [_shown(line, figures) for line in lines],
            "leading": money(sum(Decimal(line.source["leading"]) for line in lines), figures),
            **_summary(lines, figures),
        }
        for name, lines in sorted(found.items(), key=lambda one: (not one[0], one[0]))
    ]


def _meter(source: Mapping[str, Any]) -> str:
    first, last = source["meter_start_wh"], source["meter_end_wh"]
    if first is None or last is None:
        return ""
    return f"{_kwh(first)} – {_kwh(last)} kWh"


def _kwh(wh: str) -> str:
    return f"{Decimal(wh) / 1000:.3f}"


def _places(figures: Figures) -> list[dict[str, Any]]:
    """Sessions, energy and net sum of each site: the summary of long documents."""
    found: dict[str, list[Line]] = {}
    for line in figures.lines:
        found.setdefault(str(line.source["place"].get("name") or "–"), []).append(line)
    return [{"name": name, **_summary(lines, figures)} for name, lines in sorted(found.items())]


def _summary(lines: list[Line], figures: Figures) -> dict[str, Any]:
    """Sessions, energy and net sum."""
    return {
        "sessions": len({line.source["cdr"] for line in lines}),
        "energy": _local(f"{_energy(lines):f}", figures),
        "net": money(sum(line.net for line in lines), figures),
    }


def _energy(lines: list[Line]) -> Decimal:
    """Each record once, whose rates may be on several lines."""
    each = {line.source["cdr"]: Decimal(line.source["energy_kwh"]) for line in lines}
    return sum(each.values(), Decimal(0))
