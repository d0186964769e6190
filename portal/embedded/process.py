"""How children are started: in a session of their own, as the right system user, ending with us."""

import contextlib
import importlib.util
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

LAUNCHER = Path(__file__).with_name("launcher.py")
SERVICE_ACCOUNTS = ("chargeyard", "postgres", "daemon", "nobody")
STEP_SECONDS = 0.05
FAMILY_SECONDS = 5
RUN_SECONDS = 10


class ServerFailed(Exception):
    """A server does not start or answer; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user whom root starts the servers as; PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int


def wheel_directory(package: str) -> Path:
    """Where a wheel lies, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ServerFailed(f"The Python package {package} is not installed.")
    return Path(found.submodule_search_locations[0])


def service_account(existing: Path) -> Account | None:
    """Owner of ``existing`` when there is one, else the first known service user; None without root."""
    if os.geteuid() != 0:
        return None
    try:
        owner = existing.stat().st_uid
    except FileNotFoundError:
        owner = 0
    if owner:
        return Account(account_name(owner), owner, pwd.getpwuid(owner).pw_gid)
    for name in SERVICE_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ServerFailed(f"Running as root needs one of these system users: {', '.join(SERVICE_ACCOUNTS)}.")


def account_name(uid: int) -> str:
    """Raises :class:`ServerFailed` for a user without an account: PostgreSQL asks for its name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ServerFailed(
            f"PostgreSQL needs a user with a name, and this system has none with the id {uid}: "
            f"add one (useradd --uid {uid} chargeyard), or give the address of a database in DATABASE_URL."
        ) from None


def private_directory(path: Path, account: Account | None) -> None:
    """Make the directory and keep all but the servers' user out."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)


def spawn(
    command: list[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    account: Account | None = None,
    needs: Iterable[Path] = (),
    output: IO[bytes] | int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | str = "/",
) -> subprocess.Popen[bytes]:
    """Start a child that gets ``death_signal`` when this process dies, however that happens.

    ``needs`` are paths the child must reach although ``account`` may be shut out of their parents
    (a checkout under a 0700 home); only then it keeps the capability to pass closed directories.
    Errors go where the output goes, unless that is a pipe.
    """
    if account:
        command = [*_as_account(account, needs, death_signal), *command]
    else:
        parent = [str(os.getpid()), str(int(death_signal))]
        command = [sys.executable, "-I", "-S", str(LAUNCHER), *parent, *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output in {None, subprocess.PIPE} else subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def run(command: list[str], **options: Any) -> tuple[int, str]:
    """Run to the end, with the options of :func:`spawn`; exit code and what it printed.

    Whatever interrupts the wait ends the child first: it may need a server that is stopped next.
    """
    child = spawn(command, output=subprocess.PIPE, **options)
    try:
        printed, _ = child.communicate()
    except BaseException:
        stop(child, signal.SIGTERM, RUN_SECONDS)
        raise
    return child.returncode, printed.decode(errors="replace")


def stop(child: subprocess.Popen[bytes], number: signal.Signals, patience_s: float) -> None:
    """Send the signal, wait for the child and its own children, and kill what does not end."""
    if child.poll() is not None:
        return
    family = descendants(child.pid)
    child.send_signal(number)
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    see_off(family)


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def see_off(family: list[psutil.Process], patience_s: float = FAMILY_SECONDS) -> None:
    """Wait a little for processes whose parent has ended, then kill them."""
    _, staying = psutil.wait_procs(family, timeout=patience_s)
    for process in staying:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def left_over(pid: int, program: str, home: Path) -> psutil.Process | None:
    """The running process of that id, if it is ``program`` working in ``home``; ids are used again."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or program not in process.name():
            return None
        return process if Path(process.cwd()).samefile(home) else None
    except (psutil.Error, OSError, ValueError):
        return None


def end(process: psutil.Process, number: signal.Signals, patience_s: float) -> None:
    """Stop a process that is not our child."""
    try:
        process.send_signal(number)
        process.wait(patience_s)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        raise ServerFailed(
            f"{process.name()} (process {process.pid}) of an earlier start does not end."
        ) from None


def until(deadline_s: float, child: subprocess.Popen[bytes]) -> Iterable[None]:
    """Steps of a wait: ends when time is over or the child has ended."""
    ends_at = time.monotonic() + deadline_s
    while time.monotonic() < ends_at and child.poll() is None:
        yield
        time.sleep(STEP_SECONDS)


def _as_account(account: Account, needs: Iterable[Path], death_signal: signal.Signals) -> list[str]:
    words = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    if not all(_open_to(account, path) for path in needs):
        # initdb asks access(2), which looks at capabilities of another user only with this bit set
        words += ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*words, f"--pdeathsig={death_signal.name.removeprefix('SIG')}", "--"]


def _open_to(account: Account, path: Path) -> bool:
    """Whether the account may read the path and enter all directories above it."""

    def allowed(place: Path, bits: int) -> bool:
        status = place.stat()
        return (status.st_mode >> (6 if status.st_uid == account.uid else 0)) & bits == bits

    resolved = path.resolve()
    return allowed(resolved, 0o5) and all(allowed(parent, 0o1) for parent in resolved.parents)
