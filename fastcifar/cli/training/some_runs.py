"""Compares existing runs: reads them, checks that they are comparable, and prints what they are."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from fastcifar.cli.banner import different_fields, images, machine, notices, set_text
from fastcifar.cli.parsing.flags import found_under
from fastcifar.cli.training.summary import comparison_lines
from fastcifar.names import counted
from fastcifar.train import Comparison, Result, compare_results, load_result
from fastcifar.train.comparing.advice import advice
from fastcifar.train.comparing.alike import check_comparable, check_one_recipe, device_kinds, mixed, mixed_line
from fastcifar.train.comparing.group import is_group, load_group


def read_runs(out: Path, names: Iterable[Iterable[str]], flag: str) -> list[Result]:
    """The runs that a flag names, by folder or by id under `out`; a series stands for its runs.

    Raises ValueError if they have different recipes, FileNotFoundError and RecordError if there is no run.
    """
    results: dict[str, Result] = {}
    for name in chain.from_iterable(names):
        for result in _read(found_under(out, name), flag):
            assert result.id is not None
            results[result.id] = result
    found = list(results.values())
    if not found:
        raise ValueError(f"{flag}: there are no runs in it")
    check_one_recipe(found, flag)
    return found


def _read(path: Path, flag: str) -> list[Result]:
    if not is_group(path):
        return [load_result(path)]
    group = load_group(path)
    if group.kind == "compare":
        raise ValueError(f"{flag}: {path} is a comparison, whose runs are of two recipes; name runs, or a series")
    return list(group.found().values())


def compare_runs(results: Mapping[str, Sequence[Result]], delta: float | None) -> tuple[Comparison, list[str]]:
    """The comparison of A and B, and its printed lines. Raises ValueError if they are not comparable."""
    a, b = results["A"], results["B"]
    both = {one.id for one in a} & {one.id for one in b}
    if both:
        raise ValueError(f"--with: {min(map(str, both))} is of A, too")
    every = [*a, *b]
    check_comparable(every)
    kinds = device_kinds(every)
    comparison = compare_results(a, b, delta, times=len(kinds) == 1)
    more = [line for line in (_left_out(results), mixed_line(mixed(every))) if line]
    if len(kinds) > 1:
        more.append(f"times are not compared: the runs were made on {' and '.join(kinds)}")
    lines = comparison_lines(comparison, max(map(len, results.values())), more, advice(comparison, results))
    return comparison, [_banner(a[0], b[0]), *lines, *notices(a[0].dataset)]


def _banner(a: Result, b: Result) -> str:
    fields = set_text(different_fields(a.recipe, b.recipe))
    where = machine(a) if machine(a) == machine(b) else f"A on {machine(a)}, B on {machine(b)}"
    return f"A: {a.recipe_name}; B: {b.recipe_name}{fields}\non {images(a)}; {where}"


def _left_out(results: Mapping[str, Sequence[Result]]) -> str:
    """The runs without a partner of the same seed."""
    seeds = {which: {one.seed for one in there} for which, there in results.items()}
    alone = [
        f"{counted(len(own), 'seed')} of {which} alone ({', '.join(map(str, sorted(own)))})"
        for which, own in (("A", seeds["A"] - seeds["B"]), ("B", seeds["B"] - seeds["A"]))
        if own
    ]
    return f"left out: {' and '.join(alone)}" if alone else ""
