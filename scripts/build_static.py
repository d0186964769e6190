"""Copy what the pages need of the front-end packages to ``static/vendor`` and draw the icon sprite.

Run by ``make`` after ``npm ci``; needs nothing but the standard library. Only icons that a template or
a table of the dashboard names are put into the sprite.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"

FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
}
SOURCE_MAP = re.compile(r"/\*# sourceMappingURL=.*?\*/|^//# sourceMappingURL=.*$", re.MULTILINE)
USED_IN_TEMPLATE = re.compile(
    r"""{%\s*icon\s+[\"']([a-z0-9-]+)[\"']|\b(?:icon|symbol)=[\"']([a-z0-9-]+)[\"']"""
)
USED_IN_TABLE = re.compile(r"""\bicon=["']([a-z0-9-]+)["']""")
DRAWING = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
EMPTY_FRAME = re.compile(r"""\s*<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*/>""")


def copy_files() -> None:
    for source, target in FILES.items():
        text = (PACKAGES / source).read_text(encoding="utf-8")
        (VENDOR / target).write_text(SOURCE_MAP.sub("", text), encoding="utf-8")


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
    sys.stdout.write(f"static/vendor: {len(FILES)} files and a sprite of {draw_sprite()} icons\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
