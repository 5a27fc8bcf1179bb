"""Makes the runs of a series or a comparison, prints them, and says how to resume."""

import sys
from itertools import chain
from json import dumps
from pathlib import Path

from fastcifar.cli.banner import banner, comparison_banner, seeds_text
from fastcifar.cli.training.runs_view import RunsView
from fastcifar.cli.training.summary import comparison_lines, group_lines, run_lines
from fastcifar.data import Dataset
from fastcifar.errors import Failure
from fastcifar.stopping import last_words
from fastcifar.train import Result, resolve_device
from fastcifar.train.comparing.advice import advice
from fastcifar.train.comparing.alike import mixed, mixed_line
from fastcifar.train.comparing.comparison import compare_results
from fastcifar.train.comparing.documents import comparison_document, runs_document
from fastcifar.train.comparing.group import COMMANDS, Group, is_group, load_group
from fastcifar.train.comparing.many import summarise
from fastcifar.train.comparing.series import run_group
from fastcifar.train.record.provenance import provenance


def find_group(path: Path, kind: str) -> Group:
    """The group in the folder. Raises ValueError if it belongs to another command."""
    if not is_group(path) and (path / "run.json").exists():
        raise ValueError(f"--resume: {path} is one run; fastcifar train --resume goes on with it")
    group = load_group(path)
    if group.kind != kind:
        raise ValueError(f"--resume: fastcifar {COMMANDS[group.kind]} --resume {path} resumes this one")
    return group


def resume_many(group: Group, data_dir: Path | None, as_json: bool) -> int:
    """Resume the group; first print what differs from earlier sessions."""
    from fastcifar.data import load

    dataset = load(next(iter(group.sides.values())).recipe.dataset, data_dir)
    here = provenance(resolve_device(group.settings["device"]))
    differences = mixed_line(mixed(group.found().values(), here))
    if differences:
        print(differences, file=sys.stderr)
    return run_many(group, dataset, as_json)


def run_many(group: Group, dataset: Dataset, as_json: bool) -> int:
    """Make the runs; summarise those that have ended, also after an error. Return the exit code: 1 if some diverged."""
    view = RunsView(
        [which for which, _ in group.turns()],
        lambda result: _banner(group, result),
        views=any(side.recipe.tta != "none" for side in group.sides.values()),
        quiet=as_json,
    )
    early: BaseException | None = None
    going_on = f"go on with: fastcifar {COMMANDS[group.kind]} --resume {group.path}"
    last_words(lambda: going_on)
    try:
        run_group(
            group,
            dataset,
            hooks=lambda which, seed: view.hooks(),
            on_run=lambda which, result: view.ran(result),
            on_estimate=view.expect,
        )
    except (KeyboardInterrupt, Failure) as error:
        begun = view.ended_early()
        if group.path is not None and is_group(group.path):  # it may have been deleted
            print(going_on, file=sys.stderr)
        if not begun:
            raise
        early = error
    diverged = tell(group, view, early)
    if early is not None:
        raise early
    print(f"record: {group.path}", file=sys.stderr)
    return 1 if diverged else 0


def _banner(group: Group, result: Result) -> str:
    if group.kind == "compare":
        return comparison_banner(group, result)
    return banner(result, seeds_text(group), group.sides[""].changed)


def tell(group: Group, view: RunsView, early: BaseException | None) -> bool:
    """Print the summary; return whether some runs diverged. early: what ended the series before its last run."""
    results = view.results
    more = group_lines(group, chain.from_iterable(results.values()))
    if group.kind == "compare":
        comparison = compare_results(results["A"], results["B"], group.delta)
        if view.quiet:
            print(dumps(comparison_document(results, comparison, group, early), indent=2))
        else:
            view.end(comparison_lines(comparison, group.runs, more, advice(comparison, results)))
        return bool(comparison.a.diverged or comparison.b.diverged)
    summary = summarise(results[""], group.target)
    if view.quiet:
        print(dumps(runs_document(group, results[""], summary, early), indent=2))
    else:
        view.end([*more, *run_lines(summary, group.runs)])
    return bool(summary.diverged)
