"""The command `fastcifar compare`."""

from dataclasses import dataclass, replace
from json import dumps
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from fastcifar.cli.parsing.flags import Count, Settings, absent, found_under, parse_settings, refuse_others
from fastcifar.cli.training.run_flags import RunFlags

if TYPE_CHECKING:
    from fastcifar.data import Dataset
    from fastcifar.train.comparing.group import Group, Side

PAIRS = 5  # default of --runs
RunNames = UseAppendAction[Annotated[tuple[tuple[str, ...], ...], arg(metavar="RUN ...")]]


@dataclass(frozen=True, kw_only=True)
class Compare(RunFlags):
    """Train two recipes in turn with the same seeds, and judge whether B is better than A, and faster.

    The flags hold for both, --set-b for B alone: `compare A --set-b flip=none` measures the effect of a field.
    """

    a: Positional[Annotated[str | None, absent("[A]")]] = None
    """A named recipe or a JSON file."""
    b: Positional[Annotated[str | None, absent("[B]")]] = None
    """The other recipe; by default A again, with the values of --set-b."""
    runs: Count = None
    """Runs of each, at least 3, with seeds starting at --seed; by default 5. With --resume: the total."""
    delta: Annotated[float | None, absent("POINTS")] = None
    """A difference that matters, in points of accuracy, e.g. 0.2; prints how many runs would find it."""
    set_b: Settings = ()
    """Values for fields of B alone, e.g. --set-b flip=alternating."""
    null: bool = False
    """Compare a recipe with itself, to measure chance and the machine; without this flag A and B must differ."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """The first pair's seed, which decides weights, order and augmentation."""
    resume: Annotated[str | None, absent("ID")] = None
    """Resume this comparison (its folder, or its id under --out), with its own settings; --runs asks for more."""
    of: RunNames = ()
    """Instead of training, compare these runs (folders, or ids under --out) as A with those of --with as B."""
    with_: Annotated[RunNames, arg(name="with")] = ()
    """The runs for B, with the seeds of A's."""
    json: bool = False
    """Print one JSON document instead of the tables."""

    def run(self) -> int:
        from fastcifar.cli.training.many import resume_many, run_many
        from fastcifar.train.comparing.comparison import check_request
        from fastcifar.train.comparing.group import begin

        if self.of or self.with_:
            return self._of_runs()
        runs = PAIRS if self.runs is None and self.resume is None else self.runs
        delta = None if self.delta is None else self.delta / 100
        check_request(runs, delta)  # before the images are looked for, as the settings
        if self.resume is not None:
            return resume_many(self._found().asked(runs, delta), self.data_dir, self.json)
        settings = self.settings()
        sides, dataset = self._pair()
        group = begin("compare", sides, dataset, settings, seed=self.seed, runs=runs, delta=delta)
        return run_many(group, dataset, self.json)

    def _found(self) -> "Group":
        from fastcifar.cli.training.many import find_group

        allowed = {"resume", "runs", "delta", "out", "data_dir", "json", "debug"}
        refuse_others(self, allowed, "--resume: a comparison goes on with its own recipes and settings")
        assert self.resume is not None
        return find_group(found_under(self.out, self.resume), "compare")

    def _pair(self) -> "tuple[dict[str, Side], Dataset]":
        """Both sides and their images."""
        from fastcifar.train.recipe.rules import check_differ, check_used

        if self.a is None:
            raise ValueError("A: a recipe is needed, e.g. resnet9-tiny; or --resume ID, or --of RUN ... --with RUN ...")
        changes = parse_settings(self.set_b, "--set-b")
        a, b = self.side(self.a), self.side(self.a if self.b is None else self.b, changes)
        check_used([a.recipe, b.recipe], parse_settings(self.set))
        check_used([b.recipe], changes)
        check_differ(a.recipe, b.recipe, self.null)
        if a.recipe.dataset != b.recipe.dataset:
            raise ValueError(
                f"dataset: A is for {a.recipe.dataset}, B for {b.recipe.dataset}; --dataset says which for both"
            )
        recipe, dataset = self.load(a.recipe)
        b_recipe = b.recipe.with_params({"dataset": recipe.dataset})
        return {"A": replace(a, recipe=recipe), "B": replace(b, recipe=b_recipe)}, dataset

    def _of_runs(self) -> int:
        """Compare existing runs."""
        from fastcifar.cli.training.some_runs import compare_runs, read_runs
        from fastcifar.train.comparing.comparison import check_request
        from fastcifar.train.comparing.documents import comparison_document

        refuse_others(self, {"of", "with_", "delta", "out", "json", "debug"}, "--of: nothing is trained")
        if not (self.of and self.with_):
            raise ValueError("--of and --with: both are needed, the runs of A and the runs of B")
        delta = None if self.delta is None else self.delta / 100
        check_request(None, delta)
        results = {
            "A": read_runs(self.out, self.of, "--of"),
            "B": read_runs(self.out, self.with_, "--with"),
        }
        comparison, lines = compare_runs(results, delta)
        if self.json:
            print(dumps(comparison_document(results, comparison), indent=2))
        else:
            print("\n".join(lines))
        return 1 if comparison.a.diverged or comparison.b.diverged else 0
