"""How long `drivers/authorization.py` takes to answer: the token found among many, and the decision about it."""

import os
import random
import time
from typing import TYPE_CHECKING, Any

from benchmarks.harness import CpuMeter, MachineMeter, Place, Row, median, percentile
from core import memory

if TYPE_CHECKING:
    from core.models import Organization

TOKENS, QUICK_TOKENS = 100_000, 5_000
ASKED, QUICK_ASKED = 5_000, 1_000
UNKNOWN_EVERY = 10
"""One in so many is a token that nobody knows."""


def run(_place: Place, *, quick: bool) -> list[Row]:
    """One process asks one after the other, with a kept connection, as a gateway's thread does."""
    tokens, asked = (QUICK_TOKENS, QUICK_ASKED) if quick else (TOKENS, ASKED)
    organization = _organization()
    _make(organization, tokens)
    _ask(organization, tokens, asked // 10)  # warm
    memory.settle()
    own, machine, begin = CpuMeter(os.getpid(), family=True), MachineMeter(), time.monotonic()
    cpu = time.process_time()
    times = _ask(organization, tokens, asked)
    cpu = (time.process_time() - cpu) / asked
    others = max(0.0, machine.seconds() - own.seconds()) / (time.monotonic() - begin)
    bare = median(_bare(asked // 5))
    middle, slow = median(times), percentile(times, 0.99)
    return [
        Row(
            "authorization of a token, p50 / p99",
            f"{middle * 1000:.2f} / {slow * 1000:.2f} ms",
            "< 5 ms",
            f"{tokens:,} tokens of one organization, with group and driver; {asked:,} asked one after the other, "
            f"each {UNKNOWN_EVERY}th unknown; found and decided, the station's own circumstances not in it; "
            f"{cpu * 1000:.2f} ms of CPU each, {middle / bare:.1f} times a bare query ({bare * 1000:.2f} ms); "
            f"others took {others * 100:.0f} % of a core",
        )
    ]


def _bare(count: int) -> list[float]:
    """Seconds of a query that looks at nothing."""
    from django.db import connection

    times = []
    with connection.cursor() as cursor:
        for _ in range(count):
            begin = time.perf_counter()
            cursor.execute("SELECT 1")
            cursor.fetchone()
            times.append(time.perf_counter() - begin)
    return times


def _organization() -> "Organization":
    from core import access
    from core.services import accounts

    by = access.system("benchmark")
    return accounts.create_organization("bench-authorization", name="Benchmark", by=by)


def _make(organization: "Organization", count: int) -> None:
    from django.db import connection

    from drivers.models import Driver, IdToken, TokenGroup

    group = TokenGroup.objects.create(organization=organization, name="All", token="ALL")
    driver = Driver.objects.create(organization=organization, name="Anybody")
    rows = (
        IdToken(organization=organization, value=_value(number), type="ISO14443", group=group, driver=driver)
        for number in range(count)
    )
    IdToken.objects.bulk_create(rows, batch_size=5000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE drivers_idtoken")


def _value(number: int) -> str:
    return f"04{number * 2_654_435_761 % 2**48:012X}"


def _ask(organization: "Organization", tokens: int, count: int) -> list[float]:
    """Seconds of each answer; in other letters than they are stored in, as readers tell them."""
    chance, times = random.Random(1), []
    for number in range(count):
        unknown = number % UNKNOWN_EVERY == 0
        value = "FFFF0000" if unknown else _value(chance.randrange(tokens)).lower()
        begin = time.perf_counter()
        decision = _decide(organization, value)
        times.append(time.perf_counter() - begin)
        if decision.accepted is unknown:
            raise SystemExit(f"The token {value} was judged as {decision.verdict}: {decision.reason}")
    return times


def _decide(organization: "Organization", value: str) -> Any:
    from core import clock
    from drivers import authorization

    known = authorization.find(organization.pk, value, "ISO14443")
    question = authorization.Question(token=known, type="ISO14443", now=clock.now())
    return authorization.decide(question)
