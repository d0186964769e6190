"""Clients made from the schema into ``clients/``, and tried against a running portal: `make clients`.

A smoke test, with the generators of `requirements/dev.in` and of `package.json` here; nothing of it is kept.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
CLIENTS = ROOT / "clients"
TYPESCRIPT = CLIENTS / "typescript"
SCHEMA = CLIENTS / "schema.json"
START_SECONDS = 180
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # a node of our own, ruff
SCOPES = ("sites:read", "sites:write", "stations:read", "commands:read", "commands:send")


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """The output of a command that must succeed."""
    sys.stdout.write(f"+ {' '.join(map(str, command))}\n")
    sys.stdout.flush()
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "PATH": PROGRAMS, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{command[0]} ended with {done.returncode}.")
    return done.stdout


def manage(data: str, *words: str) -> str:
    return run(sys.executable, "manage.py", *words, DATA_DIR=data)


@contextmanager
def portal() -> Iterator[tuple[str, str]]:
    """A portal with demo chargers, in a directory of its own: its address and that directory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="chargeyard-clients-") as data:
        command = [sys.executable, "manage.py", "up", "--demo", "--port", str(port), "--data-dir", data]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process)
            yield url, data
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit("The portal did not start.")


def make_python() -> None:
    """No warning but that of a part that was left out: each would be a hole in the client."""
    said = run(
        sys.executable, "-m", "openapi_python_client", "generate", "--path", SCHEMA,
        "--output-path", CLIENTS / "python" / "chargeyard", "--meta", "none", "--overwrite",
        "--config", HERE / "python.yml",
    )  # fmt: skip
    if "Unable to" in said or "Cannot" in said or "WARNING" in said:
        raise SystemExit(f"{said}\nThe Python client has holes.")


def try_python(url: str, key: str) -> None:
    program = (sys.executable, HERE / "smoke.py")
    sys.stdout.write(run(*program, PORTAL=url, KEY=key, PYTHONPATH=str(CLIENTS / "python")))


def make_typescript() -> None:
    TYPESCRIPT.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "tsconfig.json", "smoke.ts"):
        (TYPESCRIPT / name).write_bytes((HERE / name).read_bytes())
    packages = TYPESCRIPT / "node_modules"
    packages.symlink_to(HERE / "node_modules")
    programs = packages / ".bin"
    words = ("--output", "chargeyard.d.ts", "--default-non-nullable", "false")
    run(programs / "openapi-typescript", SCHEMA, *words, cwd=TYPESCRIPT)
    run(programs / "tsc", cwd=TYPESCRIPT)


def try_typescript(url: str, key: str) -> None:
    sys.stdout.write(run("node", "smoke.js", cwd=TYPESCRIPT, PORTAL=url, KEY=key))


def main() -> int:
    shutil.rmtree(CLIENTS, ignore_errors=True)
    CLIENTS.mkdir()
    with portal() as (url, data):
        manage(data, "spectacular", "--format", "openapi-json", "--file", str(SCHEMA))
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        made = manage(data, "create_api_key", "--organization", "demo", "--name", "clients", *scopes)
        key = made.strip().splitlines()[-1]
        make_python()
        try_python(url, key)
        make_typescript()
        try_typescript(url, key)
    return 0


if __name__ == "__main__":
    sys.exit(main())
