"""Chooses the subcommand, and turns errors into one line and an exit code.

Results go to stdout, progress and warnings to stderr. Exit 0 done, 1 failed, 2 bad usage, 130 interrupted.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes

from fastcifar import __version__
from fastcifar.cli.experiment import Experiments
from fastcifar.cli.inspect import Data, Graph
from fastcifar.cli.parsing.actions import Command, any_of, with_default
from fastcifar.cli.parsing.mistakes import Mistake, check_words
from fastcifar.cli.runs import Runs
from fastcifar.cli.search import Search
from fastcifar.cli.shipped import Recipes, Spaces
from fastcifar.cli.supernet import Supernets
from fastcifar.cli.training.compare import Compare
from fastcifar.cli.training.train import Train
from fastcifar.errors import Failure, Notice
from fastcifar.machine import short_waits
from fastcifar.stopping import INTERRUPTED, stoppable

COMMANDS: dict[str, Any] = {
    "train": Train,
    "compare": Compare,
    "search": Search,
    "experiment": Experiments,
    "supernet": Supernets,
    "recipes": Recipes,
    "spaces": Spaces,
    "runs": Runs,
    "graph": Graph,
    "data": Data,
}


def main() -> None:
    """Run the command line and exit."""
    short_waits(os.environ)  # before a command loads torch
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # None where it was closed from the start
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8
    code = run(sys.argv[1:])
    try:
        if sys.stdout is not None:  # it may have been closed from the start
            sys.stdout.flush()
    except OSError as error:
        print(f"fastcifar: stdout: {error}", file=sys.stderr)
        _forget_stdout()
        code = 1
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line; return its exit code. Raises SystemExit for --help (0) and for wrong flags (2)."""
    if arguments == ["--version"]:
        print(f"fastcifar {__version__}")
        return 0
    arguments = with_default(arguments, "runs", "list")
    try:
        check_words(arguments, COMMANDS)
    except Mistake as mistake:
        print(f"fastcifar: {mistake}", file=sys.stderr)
        raise SystemExit(2) from None
    try:
        command = _parse(arguments)
    except BrokenPipeError:  # of --help
        _forget_stdout()
        return 1
    with stoppable(leaves=True):
        return _run(command)


def _run(command: Command) -> int:
    """Run the subcommand; return its exit code, also for an exception."""
    try:
        with _notices():
            return command.run()
    except KeyboardInterrupt:
        print("fastcifar: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has gone
        _forget_stdout()
        return 1
    except Exception as error:
        if command.debug:
            raise
        known = isinstance(error, (Failure, ValueError, OSError))
        message = str(error) if known else f"unexpected {type(error).__name__}: {error}; --debug shows where"
        print(f"fastcifar: {message}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) and not isinstance(error, Failure) else 1


def _parse(arguments: list[str]) -> Command:
    command: Command = tyro.cli(
        any_of(COMMANDS),
        prog="fastcifar",
        description="Train CIFAR networks in seconds, and measure them so that you can trust the answer. "
        "--version says which this is.",
        args=arguments,
        config=(FlagCreatePairsOff, OmitArgPrefixes),
    )
    return command


@contextmanager
def _notices() -> Iterator[None]:
    """Print each Notice as one line, without the code location that Python adds to warnings."""
    show = warnings.showwarning

    def one_line(message: Any, category: Any, *place: Any, **more: Any) -> None:
        if issubclass(category, Notice):
            print(f"fastcifar: {message}", file=sys.stderr)
        else:
            show(message, category, *place, **more)

    warnings.showwarning = one_line
    try:
        yield
    finally:
        warnings.showwarning = show


def _forget_stdout() -> None:
    """Discard the output buffer; otherwise the interpreter complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
