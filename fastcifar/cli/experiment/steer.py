"""The actions that change what an experiment does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from fastcifar.cli.experiment.flags import ID, OptionalID, Telling, one_or_all, say
from fastcifar.cli.parsing.flags import Count, SpaceName, Time

ANSWER = 10.0  # seconds in which a running experiment answers; ending a command takes 5


@dataclass(frozen=True, kw_only=True)
class Stop(Telling):
    """Let a running experiment end after its running trials, and wait until it has."""

    id: OptionalID = None
    """Its id, or the beginning of it."""
    all: bool = False
    """All that run."""
    now: bool = False
    """End the running trials, too; `resume` runs them again."""
    wait: Annotated[str, arg(metavar="TIME")] = "60s"
    """How long to wait."""

    def run(self) -> int:
        from fastcifar.experiment.control import stop
        from fastcifar.experiment.store.listing import folders
        from fastcifar.experiment.store.store import StoreError
        from fastcifar.lock import in_use
        from fastcifar.rules import seconds

        one_or_all(self.id, self.all)
        patience = seconds(self.wait, "--wait")
        if self.all:
            found = [folder for folder in folders(self.out) if in_use(folder)]
            if not found:
                say(f"no experiment under {self.out} runs")
        else:
            found = [self.folder(self.id)]
            if not in_use(found[0]):
                raise StoreError(f"{found[0].name} does not run")
        left = stop(found, patience, self.now)
        hint = "" if self.now else "; --now ends them"
        lines, done = [], []
        for folder in found:
            on = None if folder in left else _going_on(folder)
            done.append({"id": folder.name, "stopped": on is not None, "resume": on})
            still = f"asked to stop, but it still ends its running trials after {patience:g} s{hint}"
            lines.append(f"{folder.name}: {still if on is None else f'stopped; go on with: {on}'}")
        if found or self.json:
            self.tell("\n".join(lines), done)
        return 1 if left else 0


def say_shares(folder: Path) -> None:
    """Say what becomes of the space's numbers of epochs, where the recipe has other epochs than they are for."""
    from fastcifar.experiment.store.reader import Reader

    spec = Reader(folder).spec()
    if spec.recipe is not None:
        from fastcifar.experiment.objectives.training.trial_recipe import shares_text
        from fastcifar.search import Space

        text = shares_text(Space.from_dict(spec.space), spec.recipe["total_epoch"])
        if text is not None:
            say(text)


def _going_on(folder: Path) -> str:
    """What resumes the experiment in a folder."""
    from fastcifar.experiment.store.reader import Reader
    from fastcifar.experiment.store.store import StoreError

    try:
        meta = Reader(folder).meta()
    except StoreError:
        return "the version of fastcifar that made it"
    if "supernet" in meta:
        return f"fastcifar supernet search --resume {folder}"
    if all(meta["spec"][what] is None for what in ("recipe", "function", "command", "supernet")):
        return "the program that made it"
    return f"fastcifar experiment resume {folder}"


@dataclass(frozen=True, kw_only=True)
class Kill(Telling):
    """End a running trial."""

    id: ID
    """The experiment's id, or the beginning of it."""
    trial: Annotated[int, arg(metavar="N")]
    """The trial's number."""

    def run(self) -> int:
        from fastcifar.experiment.control import kill
        from fastcifar.experiment.store.store import RUNNING

        row = kill(self.folder(self.id), self.trial, ANSWER)
        done = {"trial": row.number, "state": row.state, "message": row.message}
        if row.state == RUNNING:
            self.tell(f"trial {row.number}: asked to end, but it still runs after {ANSWER:g} s", done)
            return 1
        self.tell(f"trial {row.number}: {row.state}" + (f": {row.message}" if row.message else ""), done)
        return 0


@dataclass(frozen=True, kw_only=True)
class Update(Telling):
    """Change an experiment's limits while it runs or before it is resumed."""

    id: ID
    """Its id, or the beginning of it."""
    trials: Count = None
    """How many to run in all."""
    duration: Time = None
    """How long to search in all, e.g. 45m or 2h."""
    concurrency: Count = None
    """Trials beside each other."""
    max_failures: Count = None
    """Trials that fail in a row from the start of a session, after which the search ends; 0 is never."""
    space: SpaceName = None
    """Another search space, by name or a JSON file, which every trial so far must fit; only where it does not run."""

    def run(self) -> int:
        from fastcifar.experiment.control import update
        from fastcifar.search.spaces.named import find_space

        limits = self._limits()
        if not limits and self.space is None:
            flags = "--trials, --duration, --concurrency, --max-failures or --space"
            raise ValueError(f"{flags} is needed: what is to change")
        space = None if self.space is None else find_space(self.space)[1]
        folder = self.folder(self.id)
        answered = update(folder, limits, space, ANSWER, str(self.space))
        done = {"id": folder.name, "changed": answered, **limits} | ({} if space is None else {"space": space})
        if not answered:
            self.tell(f"{folder.name}: asked for the change, but it has not answered after {ANSWER:g} s", done)
            return 1
        if space is not None:
            say_shares(folder)
        changed = [f"{name} {value:g}" for name, value in limits.items()] + ["space"] * (space is not None)
        self.tell(f"{folder.name}: changed {', '.join(changed)}", done)
        return 0

    def _limits(self) -> dict[str, Any]:
        from fastcifar.rules import seconds

        limits: dict[str, Any] = {}
        for name, least in (("trials", 1), ("concurrency", 1), ("max_failures", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag}: a whole number at least {least} is needed, not {value}")
            limits |= {} if value is None else {name: value}
        return limits | ({} if self.duration is None else {"seconds": seconds(self.duration, "--duration")})
