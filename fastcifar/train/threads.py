"""How many threads a CPU computes with: what is asked for, what pays on a busy machine, what a resume keeps."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median

import torch

from fastcifar.machine import check_threads, cores
from fastcifar.names import counted

ENOUGH = 1.5  # times as fast fewer threads have to be than all: a measurement on a busy machine says no less
CROWD = 4  # threads a core; with more a run hardly gets on
SIDE = 384  # of the matrices: a product takes about a millisecond, as most parts of a training step do
ROUNDS = 16


@contextmanager
def using_threads(number: int | None) -> Iterator[None]:
    """Let torch compute with so many threads inside, and with as many as before afterwards; None changes nothing."""
    check_threads(number)
    before = torch.get_num_threads()
    if number is None or number == before:
        yield
        return
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(rates: Mapping[int, float]) -> int:
    """The number of threads to use: the most, or the fastest of fewer that are at least ENOUGH times as fast.

    rates: FLOP/s by number of threads.
    """
    most, best = max(rates), max(rates, key=lambda number: rates[number])
    return best if rates[best] >= ENOUGH * rates[most] else most


def candidates(most: int) -> list[int]:
    """Numbers of threads to measure: one, a half, all."""
    return sorted({1, max(1, most // 2), most})


def measured_rates(numbers: Sequence[int]) -> dict[int, float]:
    """FLOP/s of a matrix product with each number of threads, medians; they take turns. Some tens of milliseconds."""
    a = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    out, times = torch.empty_like(a), {number: list[float]() for number in numbers}
    for turn in range(ROUNDS + 1):
        for number in numbers:
            with using_threads(number):
                began = time.perf_counter()
                torch.mm(a, a, out=out)
                if turn:  # the first starts the threads
                    times[number].append(time.perf_counter() - began)
    return {number: 2 * SIDE**3 / median(seconds) for number, seconds in times.items()}


def fitting_threads(
    most: int | None = None, rates: Callable[[Sequence[int]], Mapping[int, float]] = measured_rates
) -> tuple[int, str]:
    """The number of threads that pays now, and what there is to say of it: nothing, or that the machine is busy.

    most: by default what torch has, or the cores that this process may use where those are fewer.
    rates: what measures.
    """
    most = min(torch.get_num_threads(), cores()) if most is None else most
    if most == 1:
        return 1, ""
    found = rates(candidates(most))
    number = choose_threads(found)
    if number == most:
        return most, ""
    does = "thread does" if number == 1 else "threads do"
    return number, (
        f"the machine is busy: {number} {does} {found[number] / found[most]:.1f} times what {most} do; "
        f"using {number} (--threads {most} to insist)"
    )


def kept_threads(recorded: int) -> tuple[int, str]:
    """The number of threads of a run that is taken up again, and what there is to say of it.

    The recorded one, which gives the same figures; the cores that are here where it is more than CROWD times as many.
    """
    here = cores()
    if recorded <= CROWD * here:
        return recorded, ""
    return here, (
        f"it was begun with {counted(recorded, 'thread')}, but there {'is' if here == 1 else 'are'} only "
        f"{counted(here, 'core')} here: it goes on with {here}, and may end with slightly other figures"
    )
