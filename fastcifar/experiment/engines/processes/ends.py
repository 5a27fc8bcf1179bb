"""How a process ends: with its driver, and how that is told."""

import ctypes
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def death_with_parent() -> Callable[[], None]:
    """What a child calls to be killed when its parent's thread ends; on Linux only, elsewhere it does nothing.

    Made in the parent: between fork and exec a child must not load anything.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))

    return ask


def how_it_ended(code: int) -> str:
    """`exit code 3`, or `signal 9 (Killed)` for a negative number, as Popen has it."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"
