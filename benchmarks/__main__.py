"""Runs the benchmarks and prints one table, row by row; `--quick` takes short ones, a name only that one."""

import argparse
import contextlib
import sys
from collections.abc import Callable

from benchmarks import (
    api,
    authorization,
    builds,
    commands,
    door,
    fleet,
    harness,
    long_session,
    month_end,
    pricing,
    quiet,
    readings,
    sizes,
)

ALL: dict[str, Callable[..., list[harness.Row]]] = {
    "door": door.run,
    "readings": readings.run,
    "quiet": quiet.run,
    "sizes": sizes.run,
    "long_session": long_session.run,
    "commands": commands.run,
    "pricing": pricing.run,
    "authorization": authorization.run,
    "fleet": fleet.run,
    "month_end": month_end.run,
    "api": api.run,
}

BY_NAME_ONLY = frozenset({"month_end", "api"})
"""Left out of a short run of everything: what takes its time from workers, and not from messages of chargers."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ALL], help="which ones (all)")
    parser.add_argument("--quick", action="store_true", help="short runs")
    options = parser.parse_args()
    chosen = [name for name in ALL if not (options.quick and name in BY_NAME_ONLY)]
    with harness.servers() as place, builds.sharing(place) if options.quick else contextlib.nullcontext():
        print(harness.machine(), harness.HEAD, sep="\n\n", flush=True)
        for name in options.names or chosen:
            for row in ALL[name](place, quick=options.quick):
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
