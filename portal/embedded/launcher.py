"""Become another program that is signalled when its parent dies: ``launcher.py PARENT SIGNAL PROGRAM ...``.

Run as a script of its own, because code between fork and exec is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, number: int) -> None:
    """Ask the kernel to send signal ``number`` when the parent dies (Linux; elsewhere nothing)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before we could ask
        os.kill(os.getpid(), number)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]), int(sys.argv[2]))
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execvp(sys.argv[3], sys.argv[3:])
