"""Signals to this process, for tests."""

import os
import time

from fastcifar import stopping


def send(number):
    """Send this process a signal, and wait until it is heard of."""
    before = stopping._current.asked
    os.kill(os.getpid(), number)
    until = time.monotonic() + 20
    while stopping._current.asked == before:
        assert time.monotonic() < until
        time.sleep(0.001)
