"""Many runs that belong together: a series of one recipe, or a comparison of two. What was asked for, in a folder.

The folder lies beside those of its runs and has one file, group.json. A run's record says to which group it belongs:
`settings["group"]` has `kind`, `id` and `side`.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from fastcifar.data import Dataset
from fastcifar.making import new_folder
from fastcifar.reading import parse_json, read_text
from fastcifar.train.device import resolve_device
from fastcifar.train.images import check_same_images
from fastcifar.train.recipe.recipe import Recipe
from fastcifar.train.record.guarded import DATASET, SETTINGS, as_record, check_keys
from fastcifar.train.record.record import RecordError, RunFolder
from fastcifar.train.result import Result
from fastcifar.train.run import RunSettings, check_run, load_result
from fastcifar.train.step.ways import resolve_step
from fastcifar.typed import check_types

FILE = "group.json"
KINDS = {"runs": ("",), "compare": ("A", "B")}  # the sides of each
COMMANDS = {"runs": "train", "compare": "compare"}
ENDED = ("finished", "stopped", "diverged")


@dataclass(frozen=True, kw_only=True)
class Side:
    """A recipe and its name. changed: the fields that are not as in the recipe at `source`, a name or a JSON file."""

    name: str
    recipe: Recipe
    changed: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """What was asked for.

    kind: a key of KINDS. sides: by "A" and "B"; one recipe by "".
    settings: what `train` takes for each run, but for `out` and `group`.
    dataset: name and fingerprint of the images.
    seed: the first; runs: of each side, with the seeds from there on.
    extended: numbers of runs asked for earlier; all of those had ended when more were asked for.
    delta, target: of the comparison, of the series; shares of 1.
    path: the group's folder; None keeps nothing on disk.
    """

    kind: str
    sides: Mapping[str, Side]
    settings: RunSettings
    dataset: Mapping[str, str]
    seed: int
    runs: int
    extended: tuple[int, ...] = ()
    delta: float | None = None
    target: float | None = None
    started: str = ""
    path: Path | None = None

    @property
    def id(self) -> str | None:
        return None if self.path is None else self.path.name

    def turns(self) -> list[tuple[str, int]]:
        """Which side runs with which seed, in order."""
        return list(turns(self.runs, self.seed, KINDS[self.kind]))

    def run_settings(self, side: str) -> RunSettings:
        """What `train` takes for the runs of a side."""
        if self.path is None:
            return {**self.settings, "out": None}
        group = {"kind": self.kind, "id": self.path.name, "side": side}
        return {**self.settings, "out": self.path.parent, "group": group}

    def found(self) -> dict[tuple[str, int], Result]:
        """The runs that are on disk, by side and seed; one that has ended before one that has not."""
        found: dict[tuple[str, int], Result] = {}
        for result in [] if self.path is None else _members(self.path):
            turn = (result.settings["group"].get("side", ""), result.seed)
            if turn not in found or found[turn].status not in ENDED:
                found[turn] = result
        return found

    def asked(self, runs: int | None = None, delta: float | None = None, target: float | None = None) -> "Group":
        """The same with more runs, another delta or target. Raises ValueError for fewer runs than have begun."""
        found = self.found()
        begun = max((seed - self.seed + 1 for _, seed in found), default=0)
        runs = self.runs if runs is None else runs
        if runs < begun:
            raise ValueError(f"--runs: {begun} have begun, so {runs} are too few")
        all_ended = all(turn in found and found[turn].status in ENDED for turn in self.turns())
        return replace(
            self,
            runs=runs,
            extended=(*self.extended, self.runs) if runs > self.runs and all_ended else self.extended,
            delta=self.delta if delta is None else delta,
            target=self.target if target is None else target,
        )

    def check_images(self, dataset: Dataset) -> None:
        """Raise ValueError where these are not the images that the group began with."""
        check_same_images(self.path, self.dataset, dataset)

    def save(self) -> None:
        """Replace the record."""
        if self.path is not None:
            RunFolder(self.path).write_json(self.to_dict(), FILE)

    @contextmanager
    def held(self) -> Iterator[RunFolder | None]:
        """Hold the folder for this process. Raises RecordError where another holds it."""
        if self.path is None:
            yield None
            return
        folder = RunFolder(self.path)
        with folder.locked():
            yield folder

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        sides = {
            which: {
                "name": side.name,
                "source": side.source,
                "changed": dict(side.changed),
                "recipe": side.recipe.to_dict(),
            }
            for which, side in self.sides.items()
        }
        names = "kind settings dataset seed runs extended delta target started".split()
        return {"schema": 1, "id": self.id, "sides": sides, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], path: Path) -> "Group":
        """Read what `to_dict` gave. Raises KeyError, TypeError or ValueError for anything else."""
        if document["kind"] not in KINDS or set(document["sides"]) != set(KINDS[document["kind"]]):
            raise ValueError(f"kind {document['kind']!r} with the sides {list(document['sides'])}")
        sides = {
            which: Side(
                name=side["name"],
                recipe=Recipe.from_dict(side["recipe"]),
                changed=side["changed"],
                source=side.get("source"),
            )
            for which, side in document["sides"].items()
        }
        names = "kind settings dataset seed runs delta target started".split()
        values = {name: document[name] for name in names}
        return cls(path=path, sides=sides, extended=tuple(document["extended"]), **values)


def begin(kind: str, sides: Mapping[str, Side], dataset: Dataset, settings: RunSettings, **asked: Any) -> Group:
    """A new group, with a folder where `settings` has `out`. asked: further fields of Group.

    Device and step are settled here, so that a later session on another machine does not choose others.
    Raises ValueError for sides of different datasets, and what `train` raises before anything is kept.
    """
    names = [side.recipe.dataset for side in sides.values()]
    if len(set(names)) > 1:
        raise ValueError(f"dataset: A is for {names[0]}, B for {names[1]}; both need the same images")
    init, every = settings.get("init"), settings.get("checkpoint_every")
    for side in sides.values():
        check_run(side.recipe, dataset, split=settings.get("split", "test"), init=init, checkpoint_every=every)
    settled, out = _settled(settings), settings.get("out")
    group = Group(
        kind=kind,
        sides=sides,
        settings=settled,
        dataset={"name": dataset.name, "fingerprint": dataset.fingerprint},
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        path=None if out is None else _make_folder(Path(out), kind, sides),
        **asked,
    )
    group.save()
    return group


def is_group(path: Path) -> bool:
    """Whether the folder is that of a group."""
    return (path / FILE).exists()


def load_group(path: Path) -> Group:
    """Read the record of a group. Raises RecordError where the folder has none, or it is damaged."""
    file = path / FILE
    try:
        text = read_text(file)
    except OSError as error:
        raise RecordError(
            f"{path} is no series of runs and no comparison: {FILE} cannot be read ({error.strerror})"
        ) from None
    with as_record(file):
        group = Group.from_dict(parse_json(text, str(file)), path)
        check_types(group)
        for side in group.sides.values():
            check_types(side)
        check_keys(group.dataset, DATASET, "dataset")
        check_keys(group.settings, SETTINGS, "settings")
    return group


def turns(runs: int, seed: int, sides: tuple[str, ...] = KINDS["compare"]) -> Iterator[tuple[str, int]]:
    """Which side runs with which seed, in order: A B, B A, A B, ..."""
    for i in range(runs):
        for which in sides if i % 2 == 0 else reversed(sides):
            yield which, seed + i


def _settled(settings: RunSettings) -> RunSettings:
    """The settings as they are kept, for all sessions."""
    device, init = resolve_device(settings.get("device", "auto")), settings.get("init")
    kept = {name: value for name, value in settings.items() if name not in ("out", "group")}
    step = resolve_step(settings.get("step", "auto"), device)
    where = None if init is None else str(Path(init).absolute())
    return cast(RunSettings, {**kept, "device": str(device), "step": step, "init": where})


def _make_folder(out: Path, kind: str, sides: Mapping[str, Side]) -> Path:
    try:
        return new_folder(out, f"{kind}-{next(iter(sides.values())).name}")
    except OSError as error:
        raise RecordError(f"cannot write to the output folder {out}: {error.strerror}") from error


def _members(path: Path) -> list[Result]:
    """The runs beside the folder `path` whose records name it, by seed."""
    members = []
    for folder in sorted(path.parent.iterdir()):
        try:
            if path.name not in (folder / "run.json").read_text(encoding="utf-8"):
                continue
            result = load_result(folder)
        except (OSError, RecordError):  # no run, or a damaged one, which can neither be counted nor gone on with
            continue
        group = result.settings.get("group")
        if isinstance(group, dict) and group.get("id") == path.name:
            members.append(result)
    return sorted(members, key=lambda result: result.seed)
