"""A plot of cost against the size of the fleet, as SVG and without a library."""

from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 60, 40, 30, 20
HERE = Path(__file__).parent
SERIES = (("gateway", "#1f6feb"), ("PostgreSQL", "#d4691a"))
Point = tuple[int, float, float]


def save(name: str, points: list[Point]) -> None:
    """Chargers, gateway and PostgreSQL microseconds of CPU for one message."""
    (HERE / name).write_text(svg(points), encoding="utf-8")


def svg(points: list[Point]) -> str:
    most = max(max(point[1:]) for point in points) * 1.2
    across = max(point[0] for point in points)

    def x(size: float) -> float:
        return LEFT + size / across * (WIDTH - LEFT - RIGHT)

    def y(cost: float) -> float:
        return HEIGHT - BOTTOM - cost / most * (HEIGHT - BOTTOM - TOP)

    step = _round(most / 5)
    marks = [step * number for number in range(int(most / step) + 1)]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">CPU per MeterValues of ten samples (us) against connected chargers</text>',
        *(
            f'<path d="M{LEFT} {y(mark):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>'
            for mark in marks
        ),
        *(
            f'<text x="{x(size):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{size}</text>'
            for size, _, _ in points
        ),
    ]
    for place, (name, colour) in enumerate(SERIES, start=1):
        line = " ".join(f"{x(point[0]):.1f},{y(point[place]):.1f}" for point in points)
        last = points[-1]
        parts += [
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(f'<circle cx="{x(p[0]):.1f}" cy="{y(p[place]):.1f}" r="3" fill="{colour}"/>' for p in points),
            f'<text x="{WIDTH - RIGHT}" y="{y(last[place]) - 8:.1f}" text-anchor="end" fill="{colour}">{name}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _round(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... that is no smaller."""
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if size * factor >= step:
                return size * factor
        size *= 10
