"""What `manage.py up` is asked for on its command line."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from portal import runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    host: str
    port: int
    data_dir: Path
    gateways: int
    demo: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on (default %(default)s)")
    parser.add_argument("--data-dir", default="", help="where everything is kept (default DATA_DIR or var)")
    parser.add_argument("--gateways", type=_count, default=1, help="server processes that share the port")
    parser.add_argument("--demo", action="store_true", help="add demo data and simulated chargers")


def parse(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="manage.py up", description="Run the portal with everything it needs; Ctrl-C ends it."
    )
    add_arguments(parser)
    chosen = parser.parse_args(arguments)
    data_dir = Path(chosen.data_dir).expanduser().resolve() if chosen.data_dir else runtime.data_dir()
    return Options(
        host=chosen.host, port=chosen.port, data_dir=data_dir, gateways=chosen.gateways, demo=chosen.demo
    )


def _port(text: str) -> int:
    return _whole_number(text, 65535)


def _count(text: str) -> int:
    return _whole_number(text, 64)


def _whole_number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {most}")
    return int(text)
