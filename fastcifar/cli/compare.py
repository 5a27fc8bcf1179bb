"""The command `fastcifar compare`."""

from dataclasses import dataclass
from json import dumps
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from fastcifar.cli.flags import Settings, absent, parse_settings
from fastcifar.cli.run_flags import RunFlags
from fastcifar.errors import Failure

if TYPE_CHECKING:
    from fastcifar.cli.runs_view import RunsView
    from fastcifar.data import Dataset
    from fastcifar.train import Comparison, Recipe, Result


@dataclass(frozen=True, kw_only=True)
class Compare(RunFlags):
    """Train two recipes in turn with the same seeds, and tell whether B is better than A, and faster.

    The flags hold for both; --set-b for B alone, so that `compare A --set-b flip=none` says what a field does.
    """

    a: Positional[Annotated[str, arg(metavar="A")]]
    """A named recipe or a JSON file."""
    b: Positional[Annotated[str | None, absent("[B]")]] = None
    """The other; by default A again, with the values of --set-b."""
    runs: Annotated[int, arg(metavar="N")] = 5
    """Runs of each, at least 3, with the seeds from --seed on."""
    delta: Annotated[float | None, arg(metavar="POINTS")] = None
    """A difference that matters, in points of accuracy, e.g. 0.2; tells how many runs would find it."""
    set_b: Settings = ()
    """Values for fields of B alone, e.g. --set-b flip=alternating."""
    null: bool = False
    """Compare a recipe with itself, to see what chance and the machine do; without this, A and B have to differ."""
    seed: Annotated[int, arg(metavar="N")] = 0
    """The first pair's seed, which decides weights, order and augmentation."""
    json: bool = False
    """Print one JSON document instead of the tables."""

    def run(self) -> int:
        from fastcifar.cli.runs_view import RunsView
        from fastcifar.train import compare, compare_results
        from fastcifar.train.comparison import check_request, turns

        delta = None if self.delta is None else self.delta / 100
        check_request(self.runs, delta)  # before the images are looked for, as the settings
        settings = self.settings()
        names, recipes, dataset = self._pair()
        view = RunsView(
            [which for which, _ in turns(self.runs, self.seed)],
            lambda result: self._banner(names, recipes, result),
            views=any(recipe.tta != "none" for recipe in recipes),
            quiet=self.json,
        )
        early: BaseException | None = None
        try:
            comparison = compare(
                *recipes,
                dataset,
                self.runs,
                seed=self.seed,
                delta=delta,
                names=names,
                null=self.null,
                hooks=lambda which, seed: view.hooks(),
                on_run=lambda which, result: view.ran(result),
                **settings,
            )
        except (KeyboardInterrupt, Failure) as error:
            if not view.ended_early():
                raise
            early = error
            comparison = compare_results(view.results["A"], view.results["B"], delta)
        self._tell(view, comparison, early)
        if early is not None:
            raise early
        return 1 if comparison.a.diverged or comparison.b.diverged else 0

    def _tell(self, view: "RunsView", comparison: "Comparison", early: BaseException | None) -> None:
        """Print what was found. early: what has ended the runs before they were all made."""
        from fastcifar.cli.summary import comparison_lines
        from fastcifar.train.documents import comparison_document

        if self.json:
            print(dumps(comparison_document(view.results, comparison, self.runs, early), indent=2))
        else:
            view.end(comparison_lines(comparison, self.runs))

    def _pair(self) -> "tuple[tuple[str, str], tuple[Recipe, Recipe], Dataset]":
        """The names, the recipes and their images."""
        from fastcifar.train.networks import check_differ, check_used

        name_a, a = self.find(self.a)
        changes = parse_settings(self.set_b, "--set-b")
        name_b, b = self.find(self.a if self.b is None else self.b, changes)
        check_used([a, b], parse_settings(self.set))
        check_used([b], changes)
        check_differ(a, b, self.null)
        if a.dataset != b.dataset:
            raise ValueError(f"dataset: A is for {a.dataset}, B for {b.dataset}; --dataset says which for both")
        a, dataset = self.load(a)
        return (name_a, name_b), (a, b.with_params({"dataset": a.dataset})), dataset

    def _banner(self, names: tuple[str, str], recipes: "tuple[Recipe, Recipe]", result: "Result") -> str:
        from fastcifar.cli.show import images, machine
        from fastcifar.cli.summary import differing_fields

        seeds = f"seeds {self.seed} to {self.seed + self.runs - 1}"
        return (
            f"A: {names[0]}; B: {names[1]}{differing_fields(*recipes)}\n"
            f"on {images(result)}; {seeds}; on {machine(result)}"
        )
