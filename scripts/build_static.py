"""Copy what the pages need of the front-end packages to ``static/vendor`` and draw the icon sprite.

Run by ``make`` after ``npm ci`` and after every change of a template; needs nothing but the standard
library. Only icons that a template or a table of the dashboard names are put into the sprite, and of
Tabler's style sheet only rules whose classes occur as a word in templates, views or scripts.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"

TABLER = "@tabler/core/dist/css/tabler.min.css"
FILES = {
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
}
SOURCE_MAP = re.compile(r"/\*# sourceMappingURL=.*?\*/|^//# sourceMappingURL=.*$", re.MULTILINE)
USED_IN_TEMPLATE = re.compile(
    r"""{%\s*icon\s+[\"']([a-z0-9-]+)[\"']|\b(?:icon|symbol)=[\"']([a-z0-9-]+)[\"']"""
)
USED_IN_TABLE = re.compile(r"""\bicon=["']([a-z0-9-]+)["']""")
CLASS = re.compile(r"\.((?:\\.|[\w-])+)")
FUNCTION = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)")
WORD = re.compile(r"[A-Za-z_][\w-]*")
NESTING = ("@media", "@supports", "@layer", "@container")
DRAWING = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
EMPTY_FRAME = re.compile(r"""\s*<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*/>""")


def copy_files() -> None:
    for source, target in FILES.items():
        text = (PACKAGES / source).read_text(encoding="utf-8")
        (VENDOR / target).write_text(SOURCE_MAP.sub("", text), encoding="utf-8")


def copy_style_sheet() -> int:
    """Tabler's style sheet, trimmed; answers with its bytes."""
    css = SOURCE_MAP.sub("", (PACKAGES / TABLER).read_text(encoding="utf-8"))
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return (VENDOR / "tabler.min.css").write_text(trimmed(css.strip(), words_in_use()), encoding="utf-8")


def words_in_use() -> set[str]:
    """Every word of templates, views and scripts: whatever may be the name of a class."""
    sources = [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "portal").rglob("*.py"),
        *(ROOT / "static/js").glob("*.js"),
    ]
    return {word for path in sources for word in WORD.findall(path.read_text(encoding="utf-8"))}


def rules(css: str) -> Iterator[tuple[str, str | None]]:
    """Prelude and body of each rule of a minified style sheet; a statement has no body."""
    start = 0
    while start < len(css):
        opening, ending = css.find("{", start), css.find(";", start)
        if opening < 0 or 0 <= ending < opening:
            stop = ending + 1 if ending >= 0 else len(css)
            yield css[start:stop], None
            start = stop
            continue
        depth, place = 1, opening + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(css[place], 0)
            place += 1
        yield css[start:opening], css[opening + 1 : place - 1]
        start = place


def trimmed(css: str, words: set[str]) -> str:
    """The style sheet without the rules that no page can meet."""
    kept: list[str] = []
    for prelude, body in rules(css):
        if body is None or prelude.startswith(("@font-face", "@keyframes", "@property")):
            kept.append(prelude if body is None else f"{prelude}{{{body}}}")
        elif prelude.startswith(NESTING):
            inner = trimmed(body, words)
            kept.append(f"{prelude}{{{inner}}}" if inner else "")
        else:
            selectors = [one for one in split(prelude) if is_met(one, words)]
            kept.append(f"{','.join(selectors)}{{{body}}}" if selectors else "")
    return "".join(kept)


def split(selectors: str) -> list[str]:
    """At commas outside brackets."""
    return re.split(r",(?![^(]*\))", selectors)


def is_met(selector: str, words: set[str]) -> bool:
    names = CLASS.findall(FUNCTION.sub("", selector))
    return all(name.replace("\\", "") in words for name in names)


def icons_in_use() -> list[str]:
    """Names of all icons that templates and the dashboard's tables draw, sorted."""
    sources = [(path, USED_IN_TEMPLATE) for path in (ROOT / "templates").rglob("*.html")]
    sources += [(path, USED_IN_TABLE) for path in (ROOT / "portal").rglob("*.py")]
    found = {
        name
        for path, pattern in sources
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
        for name in match.groups()
        if name
    }
    return sorted(found)


def symbol(name: str) -> str:
    drawing = PACKAGES / "@tabler" / "icons" / "icons" / "outline" / f"{name}.svg"
    match = DRAWING.search(drawing.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{drawing} holds no drawing.")
    inner = re.sub(r">\s+<", "><", EMPTY_FRAME.sub("", match.group(1)).strip())
    return f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>'


def draw_sprite() -> int:
    names = icons_in_use()
    symbols = "".join(map(symbol, names))
    sprite = f'<svg xmlns="http://www.w3.org/2000/svg">{symbols}</svg>\n'
    (VENDOR / "icons.svg").write_text(sprite, encoding="utf-8")
    return len(names)


def main() -> int:
    if not (PACKAGES / "@tabler").is_dir():
        sys.stderr.write("The front-end packages are missing; run `npm ci` first.\n")
        return 1
    VENDOR.mkdir(parents=True, exist_ok=True)
    copy_files()
    size, icons = copy_style_sheet(), draw_sprite()
    sys.stdout.write(
        f"static/vendor: {len(FILES)} files, {size // 1000} kB of Tabler, a sprite of {icons} icons\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
